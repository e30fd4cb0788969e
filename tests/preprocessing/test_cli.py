"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner

from avbench.preprocessing import cli
from avbench.preprocessing.errors import AvbenchError, InputError


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
        "import sys; from click.testing import CliRunner; from avbench.preprocessing.cli import cli; "
        "result = CliRunner().invoke(cli, ['--help']); assert result.exit_code == 0, result.output; "
        "print(*sorted({'numpy', 'torch', 'pandas', 'pyarrow', 'datasets', 'cv2', 'scipy', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_broken_plug_in_is_said_and_the_others_still_work(monkeypatch: pytest.MonkeyPatch) -> None:
    points = (
        EntryPoint("broken", "no_such_module_anywhere:verb", cli.COMMAND_GROUP),
        EntryPoint("wrong", "json:dumps", cli.COMMAND_GROUP),
        EntryPoint("fine", "avbench.preprocessing.commands:prepare", cli.COMMAND_GROUP),
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
