"""Recordings to a data set, from Python."""

from dataclasses import asdict
from pathlib import Path

import pytest

from avbench.benchmark.api.prepare import prepare
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.cli.prepare import prepare as command
from avbench.preprocessing.prepare.options import PrepareOptions


def test_the_options_and_their_defaults_are_those_of_the_command(tmp_path: Path) -> None:
    given = command.make_context("prepare", [str(tmp_path), "-o", str(tmp_path / "out")]).params
    assert {name: value for name, value in given.items() if name not in ("source", "out")} == asdict(PrepareOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_secs": 2.0}, "clip_secs: found no such option, .* did you mean clip_seconds?"),
        ({"audio": "maybe"}, "audio: found 'maybe', expected one of required, optional"),
        ({"quality": 0}, "quality: found 0, expected 1 to 100"),
        ({"splits": "train=2"}, "splits"),
    ],
)
def test_wrong_options_are_told_in_one_line(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        prepare(tmp_path, tmp_path / "data", **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data").exists()
