"""What the README and the tutorial show does what they say."""

import re
import subprocess
import sys
from pathlib import Path

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


def test_every_command_has_an_example_in_its_help() -> None:
    for name in cli.list_commands(None):  # type: ignore[arg-type]
        help_text = CliRunner().invoke(cli, [name, "--help"]).output
        assert f"avbench {name} " in help_text.replace("\n", " \n") or f"avbench {name}\n" in help_text, name
