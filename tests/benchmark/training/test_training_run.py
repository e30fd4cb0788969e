"""`avbench train` from its command to a bundle that `avbench evaluate` runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from avbench.benchmark.cli import train as train_command
from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.cli.models import models
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import PairInput
from avbench.benchmark.models.backbones.reloc3r import Reloc3rBackbone
from avbench.benchmark.models.backbones.two_view import TwoViewInput
from avbench.benchmark.models.learned import model as learned
from avbench.benchmark.models.learned.bundle import (
    BackboneKind,
    Bundle,
    backbone_from_checkpoint,
    load_bundle,
    save_bundle,
)
from avbench.benchmark.models.learned.inputs import level_rotation
from avbench.benchmark.models.learned.model import LearnedModel
from avbench.benchmark.models.loading import load_model
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.training import run
from avbench.benchmark.training.config import SMOKE, HeadName, TrainConfig, parse_model
from avbench.benchmark.training.precision import Precision
from avbench.benchmark.training.stages import encoders
from avbench.benchmark.training.stages.encoders import TrainRequest
from avbench.benchmark.training.stages.head_stage import VALIDATION_VERSIONS, Versions, run_head
from avbench.preprocessing.base.errors import AvbenchError, InputError, MissingDependencyError
from avbench.preprocessing.base.locks import sole_writer
from prepared_data import write_dataset
from training_data import training_data, training_row, without_sound

ONCE = SMOKE.with_epochs(1)
KINDS = ("vision", "audio", "fusion", "fusion-late")


def request(model: str, data: Path, out: Path, config: TrainConfig = ONCE, **changed: Any) -> TrainRequest:
    made = TrainRequest(parse_model(model), data, out, out / "work", config, cpu=True)
    return dataclasses.replace(made, **changed)


def train(*arguments: Any, overwrite: bool = False, **changed: Any) -> run.TrainOutcome:
    return run.train(request(*arguments, **changed), overwrite=overwrite)


def weights_of(folder: Path) -> dict[str, str]:
    """Hashes of all weights in a bundle."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.safetensors")}


def histories(outcome: run.TrainOutcome) -> dict[str, Any]:
    return {
        name: [(one.train_loss, dict(one.validation)) for one in stage.history]
        for name, stage in outcome.stages.items()
    }


def command(*arguments: object) -> str:
    result = CliRunner().invoke(train_command.train, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_data(tmp_path_factory.mktemp("training") / "data")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, run.TrainOutcome]:
    """A bundle of all models, and how it was trained."""
    out = tmp_path_factory.mktemp("trained") / "out"
    return out, train("fusion", data, out, SMOKE)


@pytest.fixture(scope="module")
def pairs(data: Path) -> list[PairInput]:
    return list(open_dataset(data).inputs("val"))


