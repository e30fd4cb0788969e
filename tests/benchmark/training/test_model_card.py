"""The card beside a bundle: true to the weights, readable by the Hugging Face library, and free of the machine."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from huggingface_hub import ModelCard
from safetensors import safe_open
from safetensors.torch import save_file

from avbench.benchmark.cli import train as train_command
from avbench.benchmark.models.backbones.reloc3r import Reloc3rBackbone
from avbench.benchmark.models.learned.bundle_files import bundle_revision
from avbench.benchmark.training import run
from avbench.benchmark.training.config import SMOKE, STANDARD, TrainConfig, changed, parse_model
from avbench.benchmark.training.loop import EpochRecord, StageResult
from avbench.benchmark.training.model_card import MODEL_CARD_NAME, TrainingRun, render_model_card
from avbench.benchmark.training.stages.encoders import TrainRequest
from prepared_data import write_dataset
from training_data import training_data, training_row

PARTS = ("encoders", "heads", "validation")
SETTINGS = 'heads = ["vision", "fusion", "fusion-shuffled"]\nencoder_share = 0.6\n[head]\nseeds = [0, 5]\n'


def command(*arguments: object) -> None:
    result = CliRunner().invoke(train_command.train, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def card_of(folder: Path) -> str:
    return (folder / MODEL_CARD_NAME).read_text(encoding="utf-8")


def content_of(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def cells(card: str, first: str) -> list[str]:
    """The row of a table that begins with a cell."""
    (line,) = (line for line in card.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of six training groups and all of validation are simulated; licences differ."""
    rows = [
        training_row(
            number,
            f"train-{group}",
            pose_source="simulated" if group < 2 else "tracker",
            licence="CC0-1.0" if group < 2 else "MIT",
        )
        for group in range(6)
        for number in range(4)
    ]
    judged = [training_row(number, "val-0", pose_source="simulated") for number in range(4)]
    return write_dataset(tmp_path_factory.mktemp("secret-place") / "walks", {"train": rows, "val": judged})


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles of two head seeds with their controls, from the command line."""
    folder = tmp_path_factory.mktemp("secret-home")
    (folder / "mine.toml").write_text(SETTINGS)
    options = ("--preset", "smoke", "--epochs", "1", "--device", "cpu", "--jobs", "1")
    command("--model", "fusion", "--data", data, "-o", folder / "out", "--config", folder / "mine.toml", *options)
    return folder / "out"


def test_the_hugging_face_library_reads_the_head(trained: Path) -> None:
    head = ModelCard(card_of(trained)).data.to_dict()
    assert head["license"] == "apache-2.0"
    assert head["library_name"] == "avbench"
    assert "simulated-training-data" in head["tags"]


def test_the_command_is_told_without_paths(trained: Path) -> None:
    card = card_of(trained)
    expected = "avbench train --model fusion --data walks --out out --preset smoke --config mine.toml --epochs 1"
    assert f"\n    {expected} --device cpu --jobs 1\n" in card
    for folder in (trained, trained / "head-seed-5", trained / "head-seed-5" / "fusion-shuffled"):
        assert "secret" not in card_of(folder)
        assert str(Path.home()) not in card_of(folder)


def test_the_settings_can_be_given_again(trained: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", card_of(trained), re.DOTALL)
    expected = changed(SMOKE, tomllib.loads(SETTINGS), "here").with_epochs(1)
    assert changed(STANDARD, tomllib.loads(block), "card") == expected


def test_parameters_and_bytes_are_those_of_the_files(trained: Path) -> None:
    def counted(*names: str) -> list[str]:
        # Every tensor in the files is a parameter; buffers are not stored.
        numbers, size = 0, 0
        for name in names:
            path = trained / f"{name}.safetensors"
            size += path.stat().st_size
            with safe_open(path, "pt") as file:
                numbers += sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118 - no mapping
        return [f"{numbers:,}", f"{size:,}"]

    card = card_of(trained)
    assert cells(card, "`vision`")[2:] == counted("vision", "head-vision")
    assert cells(card, "`audio`")[2:] == counted("binaural", "sound")
    assert cells(card, "`fusion`")[2:] == counted("vision", "binaural", "sound", "head-fusion")
    assert cells(card, "all")[3:] == counted("vision", "binaural", "sound", "head-vision", "head-fusion")


def test_the_data_are_named_and_what_is_simulated_is_called_so(data: Path, trained: Path) -> None:
    card = card_of(trained)
    fingerprint = json.loads((data / "manifest.json").read_text())["dataset_fingerprint"]
    assert f"`walks`, fingerprint `{fingerprint}`, read as test, licence CC0-1.0 and MIT." in card
    assert "**8 of 24 training pairs are simulated.** Nothing here was validated on real recordings." in card
    section = card.partition("## Data")[2].partition("## Training")[0]
    encoders, heads, validation = ([int(one) for one in cells(section, part)[1:]] for part in PARTS)
    assert (encoders[0] + heads[0], encoders[1] + heads[1], encoders[2] + heads[2]) == (24, 6, 8)
    assert encoders[0] == 4 * encoders[1] >= 0.6 * 24
    assert validation == [4, 1, 4]
    assert "not validated on real recordings" in card.partition("## Limits")[2]


def test_every_bundle_has_a_card_of_its_own(trained: Path) -> None:
    folders = {path.parent.relative_to(trained).as_posix() for path in trained.rglob(MODEL_CARD_NAME)}
    assert folders == {".", "fusion-shuffled", "head-seed-5", "head-seed-5/fusion-shuffled"}
    stages = {"vision encoder", "binaural", "audio"}
    heads = {
        ".": {"vision", "fusion"},
        "fusion-shuffled": {"fusion-shuffled"},
        "head-seed-5": {"vision (seed 5)", "fusion (seed 5)"},
        "head-seed-5/fusion-shuffled": {"fusion-shuffled (seed 5)"},
    }
    for folder in folders:
        card = card_of(trained / folder)
        figures = card.partition("## Figures")[2].partition("Each stage")[0]
        listed = {line.split("|")[1].strip() for line in figures.splitlines() if line.startswith("| ")}
        assert listed - {"validation", ":--"} == stages | heads[folder]
        assert f"of the heads {5 if 'seed-5' in folder else 0}." in card
        assert ("**A control, not a model to use.**" in card) == folder.endswith("shuffled")


def test_the_same_command_again_writes_the_same_and_its_options_leave_the_weights_revision(
    data: Path, trained: Path
) -> None:
    card, description, revision = card_of(trained), content_of(trained), bundle_revision(trained)
    options = ["--preset", "smoke", "--epochs", "1", "--device", "cpu", "--config", trained.parent / "mine.toml"]
    command("--model", "fusion", "--data", data, "-o", trained, *options, "--jobs", "1")
    # The order in which options are typed does not show.
    assert card_of(trained) == card
    command("--model", "fusion", "--data", data, "-o", trained, *options, "--jobs", "1", "--work", trained / "work")
    assert card_of(trained) == card.replace("--jobs 1", "--work work --jobs 1")
    assert content_of(trained) == description
    assert bundle_revision(trained) == revision


def test_what_is_said_of_loading_works(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", card_of(trained), re.DOTALL)
    monkeypatch.chdir(trained)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - this is what a reader of the card does
    assert names["model"].bundle.heads.keys() == {"vision", "fusion"}
    assert "avbench evaluate path/to/data --model fusion --weights ." in card_of(trained)


def by_hand(**changed: Any) -> TrainingRun:
    """Two epochs, the first of them the better one."""
    figures = [{"loss": 0.5, "rotation_mean_deg": 7.25}, {"loss": 0.75, "rotation_mean_deg": 9.0}]
    history = tuple(
        EpochRecord(n, 1.0, one, seconds) for n, (one, seconds) in enumerate(zip(figures, (60.25, 59.25), strict=True))
    )
    stage = StageResult(Path("weights"), history, 0)
    made = TrainingRun(("avbench", "train"), {"vision encoder": stage}, "cpu", 1, 2, {"torch": "9.9", "avbench": "1.2"})
    return dataclasses.replace(made, **changed)


def rendered(trained: Path, how: TrainingRun | None = None, **facts: Any) -> str:
    content = copy.deepcopy(content_of(trained))
    content["facts"] |= facts
    sizes = {path.name: 1000 for path in trained.glob("*.safetensors")}
    return render_model_card(content, sizes, how or by_hand())


def test_time_figures_and_versions_are_those_of_the_run(trained: Path) -> None:
    card = rendered(trained)
    assert cells(card, "vision encoder") == ["vision encoder", "1/2", "7.25", "-", "-", "-", "-", "0.500", "119.5"]
    assert "Compute: 120 s of wall-clock time for the stages below, cpu, 2 threads" in card
    assert "Versions: torch 9.9, avbench 1.2." in card
    assert "version 1.2." in card.partition("## Citation")[2]
    several = by_hand(processes=4, device="NVIDIA H200", threads=1)
    assert "4 processes on NVIDIA H200, 1 thread;" in rendered(trained, several)
    assert "It was not started from the command line." in rendered(trained, by_hand(command=()))


def test_recorded_and_wholly_simulated_data_are_told_apart(trained: Path) -> None:
    pairs = {"encoders": 24, "heads": 8, "validation": 8}
    real = rendered(trained, pairs=pairs, simulated_pairs=dict.fromkeys(pairs, 0))
    assert "No training pair is simulated." in real
    assert "simulated-training-data" not in real
    assert "not validated on real recordings" not in real
    simulated = rendered(trained, pairs=pairs, simulated_pairs=pairs)
    assert "**All training pairs are simulated.** Nothing here was validated on real recordings." in simulated
    judged = rendered(trained, pairs=pairs, simulated_pairs=pairs | {"validation": 0})
    assert "**All training pairs are simulated.**\n" in judged
    assert "not validated on real recordings" not in judged


def test_other_licences_and_texts_do_not_break_the_head(trained: Path) -> None:
    head = ModelCard(rendered(trained, licence='ours: "quoted"')).data.to_dict()
    assert head["license"] == "other"
    assert head["license_name"] == 'ours: "quoted"'


def test_encoders_alone_are_no_model(trained: Path) -> None:
    content = content_of(trained)
    alone = {name: value for name, value in content.items() if name != "sound"} | {"heads": {}}
    sizes = {path.name: 1000 for path in trained.glob("*.safetensors")}
    card = render_model_card(alone, sizes, by_hand())
    assert "\n# Parts of models\n" in card
    assert "Nothing here answers by itself" in card


def train(model: str, data: Path, out: Path, config: TrainConfig, **options: Any) -> None:
    run.train(TrainRequest(parse_model(model), data, out, out / "work", config, cpu=True, **options))


def test_what_was_not_trained_is_not_claimed(tmp_path: Path) -> None:
    folder = training_data(tmp_path / "data", groups=4)
    train("audio", folder, tmp_path / "ears", SMOKE.with_epochs(1))
    card = card_of(tmp_path / "ears")
    assert "\n# audio\n" in card
    assert "No training pair is simulated." in card
    assert not any(line.startswith("| heads |") for line in card.splitlines())
    assert "of the heads" not in card
    assert 'LearnedModel("audio", weights=Path("."))' in card
    assert "It was not started from the command line." in card


def test_a_published_backbone_stays_its_owners(tmp_path: Path) -> None:
    torch.manual_seed(7)
    network = Reloc3rBackbone(SMOKE.reloc3r.network, (64, 48)).network
    (tmp_path / "secret").mkdir()
    checkpoint = tmp_path / "secret" / "small.safetensors"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, checkpoint)
    folder = training_data(tmp_path / "data", groups=4)
    train("vision:reloc3r", folder, tmp_path / "out", SMOKE.with_epochs(1), backbone_weights=checkpoint)
    card = card_of(tmp_path / "out")
    head = ModelCard(card).data.to_dict()
    assert head["license"] == "cc-by-nc-sa-4.0"
    assert "CC BY-NC-SA 4.0 (Reloc3r, not for commercial use)." in card
    assert cells(card, "backbone")[1] == "your own: `small.safetensors`"
    assert cells(card, "backbone")[4] == "-"
    assert cells(card, "`vision:reloc3r`")[3] == f"{(tmp_path / 'out' / 'head-vision.safetensors').stat().st_size:,}"
    assert "secret" not in card
    assert str(tmp_path) not in card
    assert not any(line.startswith("| encoders |") for line in card.splitlines())
    assert "Dong et al., Reloc3r, CVPR 2025" in card.partition("## Citation")[2]
    assert 'LearnedModel("vision", "reloc3r", weights=Path("."))' in card
