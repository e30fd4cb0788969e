"""What the README and the tutorial show does what they say."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from avbench.preprocessing.cli.main import cli
from tutorial import MODEL_FILE, blocks

ROOT = Path(__file__).resolve().parents[1]


def _blocks(page: str, language: str) -> list[str]:
    return blocks(ROOT / page, language)


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands of the tutorial were run, in their order, with a model of its own."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / MODEL_FILE).write_text(_blocks("docs/tutorial.md", "python")[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in _blocks("docs/tutorial.md", "bash"):
            for line in block.strip().splitlines():
                # Short recordings and small pictures: the same commands in less time.
                words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)][1:]
                small = {"simulate": ["--seconds", "3", "--size", "128x96"]}.get(words[0], [])
                result = CliRunner().invoke(cli, [*words, *small], catch_exceptions=False)
                assert result.exit_code == 0, f"{line}: {result.output}"
    return folder


def test_the_tutorial_leads_from_a_recording_to_a_board(tutorial: Path) -> None:
    assert (tutorial / "runs/sift/report.html").is_file()
    page = (tutorial / "board/README.md").read_text(encoding="utf-8")
    assert "sift" in page
    assert "still" in page


def test_the_python_of_the_readme_runs_as_printed(tutorial: Path) -> None:
    used, model = _blocks("README.md", "python")
    (tutorial / "readme_model.py").write_text(model)
    check = "\nimport readme_model\nprint(*avbench.evaluate(readme_model.Still, data, progress=False).table().metric)"
    done = subprocess.run(
        [sys.executable, "-c", used + check], capture_output=True, text=True, check=False, cwd=tutorial
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("rotation.median_deg rotation.mean_deg ")


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


def _joined(text: str) -> str:
    """A text in which every command stands on one line."""
    return re.sub(r" *\\\n\s*", " ", text)


def _examples(text: str) -> list[str]:
    """Commands in a text: indented lines that begin with avbench, comments left out."""
    lines = re.findall(r"^(?: {4,}|\$ )(avbench .*?)(?:\s+#.*)?$", _joined(text), flags=re.MULTILINE)
    return [line for line in lines if "COMMAND" not in line and "..." not in line and "$" not in line]


def _help_examples() -> list[str]:
    texts = [command.help or "" for _, command in _commands(cli)]
    return [line for text in texts for line in _examples(text)]


def _page_examples() -> list[str]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    in_fences = [
        line
        for page in pages
        for block in blocks(page, "bash")
        for line in _joined(block).splitlines()
        if line.startswith("avb")
    ]
    return [line for text in texts for line in _examples(text)] + in_fences


def test_every_command_has_an_example_that_is_shown_as_code() -> None:
    for name, command in _commands(cli):
        assert any(line.startswith(f"avbench {name}") for line in _examples(command.help or "")), name


def _problem(command: click.Command, line: str, words: list[str]) -> str:
    try:
        command.make_context(line, words)
    except click.BadParameter as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize("line", sorted({*_help_examples(), *_page_examples()}))
def test_examples_are_commands_with_options_that_exist(line: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    command: click.Command = cli
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    problem = _problem(command, line, words)
    assert problem == "" or "does not exist" in problem, f"{line}: {problem}"


RUN_ON_THE_TUTORIAL = ("compare", "corrupt", "depths", "models", "report", "score", "still")


@pytest.mark.parametrize(
    "line", [line for line in _help_examples() if line.split()[1] in RUN_ON_THE_TUTORIAL], ids=lambda line: line[8:]
)
def test_examples_of_the_help_run_as_printed(line: str, tutorial: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tutorial)
    result = CliRunner().invoke(cli, shlex.split(line)[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_the_pictures_of_the_gallery_are_small_and_said_to_be_simulated() -> None:
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    assert page.split("\n\n")[1].startswith("Everything on these pictures is simulated")
    shown = re.findall(r"!\[[^]]+\]\((pictures/[^)]+)\)", page)
    assert sorted(shown) == sorted(f"pictures/{path.name}" for path in (ROOT / "docs/pictures").iterdir())
    assert all((ROOT / "docs" / name).stat().st_size < 150_000 for name in shown)


def test_the_changelog_has_what_is_not_released_on_top() -> None:
    """One section for each version, the unreleased one first, and every entry a bullet of whole sentences."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d{2}-\d{2}\)", name) for name in sections[1:]), sections
    entries = re.split(r"\n(?=- |#|\n)", text.partition("## Unreleased")[2])
    entries = [entry.strip() for entry in entries if entry.strip().startswith("- ")]
    assert entries
    for entry in entries:
        assert entry.endswith("."), entry
        assert "scores" not in re.findall(r"\*\*(.*?)\*\*", entry) or entry.startswith("- **scores** "), entry
