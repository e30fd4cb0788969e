"""Suites and conditions."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.benchmark.conditions.corruptions import (
    RECIPES,
    SEVERITIES,
    Condition,
    Corruption,
    Frame,
    Frames,
    Suite,
    corrupt,
    load_suite,
    suite_names,
)
from avbench.benchmark.conditions.corruptions.golden import synthetic_picture
from avbench.preprocessing.base.errors import InputError


def write(folder, text, name="mine.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_suites_of_the_package():
    assert suite_names() == ["clean", "paper", "reference", "standard"]
    assert [condition.name for condition in load_suite("clean").conditions] == ["clean"]
    paper = [condition.name for condition in load_suite("paper").conditions]
    assert paper == ["clean", "paper-1", "paper-2", "paper-3", "paper-4", "paper-5"]
    reference = [condition.name for condition in load_suite("reference").conditions]
    assert reference == ["clean", "motion_blur-5", "low_light-5", "occlusion_patch-5", "blackout-5"]
    standard = load_suite("standard")
    expected = {"clean"} | {f"{corruption}-{severity}" for corruption in Corruption for severity in (1, 3, 5)}
    assert {condition.name for condition in standard.conditions} == expected
    assert len(standard.conditions) == len(expected)
    assert standard.conditions[0].name == "clean"
    assert all(load_suite(name).name == name and load_suite(name).description for name in suite_names())


def test_a_suite_of_the_users_own(tmp_path):
    path = write(
        tmp_path,
        """
        description = "Dark."
        clean = true
        [[conditions]]
        corruption = ["low_light", "fog"]
        severities = [5, 2]
        [[conditions]]
        corruption = "fog"
        severities = [2]
        frames = "a"
        """,
    )
    suite = load_suite(path)
    assert (suite.name, suite.description) == ("mine", "Dark.")
    names = [condition.name for condition in suite.conditions]
    assert names == ["clean", "low_light-5", "low_light-2", "fog-5", "fog-2", "fog-2-a"]
    assert load_suite(str(path)) == suite


CONDITIONS = '[[conditions]]\ncorruption = "fog"\nseverities = [1]\n'


@pytest.mark.parametrize(
    ("stated", "first"), [("", "clean"), ("clean = true\n", "clean"), ("clean = false\n", "fog-1")]
)
def test_a_suite_has_the_pictures_as_they_are_unless_it_says_no(tmp_path, stated, first):
    path = tmp_path / "mine.toml"
    path.write_text(stated + CONDITIONS)
    names = [condition.name for condition in load_suite(path).conditions]
    assert names == (["fog-1"] if first == "fog-1" else ["clean", "fog-1"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "descripton = 'x'\nclean = true",
            r"mine.toml: found the unknown key 'descripton'.*did you mean description",
        ),
        (CONDITIONS + "severity = 3", r"conditions\[1\]: found the unknown key 'severity'.*did you mean severities"),
        (CONDITIONS + 'frames = "left"', r"conditions\[1\].frames: found 'left', expected one of a, b, both, one"),
        ('[[conditions]]\ncorruption = "fogg"\nseverities = [1]', r"corruption: found 'fogg'.*did you mean fog"),
        ('[[conditions]]\ncorruption = "fog"', r"conditions\[1\].severities: found nothing"),
        ("[[conditions]]\nseverities = [1]", r"conditions\[1\].corruption: found nothing"),
        ('[[conditions]]\ncorruption = "fog"\nseverities = [6]', r"severities: found severity 6"),
        (
            '[[conditions]]\ncorruption = "fog"\nseverities = [true]',
            r"severities\[1\]: found true",
        ),
        ('[[conditions]]\ncorruption = "fog"\nseverities = 3', r"severities: found 3, expected a list"),
        ('[[conditions]]\ncorruption = "fog"\nseverities = []', r"severities: found an empty list"),
        ("[[conditions]]\ncorruption = []\nseverities = [1]", r"corruption: found an empty list"),
        ("[[conditions]]\ncorruption = 3\nseverities = [1]", r"corruption: found 3, expected text"),
        (CONDITIONS + CONDITIONS, r"found fog-1 twice"),
        ("conditions = 3", r"conditions: found 3"),
        ("conditions = [3]", r"conditions\[1\]: found 3, expected a table"),
        ("clean = 1", r"clean: found 1, expected true or false"),
        ("name = 3\nclean = true", r"name: found 3"),
        ("name = ''\nclean = true", r"name: found no text"),
        ("name = 'standard'\nclean = true", r"name: found 'standard', the name of a suite that comes with avbench"),
        ("clean = false", r"found no condition, expected clean = true or"),
        ("clean = ", r"mine.toml: found no readable TOML"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        load_suite(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_unknown_suites_and_unreadable_files(tmp_path):
    with pytest.raises(InputError, match="did you mean standard"):
        load_suite("standart")
    with pytest.raises(InputError, match=r"known are clean, paper, reference, standard"):
        load_suite(tmp_path / "zzz.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_suite(binary)


def test_names_of_conditions_come_back():
    conditions = [Condition()] + [
        Condition.of(corruption, severity, frames)
        for corruption in Corruption
        for severity in SEVERITIES
        for frames in (None, *Frames)
    ]
    assert all(Condition.parse(condition.name) == condition for condition in conditions)
    assert Condition.parse("blackout-5").frames is Frames.ONE
    assert Condition.of("fog", 3, Frames.BOTH).name == "fog-3"


@pytest.mark.parametrize("name", ["fog", "fog-", "fog-x", "fog-3-left", "fog-3-a-b", "", "fog-9", "dog-3", "fog-²"])
def test_other_names_are_refused(name):
    with pytest.raises(InputError, match="condition"):
        Condition.parse(name)


def test_a_condition_must_be_whole():
    with pytest.raises(InputError, match="severity 0"):
        Condition(Corruption.FOG)
    with pytest.raises(InputError, match="condition clean"):
        Condition(None, 3)


def test_conditions_show_what_they_say():
    a, b = synthetic_picture(24, 32, seed="a"), synthetic_picture(24, 32, seed="b")
    assert Condition().apply(a, b, "pair") == (a, b)
    assert Condition().hits("pair") == frozenset()
    shown = Condition.parse("fog-3-b").apply(a, b, "pair")
    assert shown[0] is a
    np.testing.assert_array_equal(shown[1], corrupt(b, "pair", "fog", 3, "b"))
    for pair in ("p1", "p2", "p3", "p4", "p5", "p6"):
        condition = Condition.parse("blackout-5")
        (hit,) = condition.hits(pair)
        shown = condition.apply(a, b, pair)
        assert [bool(picture.any()) for picture in shown] == [hit is not Frame.A, hit is not Frame.B]


def test_fingerprints_tell_suites_with_different_pixels_apart(monkeypatch):
    one, two = (Suite("x", "", (Condition.of("fog", severity),)) for severity in (1, 2))
    assert one.fingerprint != two.fingerprint
    assert one.fingerprint == Suite("renamed", "other words", one.conditions).fingerprint
    before = one.fingerprint
    recipe = RECIPES[Corruption.FOG]
    monkeypatch.setitem(RECIPES, Corruption.FOG, type(recipe)(**{**vars(recipe), "version": recipe.version + 1}))
    assert one.fingerprint != before
