"""A document is read whole and as its dataclass says, or refused in one line that names the field."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.preprocessing.base.documents import MissingFileError, parse_json, read_json, read_json_lines, read_toml
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import Count, Share, Text, Unbounded


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Lamp:
    watts: Count
    colour: Colour
    place_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    hours: tuple[int, ...] = ()
    level: Share | None = None
    life_h: Unbounded = math.inf


@dataclass(frozen=True)
class Room:
    name: Text
    lamps: tuple[Lamp, ...]
    doors: Mapping[str, Lamp] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    open: bool | None = None

    def __post_init__(self) -> None:
        if self.name == "nowhere":
            raise ValueError("name must be a place")


WHOLE = {
    "name": "hall",
    "lamps": [{"watts": 4, "colour": "red", "place_m": [1, 2.5, -3], "hours": [1, 2], "level": 1, "life_h": "inf"}],
    "doors": {"left": {"watts": 0, "colour": "green"}},
    "notes": {"any": [1, {"thing": None}]},
    "open": True,
}


def test_a_whole_document_becomes_its_dataclass() -> None:
    lamp = Lamp(4, Colour.RED, (1.0, 2.5, -3.0), (1, 2), 1.0, math.inf)
    room = Room("hall", (lamp,), {"left": Lamp(0, Colour.GREEN)}, {"any": [1, {"thing": None}]}, True)
    assert parse_json(json.dumps(WHOLE), "f", Room) == room


def changed(path: str, value: object) -> dict[str, Any]:
    """The whole document with another value at a path such as `lamps.0.watts`."""
    document = json.loads(json.dumps(WHOLE))
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    inner[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("name", 3, "f: name: found 3, expected text"),
        ("name", "", "f: name: found no text, expected text"),
        ("name", "nowhere", "f: found values out of range, expected name must be a place"),
        ("lamps", {}, r"f: lamps: found an empty table, expected a list"),
        ("lamps", "abc", r"f: lamps: found 'abc', expected a list"),
        ("lamps", [3], r"f: lamps\[1\]: found 3, expected a table"),
        ("lamps.0.watts", "4", r"f: lamps\[1\].watts: found '4', expected a whole number"),
        ("lamps.0.watts", 4.0, r"lamps\[1\].watts: found 4.0, expected a whole number"),
        ("lamps.0.watts", True, r"lamps\[1\].watts: found true, expected a whole number"),
        ("lamps.0.watts", None, r"lamps\[1\].watts: found null, expected a whole number"),
        ("lamps.0.watts", -1, r"lamps\[1\].watts: found -1, expected a whole number from 0 on"),
        ("lamps.0.watts", 2**63, r"lamps\[1\].watts: found a whole number of more than 64 bits"),
        ("lamps.0.colour", "gren", "found 'gren', expected one of red, green; did you mean green?"),
        ("lamps.0.place_m", [1, 2], r"lamps\[1\].place_m: found a list of 2, expected a list of 3"),
        ("lamps.0.place_m", [1, 2, "3"], r"lamps\[1\].place_m\[3\]: found '3', expected a number"),
        ("lamps.0.place_m", [1, 2, math.nan], r"lamps\[1\].place_m\[3\]: found nan, expected a finite number"),
        ("lamps.0.hours", [1, 2.5], r"lamps\[1\].hours\[2\]: found 2.5, expected a whole number"),
        ("lamps.0.level", 1.5, r"lamps\[1\].level: found 1.5, expected a number from 0 to 1"),
        ("lamps.0.life_h", "long", r"lamps\[1\].life_h: found 'long', expected a number, inf or -inf"),
        ("lamps.0.wats", 4, "found the unknown key 'wats', expected one of watts"),
        ("doors.left.watts", [], "f: doors.left.watts: found an empty list"),
        ("doors", None, "f: doors: found null, expected a table"),
        ("notes.x", math.inf, "f: notes.x: found inf, expected a finite number"),
        ("notes.x", "\ud800", "f: notes.x: found text with half a character"),
        ("open", 1, "f: open: found 1, expected true or false"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(path: str, value: object, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_json(json.dumps(changed(path, value)), "f", Room)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f: found nothing, expected a room"),
        ("[1, 2", "no readable JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"name": "a", "lamps": [], "notes": {"x": ' + "[" * 40 + "]" * 40 + "}}", "more than 32 levels of nesting"),
        ('{"name": "a", "name": "b", "lamps": []}', "the key 'name' twice"),
        ('{"name": "a", "lamps": [], "notes": {"x": ' + "9" * 5000 + "}}", "no readable JSON"),
        ('{"name": "a", "lamps": [], "notes": {"x": 1e999}}', "notes.x: found inf"),
        ("null", "f: found null, expected a table"),
        ('{"lamps": []}', "f: name: found nothing, expected a value"),
        (b"\xff\xfe{\x00}\x00", "no readable JSON"),
    ],
)
def test_a_broken_text_is_told_in_one_line(text: str | bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_json(text, "f", Room, expected="a room")
    assert len(str(caught.value)) < 300


def test_other_keys_are_passed_over_where_that_is_asked_for() -> None:
    text = '{"name": "a", "lamps": [{"watts": 1, "colour": "red", "x": 1}], "later": {}}'
    assert parse_json(text, "f", Room, other_keys=True) == Room("a", (Lamp(1, Colour.RED),))


def test_files_that_cannot_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"x\.json: found no such file, expected a room"):
        read_json(tmp_path / "x.json", Room, expected="a room")
    with pytest.raises(InputError, match="found a folder, expected a room"):
        read_json(tmp_path, Room, expected="a room")
    (tmp_path / "latin.json").write_bytes('{"name": "Küche"}'.encode("latin-1"))
    with pytest.raises(InputError, match=r"not UTF-8 \(byte 11\)"):
        read_json(tmp_path / "latin.json", Room)
    (tmp_path / "utf16.json").write_text('{"name": "a"}', encoding="utf-16")
    with pytest.raises(InputError, match="not UTF-8"):
        read_json(tmp_path / "utf16.json", Room)
    locked = tmp_path / "locked.json"
    locked.write_text("{}", encoding="utf-8")
    locked.chmod(0)
    if os.geteuid() != 0:  # nothing is locked to root
        with pytest.raises(InputError, match="Permission denied"):
            read_json(locked, Room)


def test_a_byte_order_mark_is_no_part_of_a_document(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text('{"name": "a", "lamps": []}', encoding="utf-8-sig")
    assert read_json(tmp_path / "f.json", Room) == Room("a", ())


def test_lines_are_counted_and_end_at_line_feeds_only(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"name": "a\u2028b", "lamps": []}\n\n{"name": "c", "lamps": []}\r\n', encoding="utf-8")
    assert [room.name for room in read_json_lines(path, Room)] == ["a\u2028b", "c"]
    path.write_text('{"name": "a", "lamps": []}\n{"name": 1, "lamps": []}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"f\.jsonl: line 2: name: found 1"):
        list(read_json_lines(path, Room))


def test_toml_is_checked_in_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text('name = "a"\n[[lamps]]\nwatts = 3\ncolour = "red"\n', encoding="utf-8")
    assert read_toml(path, Room) == Room("a", (Lamp(3, Colour.RED),))
    for text, says in (
        ("name = 3\nlamps = []", "name: found 3, expected text"),
        ('name = "a"\nname = "b"', "no readable TOML"),
        ('name = "a"\nlamps = []\nopen = 2020-01-01', "open: found datetime.date"),
        ('name = "a"\nlamps = []\nnotes = {x = nan}', "notes.x: found nan"),
        ("x = " + "[" * 3000, "no readable TOML|nested too deeply"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=says):
            read_toml(path, Room)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["name", "lamps", "lamps.0.watts", "lamps.0.place_m", "doors", "doors.left", "notes"]), VALUES)
def test_whatever_stands_in_a_field_it_is_read_or_refused(path: str, value: object) -> None:
    text = json.dumps(changed(path, value))
    with suppress(InputError):
        room = parse_json(text, "f", Room)
        assert isinstance(room.name, str)
        assert all(type(lamp.watts) is int and lamp.watts >= 0 for lamp in room.lamps)
        assert all(len(lamp.place_m) == 3 and all(map(math.isfinite, lamp.place_m)) for lamp in room.lamps)