def test_one_command_trains_all_stages_and_says_where_they_are(
    data: Path, trained: tuple[Path, run.TrainOutcome]
) -> None:
    out, outcome = trained
    text = command(
        "--model", "fusion", "--data", data, "-o", out, "--preset", "smoke", "--device", "cpu", "--jobs", "1"
    )
    assert list(outcome.stages) == ["vision encoder", "binaural", "audio", "vision", "fusion", "fusion-late"]
    for name, stage in outcome.stages.items():
        assert name in text
        assert len(stage.history) == 2
    assert f"bundle: {out}\n" in text
    curves = {path.name for path in (out / "curves").iterdir()}
    assert curves == {
        f"{name}.{suffix}"
        for name in ("vision", "binaural", "sound", "head-vision", "head-fusion", "head-fusion-late")
        for suffix in ("csv", "png")
    }
    facts = json.loads((out / "bundle.json").read_text())["facts"]
    assert facts["pairs"]["encoders"] + facts["pairs"]["heads"] == 32
    assert facts["validation"]["fusion"]["clean_rotation_mean_deg"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_answers_as_it_did_in_training(
    trained: tuple[Path, run.TrainOutcome], pairs: list[PairInput], kind: str
) -> None:
    out, _ = trained
    model = LearnedModel(kind, weights=out)
    predictions = model.predict(pairs)
    stored = [Versions(load_file(path)) for path in (out / "work" / "versions").iterdir()]
    versions = next(one for one in stored if one.versions == len(VALIDATION_VERSIONS.corrupted_share))
    batch = versions.pick(np.zeros(8, np.int64), np.arange(8))
    if kind == "audio":
        level_a, level_b = batch["level_a"], batch["level_b"]
        rotation = level_a.transpose(1, 2) @ batch["heard_rotation"] @ level_b
        translation = (level_a.transpose(1, 2) @ batch["heard_translation"][:, :, None])[:, :, 0]
        confidence = batch["heard_confidence"]
    else:
        with torch.no_grad():
            pose = run_head(model.bundle.heads[kind], batch, listens=kind != "vision")
        rotation, translation = pose.rotation_a_b, pose.translation_a_b
        confidence = torch.sigmoid(pose.confidence_logit)
    for row, prediction in enumerate(predictions):
        np.testing.assert_allclose(prediction.rotation_a_b, rotation[row], atol=1e-4)
        np.testing.assert_allclose(prediction.translation_a_b, translation[row], atol=1e-4)
        assert prediction.confidence == pytest.approx(float(confidence[row]), abs=1e-4)
        assert prediction.metric


@pytest.mark.parametrize("kind", KINDS)
def test_answers_do_not_depend_on_the_batch(
    trained: tuple[Path, run.TrainOutcome], pairs: list[PairInput], kind: str
) -> None:
    together = LearnedModel(kind, weights=trained[0]).predict(pairs)
    model = LearnedModel(kind, weights=trained[0])
    apart = [*model.predict(pairs[5:]), *model.predict(pairs[3:6])[:2], *(model.predict([one])[0] for one in pairs[:3])]
    ordered = [*apart[5:], *apart[3:5], *apart[:3]]
    for a, b in zip(together, ordered, strict=True):
        np.testing.assert_allclose(a.rotation_a_b, b.rotation_a_b, atol=1e-5)
        np.testing.assert_allclose(a.translation_a_b, b.translation_a_b, atol=1e-5)
    assert model.predict([]) == []


def test_silence_is_heard_as_silence(trained: tuple[Path, run.TrainOutcome], pairs: list[PairInput]) -> None:
    mute = [dataclasses.replace(pair, sound_a=None, sound_b=None) for pair in pairs]
    half = [dataclasses.replace(pair, sound_b=None) for pair in pairs]
    fusion, audio = (LearnedModel(kind, weights=trained[0]) for kind in ("fusion", "audio"))
    for a, b in zip(fusion.predict(mute), fusion.predict(half), strict=True):
        np.testing.assert_allclose(a.rotation_a_b, b.rotation_a_b, atol=1e-6)
    answers = audio.predict([*mute, *half])
    assert answers[0].confidence == 0.0
    # Sound alone has nothing to say but how people move on average, between level axes.
    turns = [
        level_rotation(pair.up_a) @ answer.rotation_a_b @ level_rotation(pair.up_b).T
        for pair, answer in zip([*mute, *half], answers, strict=True)
    ]
    np.testing.assert_allclose(turns, [turns[0]] * len(turns), atol=1e-6)


def test_a_bundle_survives_being_written_and_read(trained: tuple[Path, run.TrainOutcome], tmp_path: Path) -> None:
    out, _ = trained
    bundle = load_bundle(out)
    save_bundle(tmp_path / "copy", bundle, half=True)
    assert weights_of(tmp_path / "copy") == weights_of(out)
    again = load_bundle(tmp_path / "copy")
    assert (again.kind, again.uses_up, again.metric) == (bundle.kind, bundle.uses_up, bundle.metric)
    for name, module in bundle.parts().items():
        for key, value in module.state_dict().items():
            assert torch.equal(again.parts()[name].state_dict()[key], value)
    (tmp_path / "copy" / "head-fusion.safetensors").write_bytes((out / "head-vision.safetensors").read_bytes())
    with pytest.raises(InputError, match="found another file than the one that was written"):
        load_bundle(tmp_path / "copy")
    (tmp_path / "copy" / "head-fusion.safetensors").unlink()
    with pytest.raises(InputError, match=r"head-fusion.safetensors: found no such file"):
        load_bundle(tmp_path / "copy")
    (tmp_path / "copy" / "bundle.json").write_text('{"version": 1}')
    with pytest.raises(InputError, match=r"bundle.json: version: found 1, expected 3"):
        load_bundle(tmp_path / "copy")


KILL = """
import sys
from avbench.benchmark.cli.train import train
train(sys.argv[1:])
"""


def test_a_killed_run_goes_on_to_the_same_weights_and_curves(
    data: Path, trained: tuple[Path, run.TrainOutcome], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["--model", "fusion", "--data", data, "-o", out, "--preset", "smoke", "--device", "cpu", "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", KILL, *map(str, arguments)],
        # Sums of other numbers of threads differ in their last digits.
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(out.glob("work/stages/sound-*/state.pt")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "bundle.json").exists()
    resumed = train("fusion", data, out, SMOKE)
    whole = histories(trained[1])
    for name, epochs in histories(resumed).items():
        for (loss, figures), (expected_loss, expected_figures) in zip(epochs, whole[name], strict=True):
            assert loss == pytest.approx(expected_loss, rel=1e-6)
            assert figures == pytest.approx(expected_figures, rel=1e-6)
    assert weights_of(out) == weights_of(trained[0])


def test_one_seed_gives_one_set_of_weights_and_the_vision_head_knows_nothing_of_sound(
    data: Path, trained: tuple[Path, run.TrainOutcome], tmp_path: Path
) -> None:
    train("vision", data, tmp_path / "same", SMOKE)
    expected = weights_of(trained[0])
    assert weights_of(tmp_path / "same") == {
        name: expected[name] for name in ("vision.safetensors", "head-vision.safetensors")
    }
    train("vision", data, tmp_path / "other", dataclasses.replace(SMOKE, seed=1).with_epochs(1))
    assert weights_of(tmp_path / "other")["vision.safetensors"] != expected["vision.safetensors"]


def test_another_head_finds_the_encoders(
    data: Path, trained: tuple[Path, run.TrainOutcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stages: list[str] = []
    original = encoders.run_stage

    def watched(stage: Any, schedule: Any, folder: Path, **options: Any) -> Any:
        stages = set(folder.iterdir()) if folder.is_dir() else set()
        result = original(stage, schedule, folder, **options)
        run_stages.extend(path.name.rsplit("-", 1)[0] for path in set(folder.iterdir()) - stages)
        return result

    monkeypatch.setattr(encoders, "run_stage", watched)
    config = dataclasses.replace(
        SMOKE,
        heads=(HeadName.FUSION, HeadName.FUSION_SHUFFLED),
        head=dataclasses.replace(SMOKE.head, hidden_dim=24, seeds=(0, 5)),
    )
    out = tmp_path / "out"
    outcome = train("fusion", data, out, config, work=trained[0] / "work")
    assert sorted(run_stages) == ["head-fusion", "head-fusion", "head-fusion-shuffled", "head-fusion-shuffled"]
    assert set(outcome.bundles) == {
        out,
        out / "fusion-shuffled",
        out / "head-seed-5",
        out / "head-seed-5" / "fusion-shuffled",
    }
    for folder in outcome.bundles:
        assert LearnedModel("fusion", weights=folder).bundle.heads.keys() == {"fusion"}
    heads = {weights_of(folder)["head-fusion.safetensors"] for folder in outcome.bundles}
    assert len(heads) == 4


def test_other_settings_in_the_same_folder_are_refused(data: Path, tmp_path: Path) -> None:
    train("vision", data, tmp_path / "out")
    changed = dataclasses.replace(ONCE, encoder_share=0.5)
    with pytest.raises(
        InputError, match=r"found a run with encoder_share = 0.7, expected encoder_share = 0.5.*--overw"
    ):
        train("vision", data, tmp_path / "out", changed)
    with pytest.raises(InputError, match=r'found a run with model = "vision", expected model = "fusion"'):
        train("fusion", data, tmp_path / "out")
    train("vision", data, tmp_path / "out", changed, overwrite=True)


@pytest.mark.parametrize("native", [False, True])
def test_a_device_without_bfloat16_trains_in_float32_and_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    schedule = dataclasses.replace(ONCE.vision.schedule, precision=Precision.BFLOAT16)
    config = dataclasses.replace(ONCE, vision=dataclasses.replace(ONCE.vision, schedule=schedule))
    monkeypatch.setattr(run, "has_bfloat16", lambda device: native)
    said: list[str] = []
    outcome = run.train(request("vision", data, tmp_path / "out", config), say=said.append)
    record = json.loads((tmp_path / "out" / "train.json").read_text())
    assert record["vision.schedule.precision"] == ("bfloat16" if native else "float32")
    assert [f"note: {note}" for note in outcome.notes] == said
    assert [note for note in said if "trained in float32" in note] == ([] if native else said)
    assert native or said
    # A folder begun on another kind of device is not gone on with: its weights would be of both.
    monkeypatch.setattr(run, "has_bfloat16", lambda device: not native)
    with pytest.raises(InputError, match=r"vision\.schedule\.precision"):
        train("vision", data, tmp_path / "out", config)


def test_two_runs_in_one_folder_are_refused(data: Path, tmp_path: Path) -> None:
    asked = request("vision", data, tmp_path / "out")
    for held in (asked.out, asked.work):
        with sole_writer(held), pytest.raises(AvbenchError, match="another avbench command is writing to it"):
            run.train(asked)


def test_too_little_data_is_refused_before_anything_is_trained(data: Path, tmp_path: Path) -> None:
    few = training_data(tmp_path / "few", groups=2, pairs=2, validation=1)
    with pytest.raises(InputError, match=r"found 2 pairs for the encoders, expected at least one batch of 4"):
        train("vision", few, tmp_path / "out")
    one = training_data(tmp_path / "one", groups=1, pairs=8, validation=1)
    with pytest.raises(InputError, match="found 1 group, expected at least 2"):
        train("vision", one, tmp_path / "out")
    schedule = dataclasses.replace(ONCE.head.schedule, batch_size=64)
    large = dataclasses.replace(ONCE, head=dataclasses.replace(ONCE.head, schedule=schedule))
    with pytest.raises(InputError, match=r"pairs for the heads, expected at least one batch of 64"):
        train("vision", data, tmp_path / "out", large)
    unjudged = training_data(tmp_path / "unjudged", validation=0)
    with pytest.raises(InputError, match=r"found splits test, train, expected train to learn from and val to choose"):
        train("vision", unjudged, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.safetensors"))


def test_a_data_set_without_sound_trains_vision_and_says_why_not_more(tmp_path: Path) -> None:
    silent = training_data(tmp_path / "silent", groups=4, sound=False)
    for model in ("fusion", "audio", "fusion-late"):
        with pytest.raises(InputError, match=r"found 0 pairs for the encoders whose sound.*--model vision"):
            train(model, silent, tmp_path / model)
    outcome = train("vision", silent, tmp_path / "vision")
    assert list(outcome.stages) == ["vision encoder", "vision"]
    with pytest.raises(InputError, match="found heads vision, expected a head fusion"):
        LearnedModel("fusion", weights=tmp_path / "vision")
    with pytest.raises(InputError, match="found no sound encoder"):
        LearnedModel("audio", weights=tmp_path / "vision")


def test_validation_without_sound_is_refused(tmp_path: Path) -> None:
    rows = {"train": [training_row(n, f"g{g}") for g in range(6) for n in range(3)]}
    rows["val"] = [without_sound(training_row(n, "v")) for n in range(4)]
    folder = write_dataset(tmp_path / "data", rows)
    with pytest.raises(InputError, match="validation split: found no pair with sound that gives directions"):
        train("audio", folder, tmp_path / "out")


def test_a_data_set_without_up_or_without_translations_trains(tmp_path: Path) -> None:
    changed: dict[str, Any] = {"up_a": None, "up_b": None, "up_source": None, "scale": "rotation_only"}
    poor = training_data(tmp_path / "poor", groups=6, translation_a_b_m=[0.0, 0.0, 0.0], baseline_m=None, **changed)
    outcome = train("fusion", poor, tmp_path / "out")
    assert any("no training pair is metric" in note for note in outcome.notes)
    assert any("no training pair has up" in note for note in outcome.notes)
    predictions = LearnedModel("fusion", weights=tmp_path / "out").predict(list(open_dataset(poor).inputs("test")))
    assert not any(one.metric for one in predictions)


def test_a_model_without_up_ignores_it(data: Path, tmp_path: Path, pairs: list[PairInput]) -> None:
    train("vision", data, tmp_path / "out", dataclasses.replace(ONCE, use_up=False))
    model = LearnedModel("vision", weights=tmp_path / "out")
    tilted = [dataclasses.replace(pair, up_a=np.array([1.0, 0.0, 0.0])) for pair in pairs]
    for a, b in zip(model.predict(pairs), model.predict(tilted), strict=True):
        np.testing.assert_array_equal(a.rotation_a_b, b.rotation_a_b)


@pytest.mark.parametrize(("directions", "embedding"), [(True, False), (False, True)])
def test_half_of_the_ears_can_be_left_out(
    data: Path, tmp_path: Path, pairs: list[PairInput], directions: bool, embedding: bool
) -> None:
    encoder = dataclasses.replace(ONCE.sound.encoder, use_directions=directions, use_embedding=embedding)
    config = dataclasses.replace(ONCE, sound=dataclasses.replace(ONCE.sound, encoder=encoder))
    outcome = train("audio", data, tmp_path / "out", config)
    assert list(outcome.stages) == (["audio"] if directions else ["binaural", "audio"])
    model = LearnedModel("audio", weights=tmp_path / "out")
    assert model.bundle.backbone is None
    assert len(model.predict(pairs)) == len(pairs)
    with pytest.raises(InputError, match="found a bundle that only listens"):
        LearnedModel("vision", weights=tmp_path / "out")


def test_an_array_without_two_ears_does_without_embeddings(tmp_path: Path) -> None:
    upright = [[0.0, 0.1 * n, 0.03 * n] for n in range(4)]
    folder = training_data(tmp_path / "data", groups=6, mic_positions_m=upright)
    outcome = train("audio", folder, tmp_path / "out")
    assert list(outcome.stages) == ["audio"]
    assert outcome.notes == ("too few pairs have two ears: binaural embeddings were left out",)
    only = dataclasses.replace(ONCE.sound.encoder, use_directions=False)
    config = dataclasses.replace(ONCE, sound=dataclasses.replace(ONCE.sound, encoder=only))
    with pytest.raises(InputError, match=r"found 0 and 0 pairs with two ears, expected at least 4 and 1"):
        train("audio", folder, tmp_path / "none", config)


@pytest.mark.slow
def test_the_listening_branch_beside_the_seeing_one_changes_nothing(
    data: Path, trained: tuple[Path, run.TrainOutcome], tmp_path: Path
) -> None:
    train("fusion", data, tmp_path / "out", SMOKE, jobs=2)
    assert weights_of(tmp_path / "out") == weights_of(trained[0])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small published backbone."""
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    network = Reloc3rBackbone(SMOKE.reloc3r.network, (64, 48)).network
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def on_reloc3r(
    data: Path, checkpoint: Path, trained: tuple[Path, run.TrainOutcome], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("reloc3r") / "out"
    shared = trained[0] / "work"  # the encoders of sound are the same
    options = ["--preset", "smoke", "--device", "cpu", "--backbone-weights", checkpoint, "--work", shared]
    text = command("--model", "fusion:reloc3r", "--data", data, "-o", out, *options)
    assert "vision encoder" not in text
    return out


@pytest.mark.parametrize("model", ["vision:reloc3r", "fusion:reloc3r", "fusion-late:reloc3r"])
def test_the_published_backbone_trains_and_evaluates(
    data: Path, on_reloc3r: Path, tmp_path: Path, model: str, run_evaluate: Callable[..., str]
) -> None:
    bundle = load_bundle(on_reloc3r)
    assert bundle.kind is BackboneKind.RELOC3R
    assert bundle.backbone is not None
    assert bundle.backbone.image_size == (64, 48)
    text = run_evaluate(data, "--model", model, "--weights", on_reloc3r, "-o", tmp_path / "run")
    assert model in text
    assert (tmp_path / "run" / "predictions.parquet").is_file()


@pytest.fixture
def run_evaluate() -> Callable[..., str]:
    def invoke(*arguments: object) -> str:
        options = [*map(str, arguments), "--timeout-s", "0", "--split", "val"]
        result = CliRunner().invoke(evaluate, options, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def test_without_a_head_the_published_backbone_gives_its_own_pose(
    checkpoint: Path, tmp_path: Path, pairs: list[PairInput]
) -> None:
    backbone = Reloc3rBackbone(SMOKE.reloc3r.network, (64, 48)).eval()
    backbone.network.load_state_dict(load_file(checkpoint))
    save_bundle(tmp_path, Bundle(BackboneKind.RELOC3R, backbone), backbone_weights=checkpoint)
    model = LearnedModel("vision", "reloc3r", tmp_path)
    answer = model.predict(pairs[:1])[0]
    a, b = (torch.tensor(image[None]).permute(0, 3, 1, 2) / 255.0 for image in (pairs[0].image_a, pairs[0].image_b))
    eye = torch.eye(3)[None]
    with torch.no_grad():
        own = backbone(TwoViewInput(a, b, eye, eye, eye))
    np.testing.assert_allclose(answer.rotation_a_b, own.rotation_a_b[0], atol=1e-5)
    assert not answer.metric


def test_a_checkpoint_alone_is_a_vision_model(
    checkpoint: Path, pairs: list[PairInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(path: Path) -> Reloc3rBackbone:
        return backbone_from_checkpoint(path, SMOKE.reloc3r.network, (64, 48))

    monkeypatch.setattr(learned, "backbone_from_checkpoint", small)
    entry = find_model("vision:reloc3r", weights=checkpoint)
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() in entry.revision
    model = load_model(entry)
    assert len(model.predict(pairs)) == len(pairs)


def test_the_published_backbone_needs_its_own_checkpoint(
    data: Path, checkpoint: Path, on_reloc3r: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"found no checkpoint.*--backbone-weights"):
        train("vision:reloc3r", data, tmp_path / "out")
    deeper = dataclasses.replace(ONCE.reloc3r, network=dataclasses.replace(ONCE.reloc3r.network, enc_depth=2))
    config = dataclasses.replace(ONCE, reloc3r=deeper)
    with pytest.raises(InputError, match="names missing"):
        train("vision:reloc3r", data, tmp_path / "wrong", config, backbone_weights=checkpoint)
    with pytest.raises(InputError, match=r"model vision:reloc3r: found no weights.*--backbone-weights"):
        load_model(find_model("vision:reloc3r"))
    with pytest.raises(InputError, match=r"found a bundle on the backbone reloc3r, expected one on tiny; choose"):
        LearnedModel("fusion", weights=on_reloc3r)


def test_a_backbone_of_another_bundle_is_used_as_it_is(
    data: Path, trained: tuple[Path, run.TrainOutcome], tmp_path: Path
) -> None:
    source, _ = trained
    outcome = train("vision", data, tmp_path / "out", backbone_weights=source)
    assert list(outcome.stages) == ["vision"]
    here, there = (load_bundle(folder).backbone for folder in (tmp_path / "out", source))
    assert here is not None
    assert there is not None
    assert all(torch.equal(value, there.state_dict()[name]) for name, value in here.state_dict().items())
    facts = json.loads((tmp_path / "out" / "bundle.json").read_text())["facts"]
    content = json.loads((source / "bundle.json").read_text())
    assert set(facts["pairs"]) == {"heads", "validation"}
    assert facts["taken_backbone"]["sha256"] == content["backbone"]["sha256"]
    assert facts["taken_backbone"]["pairs"] == content["facts"]["pairs"]["encoders"]
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert (
        f"not trained here but taken from another bundle as it is: weights `{content['backbone']['sha256'][:12]}`"
        in card
    )
    # What is taken on keeps where it came from.
    train("vision", data, tmp_path / "again", backbone_weights=tmp_path / "out")
    assert (
        json.loads((tmp_path / "again" / "bundle.json").read_text())["facts"]["taken_backbone"]
        == facts["taken_backbone"]
    )


def test_a_backbone_that_does_not_fit_is_refused(
    data: Path, trained: tuple[Path, run.TrainOutcome], on_reloc3r: Path, tmp_path: Path
) -> None:
    network = dataclasses.replace(ONCE.vision.network, feature_dim=24)
    config = dataclasses.replace(ONCE, vision=dataclasses.replace(ONCE.vision, network=network))
    with pytest.raises(InputError, match=r"found a backbone of other sizes, expected .*vision.network"):
        train("vision", data, tmp_path / "sizes", config, backbone_weights=trained[0])
    with pytest.raises(InputError, match="found no backbone tiny"):
        train("vision", data, tmp_path / "kind", backbone_weights=on_reloc3r)
    with pytest.raises(InputError, match=r"found no bundle\.json"):
        train("vision", data, tmp_path / "none", backbone_weights=tmp_path / "nothing")


def test_evaluate_takes_weights_and_does_not_mix_runs(
    data: Path, trained: tuple[Path, run.TrainOutcome], tmp_path: Path, run_evaluate: Callable[..., str]
) -> None:
    out, outcome = trained
    text = run_evaluate(data, "--model", "vision", "--weights", out, "-o", tmp_path / "run")
    stage = outcome.stages["vision"]
    expected = stage.history[stage.best_epoch].validation["clean_rotation_mean_deg"]
    score = json.loads((tmp_path / "run" / "score.json").read_text())
    found = score["scores"][0]["metrics"]["rotation.mean_deg"]["value"]
    assert found == pytest.approx(expected, abs=0.05)  # the head is stored in half precision
    assert "vision" in text
    train("vision", data, tmp_path / "other", dataclasses.replace(ONCE, seed=9))
    options = [data, "--model", "vision", "--weights", tmp_path / "other", "-o", tmp_path / "run", "--split", "val"]
    with pytest.raises(InputError, match="model_revision"):
        CliRunner().invoke(evaluate, [*map(str, options), "--timeout-s", "0"], catch_exceptions=False)


def test_weights_that_are_none_are_refused(tmp_path: Path, trained: tuple[Path, run.TrainOutcome]) -> None:
    with pytest.raises(InputError, match=r"found no bundle.json, expected trained models; train one with"):
        find_model("vision", weights=tmp_path)
    with pytest.raises(InputError, match="expected none: it takes no weights"):
        load_model(find_model("sift", weights=trained[0]))
    assert find_model("vision", weights=trained[0]).revision != find_model("vision").revision


def test_models_are_listed_with_their_weights_and_without_torch() -> None:
    listed = json.loads(CliRunner().invoke(models, ["--json"]).output)
    by_name = {one["name"]: one for one in listed}
    assert {*KINDS, "vision:reloc3r", "fusion:reloc3r", "fusion-late:reloc3r"} <= set(by_name)
    assert all(by_name[name]["weights"] for name in KINDS)
    assert "CC BY-NC-SA" in by_name["fusion:reloc3r"]["licence"]


def test_a_missing_extra_is_said(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None if name == "accelerate" else object())
    with pytest.raises(MissingDependencyError, match=r"pip install 'avbench\[train\]'"):
        train("vision", data, tmp_path / "out")
