"""Two conditions at once: silence and lies under corrupted pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avbench.benchmark.conditions.condition import CLEAN, Condition, suite_conditions
from avbench.benchmark.conditions.corruptions import load_suite
from avbench.benchmark.conditions.probes.probe import Probe, plan_probes, silence
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import Modality, PairInput
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.predictions.file import Answer, joined, read_predictions, write_predictions
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.probes import score_probes
from avbench.benchmark.scoring.score import score_predictions
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from prepared_data import pair_name, pair_row, write_dataset

PAIRS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [pair_row(pair_name(i), group_id=f"g{i}", recording_id=f"r{i}") for i in range(PAIRS)]
    return write_dataset(tmp_path_factory.mktemp("combined") / "data", {"test": rows})


def test_both_act_and_the_names_and_recipes_tell_both(data: Path) -> None:
    dark = next(one for one in suite_conditions(load_suite("reference")) if one.name == "low_light-5")
    both = silence().under(dark)
    assert (both.name, both.acts_on) == ("probe-mute+low_light-5", {Modality.VISION, Modality.AUDIO})
    assert dark.recipe in both.recipe
    assert silence().recipe in both.recipe
    assert silence().under(CLEAN).name == "probe-mute"
    pair = next(open_dataset(data).inputs("test"))
    assert pair.sound_a is not None
    shown = both.apply(pair)
    np.testing.assert_array_equal(shown.image_a, dark.apply(pair).image_a)
    np.testing.assert_array_equal(shown.image_b, dark.apply(pair).image_b)
    assert shown.sound_a is not None
    assert not shown.sound_a.samples.any()
    assert pair.sound_a.samples.any()


def test_the_condition_that_holds_already_acts_first() -> None:
    black = np.zeros((2, 2, 3), np.uint8)
    pair = PairInput("p", black, black, np.eye(3), None, None, None, None)

    def named(name: str) -> Condition:
        return Condition(name, lambda shown: replace(shown, pair_id=shown.pair_id + name))

    assert named("b").under(named("a")).transform(pair).pair_id == "pab"


def test_a_probe_under_a_condition_keeps_its_pairs(data: Path) -> None:
    fog = Condition("fog-5", lambda pair: pair, acts_on=frozenset({Modality.VISION}))
    plans = plan_probes(open_dataset(data), "test")
    for plan in plans:
        under = plan.under(fog)
        assert under.condition.name == f"probe-{plan.probe}+fog-5"
        assert (under.probe, under.pair_ids, under.why_not) == (plan.probe, plan.pair_ids, plan.why_not)
    assert (plans[0].condition.name, plans[0].condition.recipe) == (silence().name, silence().recipe)


def test_losses_are_counted_from_the_condition_that_held(data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(data)
    fog = Condition("fog-5", lambda pair: pair)
    plans = [plan.under(fog) for plan in plan_probes(dataset, "test")]

    def part(name: str, off_deg: dict[str, float]) -> Path:
        answers = [
            Answer(pair_name(i), condition, axis_rotation("y", error), np.array([0.0, 0.0, 1.0]))
            for condition, error in off_deg.items()
            for i in range(PAIRS)
        ]
        write_predictions(tmp_path / name, answers)
        return tmp_path / name

    lies = {plan.condition.name: 9.0 for plan in plans if plan.probe is not Probe.MUTE}
    files = [part("seen", {"clean": 1.0, "fog-5": 4.0}), part("mute", {"probe-mute+fog-5": 6.0}), part("lies", lies)]
    whole = joined([read_predictions(path) for path in files])
    assert whole.conditions == ("clean", "fog-5", "probe-mute+fog-5", *lies)
    assert len(whole) == PAIRS * (3 + len(lies))
    run = score_predictions(whole, Labels.of(dataset.labels("test")), [f"g{i}" for i in range(PAIRS)])
    report = score_probes(plans, run, find_model("fusion"), under="fog-5")
    found = {one.probe: one for one in report.probes}
    assert found[Probe.MUTE].loss["rotation.mean_deg"].estimate.value == pytest.approx(2.0)
    assert found[Probe.PERMUTED].loss["rotation.mean_deg"].estimate.value == pytest.approx(5.0)
    assert found[Probe.PERMUTED].harm["rotation.mean_deg"].estimate.value == pytest.approx(3.0)
    with pytest.raises(InputError, match="a second time under condition 'fog-5'"):
        joined([whole, read_predictions(files[0])])
