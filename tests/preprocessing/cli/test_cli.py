"""The command line as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.base.locks import sole_writer
from avbench.preprocessing.cli import main as cli
from prepared_data import pair_row, write_dataset


def commands() -> dict[str, click.Command]:
    """All verbs with their sub-verbs."""
    context = click.Context(cli.cli)
    found: dict[str, click.Command] = {}

    def visit(name: str, command: click.Command) -> None:
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                loaded = command.get_command(context, child)
                assert loaded is not None
                visit(f"{name} {child}".strip(), loaded)
        else:
            found[name] = command

    visit("", cli.cli)
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_verb_loads_and_shows_an_example(name: str) -> None:
    result = CliRunner().invoke(commands()[name], ["--help"], prog_name=f"avbench {name}")
    assert result.exit_code == 0, result.output
    assert f"avbench {name.split()[0]}" in result.output.split("\n", 1)[1], "the help has no example line"
    assert "\\b" not in result.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from avbench.preprocessing.cli.main import cli; "
        "result = CliRunner().invoke(cli, ['--help']); assert result.exit_code == 0, result.output; "
        "print(*sorted({'numpy', 'torch', 'pandas', 'pyarrow', 'datasets', 'cv2', 'scipy', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_broken_plug_in_is_said_and_the_others_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    points = (
        EntryPoint("broken", "no_such_module_anywhere:verb", cli.COMMAND_GROUP),
        EntryPoint("wrong", "json:dumps", cli.COMMAND_GROUP),
        EntryPoint("fine", "avbench.preprocessing.cli.prepare:prepare", cli.COMMAND_GROUP),
    )
    monkeypatch.setattr(cli, "_command_points", lambda: points)
    listed = CliRunner().invoke(cli.cli, ["--help"])
    assert listed.exit_code == 0
    assert "cannot be loaded" in listed.output
    assert "fine" in listed.output
    for name in ("broken", "wrong"):
        result = CliRunner().invoke(cli.cli, [name])
        assert isinstance(result.exception, AvbenchError)
        assert name in str(result.exception)


def test_a_users_problem_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["avbench", "board", "show", "no-such-folder"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_input_error_says_everything_in_one_line_and_survives_pickling() -> None:
    import pickle

    error = InputError("a.toml: fx", found="-3\n", expected="a positive number", hint="measure it")
    assert str(error) == "a.toml: fx: found -3 , expected a positive number; measure it"
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.where, again.hint) == (str(error), error.where, error.hint)


INTERRUPTED = """
import signal, sys, time
# A shell starts what it runs in the background with Ctrl-C ignored, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from avbench.preprocessing.cli import main as cli
import click
@click.command()
@click.argument("how")
def wait(how):
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        if how == "translated":
            raise RuntimeError("a library gave up")
        if how == "twice":
            print("cleaning", flush=True)
            time.sleep(60)
        raise
class Point:
    name = "wait"
    def load(self): return wait
cli._command_points = lambda: (Point(),)
sys.argv = ["avbench", "wait", sys.argv[1]]
cli.main()
"""


@pytest.mark.parametrize("how", ["once", "translated", "twice"])
def test_ctrl_c_is_one_line_and_exit_code_130(how: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        if how == "twice":
            assert process.stdout.readline() == "cleaning\n"
            process.send_signal(signal.SIGINT)
        said = process.stderr.read().strip()
    assert said == "interrupted; run the same command again to continue"
    assert process.returncode == 130


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys; sys.argv = ['avbench', 'models']; from avbench.preprocessing.cli.main import main; main()"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    code = "import sys; sys.argv = ['avbench', 'models']; from avbench.preprocessing.cli.main import main; main()"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: No space left on device; free some space")
    assert done.stderr.count("\n") == 1


def said_by(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["avbench", *words])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code != 0
    return [line for line in capsys.readouterr().err.splitlines() if line.lower().startswith("error")]


def test_all_options_that_are_wrong_are_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "data", "--batch-size", "0", "--limit", "few"]
    assert said_by(words, monkeypatch, capsys) == [
        "Error: Invalid value for '--batch-size': 0 is not in the range x>=1.",
        "Error: Invalid value for '--limit': 'few' is not a valid integer range.",
        "Error: Missing option '--model'.",
    ]
    assert said_by(["board", "create"], monkeypatch, capsys) == [
        "Error: Missing argument 'FOLDER'.",
        "Error: Missing option '--data'.",
        "Error: Missing option '--title'.",
    ]


def test_all_that_is_wrong_with_a_run_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_dataset(tmp_path / "data", {"train": [pair_row("p0")], "val": [pair_row("p1")]})
    words = ["evaluate", str(data), "--model", "identiti", "--suite", "nope"]
    split, model, suite = said_by(words, monkeypatch, capsys)
    assert split == (
        f"error: {data}: found no split 'test', expected train or val; choose one with --split; "
        "`avbench prepare --split test` makes one of all recordings"
    )
    assert model.startswith("error: model 'identiti': found no model of this name")
    assert suite.startswith("error: suite nope: found neither")


@pytest.mark.parametrize(
    "words",
    [
        ["simulate", "OUT", "--recordings", "1", "--seconds", "1", "--jobs", "1"],
        ["evaluate", "DATA", "--model", "identity", "-o", "OUT", "--timeout-s", "0"],
        ["corrupt", "DATA", "-o", "OUT", "--suite", "clean"],
        ["board", "create", "OUT", "--data", "DATA", "--title", "t"],
    ],
)
@pytest.mark.parametrize("place", ["file/out", "/proc/nowhere/out"])
def test_an_output_that_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], place: str
) -> None:
    data = write_dataset(tmp_path / "data", {"test": [pair_row("p0")]})
    (tmp_path / "file").touch()
    places = {"OUT": str(tmp_path / place), "DATA": str(data)}
    (line,) = said_by([places.get(word, word) for word in words], monkeypatch, capsys)
    assert str(tmp_path / place) in line
    assert "could not be written" in line


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "DATA", "--model", "identity", "-o", "OUT", "--timeout-s", "0", "--overwrite"],
        ["corrupt", "DATA", "-o", "OUT", "--suite", "clean", "--overwrite"],
    ],
)
def test_a_folder_that_another_command_writes_to_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    data = write_dataset(tmp_path / "data", {"test": [pair_row("p0")]})
    places = {"OUT": str(tmp_path / "out"), "DATA": str(data)}
    with sole_writer(tmp_path / "out"):
        (tmp_path / "out" / "predictions.parquet").touch()
        (line,) = said_by([places.get(word, word) for word in words], monkeypatch, capsys)
    assert line.startswith(f"error: {tmp_path / 'out'}: another avbench command is writing to it")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.parquet"]
