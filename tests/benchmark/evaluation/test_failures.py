"""Runs in which the model could not answer end with exit code 1 and the first cause, and keep what they wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from avbench.preprocessing.cli import main as cli
from prepared_data import pair_row, write_dataset

MODELS = """
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
GOOD = PosePrediction(np.eye(3), np.array([0.0, 0.0, 1.0]))
class Never:
    modalities = ()
    def predict(self, pairs): raise ValueError("no weights\\nfor this camera")
class NoPose:
    modalities = ()
    def predict(self, pairs): return [PosePrediction(np.zeros((3, 3)), np.zeros(3)) for _ in pairs]
class Half:
    modalities = ()
    def predict(self, pairs):
        if any(pair.pair_id in ("p2", "p3") for pair in pairs): raise KeyError(pairs[0].pair_id)
        return [GOOD] * len(pairs)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("failing")
    (folder / "bad.py").write_text(MODELS)
    return write_dataset(folder / "data", {"test": [pair_row(f"p{number}") for number in range(4)]})


NONE = "answered none of the 4 pairs; the first cause:"


@pytest.mark.parametrize(
    ("model", "options", "line"),
    [
        ("Never", (), f"{NONE} ValueError: no weights for this camera"),
        ("NoPose", ("--fail-on", "1"), f"{NONE} rotation_a_b is no rotation"),
        (
            "Half",
            ("--fail-on", "0.49"),
            "failed on 2 of 4 pairs under clean, more than --fail-on 0.49 allows; the first cause: KeyError: 'p2'",
        ),
        ("Half", ("--fail-on", "0.5"), None),
        ("Half", (), None),
    ],
)
def test_a_model_that_cannot_answer_makes_the_exit_code_1(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    options: tuple[str, ...],
    line: str | None,
) -> None:
    out = tmp_path / "run"
    command = [
        "avbench",
        "evaluate",
        data,
        "--model",
        f"{data.parent / 'bad.py'}:{model}",
        "-o",
        out,
        "--timeout-s",
        "0",
    ]
    monkeypatch.setattr("sys.argv", [str(word) for word in (*command, *options)])
    # A run that is complete is judged as it was when it was made.
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error")]
        assert ended.value.code == (0 if line is None else 1)
        assert len(said) == (0 if line is None else 1)
        assert line is None or f"error: bad.py:{model} {line}" in said[0]
        assert {path.name for path in out.iterdir()} >= {"predictions.parquet", "score.json", "run.json"}
