"""Splits: groups stay whole, wishes count, the rest is a stable hash."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.prepare.splits import (
    DEFAULT_FRACTIONS,
    Member,
    assign_splits,
    check_split_name,
    parse_fractions,
    split_of_group,
)


def test_fractions_are_read_in_order() -> None:
    assert list(parse_fractions("train=0.7, dev=0.2,test=0.1").items()) == [("train", 0.7), ("dev", 0.2), ("test", 0.1)]
    assert parse_fractions("test=1") == {"test": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train=0.8,test=0.3", "add up to 1.1, expected 1"),
        ("train=0.8,train=0.2", "train twice"),
        ("train=much", "found 'much', expected a fraction"),
        ("train=-0.5,test=1.5", "found '-0.5'"),
        ("train=nan", "found 'nan'"),
        ("my-split=1", "found 'my-split', expected letters, digits and _"),
        ("", "found ''"),
    ],
)
def test_bad_fractions_are_told(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_fractions(text)


def test_the_hash_is_the_documented_one() -> None:
    position = int.from_bytes(hashlib.sha256(b"7:kitchen").digest()[:8], "big") / 2**64
    expected = "a" if position < 0.5 else "b"
    assert split_of_group("kitchen", {"a": 0.5, "b": 0.5}, 7) == expected
    # sha256sum of "0:g0", "0:g3" and "0:g5" as shares of 2**64: 0.134, 0.895, 0.883.
    assert [split_of_group(name, DEFAULT_FRACTIONS, 0) for name in ("g0", "g3", "g5")] == ["train", "val", "val"]


def test_shares_are_met_over_many_groups() -> None:
    chosen = [split_of_group(f"group {i}", DEFAULT_FRACTIONS, 3) for i in range(20_000)]
    for name, share in DEFAULT_FRACTIONS.items():
        assert chosen.count(name) / len(chosen) == pytest.approx(share, abs=0.01)  # 5 sigma is 0.014 at most


def test_a_split_of_share_zero_gets_nothing() -> None:
    assert {split_of_group(f"{i}", {"train": 0.0, "test": 1.0, "val": 0.0}, 0) for i in range(200)} == {"test"}


names = st.text(alphabet="abcdef", min_size=1, max_size=3)


@given(st.dictionaries(names, names, max_size=30), st.integers(0, 5))
def test_no_group_is_ever_cut(group_of: dict[str, str], seed: int) -> None:
    splits = assign_splits([Member(name, group) for name, group in group_of.items()], DEFAULT_FRACTIONS, seed)
    assert set(splits) == set(group_of)
    for group in set(group_of.values()):
        assert len({splits[name] for name in group_of if group_of[name] == group}) == 1


@given(st.dictionaries(names, names, min_size=2, max_size=30))
def test_a_group_does_not_depend_on_the_others(group_of: dict[str, str]) -> None:
    members = [Member(name, group) for name, group in group_of.items()]
    together = assign_splits(members, DEFAULT_FRACTIONS, 0)
    alone = {name: split for member in members for name, split in assign_splits([member], DEFAULT_FRACTIONS, 0).items()}
    assert together == alone


def test_a_wish_holds_for_the_whole_group() -> None:
    members = [Member("r1", "home"), Member("r2", "home", "holdout"), Member("r3", "street")]
    splits = assign_splits(members, {"train": 1.0}, 0)
    assert splits == {"r1": "holdout", "r2": "holdout", "r3": "train"}


def test_two_wishes_in_one_group_are_refused_naming_both() -> None:
    members = [Member("r1", "home", "train"), Member("r2", "home", "test")]
    with pytest.raises(InputError, match=r"group home: found recording r1 in train and r2 in test, expected one split"):
        assign_splits(members, DEFAULT_FRACTIONS, 0)


def test_a_forced_split_overrides_wishes() -> None:
    members = [Member("r1", "home", "train"), Member("r2", "home", "test")]
    assert assign_splits(members, DEFAULT_FRACTIONS, 0, forced="val") == {"r1": "val", "r2": "val"}


def test_a_wish_that_cannot_be_a_file_name_is_refused() -> None:
    with pytest.raises(InputError, match=r"r1: split name: found '../x'"):
        assign_splits([Member("r1", "home", "../x")], DEFAULT_FRACTIONS, 0)
    assert check_split_name("test_2", "here") == "test_2"


def test_nothing_to_split() -> None:
    assert assign_splits([], DEFAULT_FRACTIONS, 0) == {}
