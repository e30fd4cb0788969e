"""Which split a recording belongs to: whole groups only, so that no place or person is on both sides."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from avbench.preprocessing.base.errors import InputError

DEFAULT_FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}
_SPLIT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Member:
    """A recording, as far as splitting is concerned.

    Attributes:
        recording_id: Its name.
        group_id: The place, take or wearer that must not be cut.
        split: The split its source asks for, None where it does not care.
    """

    recording_id: str
    group_id: str
    split: str | None = None


def parse_fractions(text: str) -> dict[str, float]:
    """Read "train=0.8,val=0.1,test=0.1".

    Raises:
        InputError: A name or number is malformed, a name comes twice, or the fractions do not add up to 1.
    """
    fractions: dict[str, float] = {}
    for item in text.split(","):
        name, _, value = item.partition("=")
        name = check_split_name(name.strip(), "--splits")
        try:
            fraction = float(value)
        except ValueError:
            fraction = math.nan
        if not 0.0 <= fraction <= 1.0:
            raise InputError(
                f"--splits: {name}", found=repr(value), expected="a fraction from 0 to 1", hint="example: train=0.8"
            )
        if name in fractions:
            raise InputError("--splits", found=f"{name} twice", expected="every split once")
        fractions[name] = fraction
    total = math.fsum(fractions.values())
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise InputError("--splits", found=f"fractions that add up to {total:g}", expected="1")
    return fractions


def check_split_name(name: str, where: str) -> str:
    """Give the name back if it can be part of a shard's file name.

    Raises:
        InputError: It cannot.
    """
    if not _SPLIT_NAME.fullmatch(name):
        raise InputError(
            f"{where}: split name", found=repr(name), expected="letters, digits and _, beginning with a letter"
        )
    return name


def split_of_group(group_id: str, fractions: Mapping[str, float], seed: int) -> str:
    """Choose a split for one group from a hash of the seed and its name, so that it never depends on other groups.

    Args:
        group_id: The group.
        fractions: Split name to its share of groups; shares add up to 1.
        seed: Another seed gives another assignment.
    """
    digest = hashlib.sha256(f"{seed}:{group_id}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    upper = 0.0
    chosen = ""
    for name, fraction in fractions.items():
        if fraction <= 0.0:
            continue
        chosen = name
        upper += fraction
        if position < upper:
            break
    return chosen


def assign_splits(
    members: Iterable[Member], fractions: Mapping[str, float], seed: int, forced: str | None = None
) -> dict[str, str]:
    """Give every recording a split.

    A split that a recording asks for holds for its whole group; other groups are spread by `split_of_group`.

    Args:
        members: The recordings.
        fractions: Split name to its share of groups.
        seed: Seed of the spreading.
        forced: Put everything into this split, whatever the recordings ask for.

    Returns:
        Split by recording id.

    Raises:
        InputError: Two recordings of one group ask for different splits, or a name cannot be used.
    """
    listed = sorted(members, key=lambda member: member.recording_id)
    asked: dict[str, Member] = {}
    for member in listed:
        if member.split is None or forced is not None:
            continue
        check_split_name(member.split, member.recording_id)
        first = asked.setdefault(member.group_id, member)
        if first.split != member.split:
            raise InputError(
                f"group {member.group_id}",
                found=f"recording {first.recording_id} in {first.split} and {member.recording_id} in {member.split}",
                expected="one split for the whole group",
                hint="give both the same split, or different groups if they share neither place nor person",
            )
    result = {}
    for member in listed:
        if forced is not None:
            result[member.recording_id] = forced
        elif member.group_id in asked:
            result[member.recording_id] = str(asked[member.group_id].split)
        else:
            result[member.recording_id] = split_of_group(member.group_id, fractions, seed)
    return result
