"""Reading ahead, batches, and the way to the model's process: nothing of it shows in the predictions."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.base.prefetch import default_workers, prefetch
from avbench.benchmark.conditions.condition import CLEAN, Condition, suite_conditions
from avbench.benchmark.conditions.corruptions import load_suite
from avbench.benchmark.conditions.probes.probe import plan_probes
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import Modality, PairInput
from avbench.benchmark.evaluation.batch_check import deviation
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.predictions.file import Answer, Status, read_predictions, write_predictions
from avbench.benchmark.running.batches import batch_ranges
from avbench.benchmark.running.run import Run, RunSettings, run_model
from avbench.benchmark.running.shared_memory import PairReceiver, PairSender
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from prepared_data import pair_name, pair_row, write_dataset

PAIRS = 13

MODELS = """
import hashlib, os
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
def pose(number):
    c, s = np.cos(number), np.sin(number)
    return PosePrediction(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([s, c, number]))
def seen(pair):
    digest = hashlib.sha256(pair.image_a.tobytes() + pair.image_b.tobytes())
    for clip in (pair.sound_a, pair.sound_b):
        if clip is not None: digest.update(clip.samples.tobytes() + clip.mic_positions_m.tobytes())
    return int.from_bytes(digest.digest()[:6], "big") / 2**48
class Exact:
    # Any changed bit of what it is given changes the answer.
    modalities = ("vision", "audio")
    def predict(self, pairs): return [pose(seen(pair)) for pair in pairs]
class Batchy:
    modalities = ("vision",)
    def predict(self, pairs): return [pose(seen(pair) + 1e-9 * len(pairs)) for pair in pairs]
class Keeps:
    # Answers for a pair by what it kept of the pair before.
    modalities = ("vision",)
    kept = None
    def predict(self, pairs):
        out = []
        for pair in pairs:
            out.append(pose(seen(self.kept if self.kept is not None else pair)))
            self.kept = pair
        return out
class Hears:
    modalities = ("audio",)
    calls = 0
    def predict(self, pairs):
        self.calls += 1
        return [PosePrediction(np.eye(3), np.array([0.0, float(self.calls), 1.0])) for _ in pairs]
class Pid:
    modalities = ()
    def predict(self, pairs): return [PosePrediction(np.eye(3), np.array([0.0, 0.0, float(os.getpid())]))] * len(pairs)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        pair_row(
            pair_name(i),
            axis_rotation("y", float(i)),
            recording_id=f"r{i % 2}",
            time_a_ns=i * 10**9,
            time_b_ns=i * 10**9 + 10**8,
        )
        for i in range(PAIRS)
    ]
    return write_dataset(tmp_path_factory.mktemp("harness") / "data", {"test": rows}, shards=2, rows_per_group=3)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "exact.py"
    path.write_text(MODELS)
    return path


def run(data: Path, model: str, out: Path, conditions=(CLEAN,), **settings) -> Run:
    return run_model(open_dataset(data), find_model(model), out, RunSettings(**settings), conditions=conditions)


def test_predictions_depend_neither_on_batches_nor_workers_nor_processes(data: Path, models: Path, tmp_path: Path):
    suite = tmp_path / "some.toml"
    suite.write_text('clean = true\n[[conditions]]\ncorruption = ["shot_noise", "fog", "blackout"]\nseverities = [4]\n')
    probes = [plan.condition for plan in plan_probes(open_dataset(data), "test")]
    conditions = [*suite_conditions(load_suite(suite)), *probes]
    model = f"{models}:Exact"
    base = run(data, model, tmp_path / "base", conditions, batch_size=1, workers=0, timeout_s=None).predictions
    assert len(base) == PAIRS * len(conditions)
    # Each condition is seen: no two of them have all answers in common.
    turns = {base.translation_a_b[base.condition.index(c.name) :][:PAIRS, 2].tobytes() for c in conditions}
    assert len(turns) == len(conditions)
    for number, changed in enumerate(
        [
            {"batch_size": 4, "workers": 1},
            {"batch_size": 5, "workers": 4, "timeout_s": None, "part_pairs": 1},
            {"batch_size": 16, "workers": 0},
            {"batch_size": 3, "workers": 3, "part_pairs": 4},
        ]
    ):
        found = run(data, model, tmp_path / f"r{number}", conditions, **changed).predictions
        apart = deviation(base, found)
        if apart.differing:
            print(f"{changed}: {apart}")
        assert apart.differing == 0
        assert found.content_sha256() == base.content_sha256()


def test_a_model_that_answers_by_its_batch_is_found_out(data: Path, models: Path, tmp_path: Path):
    one, five = (
        run(data, f"{models}:Batchy", tmp_path / f"r{size}", batch_size=size, timeout_s=None).predictions
        for size in (1, 5)
    )
    apart = deviation(one, five)
    # The last batch of 13 holds 3 pairs.
    assert apart.differing == apart.answers == PAIRS
    assert apart.translation == pytest.approx(4e-9, rel=1e-3)
    assert apart.rotation_deg == pytest.approx(np.degrees(4e-9), rel=1e-2)
    assert str(apart).startswith("13 of 13 answers differ, by up to 2.3e-07 degrees")
    assert str(deviation(one, one)) == "identical"


def test_deviation_counts_missing_answers(tmp_path: Path):
    eye, forward = np.eye(3), np.array([0.0, 0.0, 1.0])
    write_predictions(tmp_path / "a", [Answer("p", "clean", eye, forward), Answer("q", "clean", eye, None)])
    failed = Answer("q", "clean", None, None, status=Status.ERROR)
    write_predictions(tmp_path / "b", [Answer("p", "clean", eye, None), failed])
    apart = deviation(read_predictions(tmp_path / "a"), read_predictions(tmp_path / "b"))
    assert (apart.differing, apart.statuses, apart.translation) == (2, 1, np.inf)
    write_predictions(tmp_path / "c", [Answer("p", "clean", eye, forward)])
    with pytest.raises(ValueError, match="other pairs"):
        deviation(read_predictions(tmp_path / "a"), read_predictions(tmp_path / "c"))


def test_a_model_may_keep_what_it_was_given(data: Path, models: Path, tmp_path: Path):
    found = run(data, f"{models}:Keeps", tmp_path / "r", batch_size=1).predictions
    exact = run(data, f"{models}:Keeps", tmp_path / "r2", batch_size=1, timeout_s=None).predictions
    assert deviation(found, exact).differing == 0


def test_a_model_is_not_asked_under_conditions_that_it_cannot_see(data: Path, models: Path, tmp_path: Path):
    dark = suite_conditions(load_suite("paper"))
    done = run(data, f"{models}:Hears", tmp_path / "r", dark, batch_size=PAIRS)
    found = done.predictions
    assert found.conditions == tuple(condition.name for condition in dark)
    assert set(found.translation_a_b[:, 1]) == {1.0}
    assert done.same_as == {condition.name: "clean" for condition in dark[1:]}
    # A condition that does not say what it acts on is asked.
    custom = [CLEAN, Condition("custom", lambda pair: pair)]
    found = run(data, f"{models}:Hears", tmp_path / "r2", custom, batch_size=PAIRS).predictions
    assert found.translation_a_b[:, 1].tolist() == [1.0] * PAIRS + [2.0] * PAIRS
    # What it cannot tell from clean has the answers under clean, wherever that stands.
    mixed = [custom[1], CLEAN, dark[1], dark[2]]
    done = run(data, f"{models}:Hears", tmp_path / "r3", mixed, batch_size=PAIRS)
    assert done.same_as == {dark[1].name: "clean", dark[2].name: "clean"}
    assert done.predictions.translation_a_b[:, 1].tolist() == [1.0] * PAIRS + [2.0] * 3 * PAIRS


def test_the_model_is_in_another_process_unless_there_is_no_time_limit(data: Path, models: Path, tmp_path: Path):
    import os

    apart = run(data, f"{models}:Pid", tmp_path / "r").predictions.translation_a_b[:, 2]
    here = run(data, f"{models}:Pid", tmp_path / "r2", timeout_s=None).predictions.translation_a_b[:, 2]
    assert set(here) == {os.getpid()}
    assert len(set(apart)) == 1
    assert set(apart) != set(here)


def test_a_damaged_picture_ends_the_run_with_its_name_and_keeps_what_was_answered(tmp_path: Path, models: Path):
    rows = [pair_row(pair_name(i)) for i in range(6)]
    rows[4]["image_b"] = {"bytes": b"no picture", "path": None}
    data = write_dataset(tmp_path / "data", {"test": rows})
    before = threading.active_count()
    with pytest.raises(InputError, match=f"pair {pair_name(4)}: image_b"):
        run(data, f"{models}:Exact", tmp_path / "r", batch_size=2, workers=2, part_pairs=1)
    assert {path.name for path in (tmp_path / "r" / "parts").glob("*.parquet")} == {
        "000000000-000000002.parquet",
        "000000002-000000004.parquet",
    }
    assert threading.active_count() == before


def test_prefetched_results_are_in_order_and_bounded():
    lock, running, most, started = threading.Lock(), 0, 0, 0

    def task(number: int) -> int:
        nonlocal running, most, started
        with lock:
            running, started = running + 1, started + 1
            most = max(most, running)
        # The earlier, the slower.
        time.sleep(0.002 * (5 - number % 5))
        with lock:
            running -= 1
        return number

    groups = ([partial(task, 4 * group + number) for number in range(4)] for group in range(10))
    results = prefetch(groups, workers=3, ahead=6)
    assert next(results) == [0, 1, 2, 3]
    time.sleep(0.1)
    # Four were taken, and no more than six wait.
    assert started <= 10
    assert [number for group in results for number in group] == list(range(4, 40))
    assert 1 < most <= 3


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_groups_may_be_of_any_size(workers: int):
    sizes = [3, 0, 1, 5, 0, 0, 2]
    groups = ([partial(abs, -number) for number in range(size)] for size in sizes)
    results = [group for group in prefetch(groups, workers=workers, ahead=5) if group]
    assert results == [list(range(size)) for size in sizes if size]
    assert list(prefetch([], workers=workers, ahead=5)) == []


def test_prefetching_can_be_stopped_and_errors_come_in_their_turn():
    before = threading.active_count()
    results = prefetch(([partial(abs, -number)] for number in range(10**9)), workers=3, ahead=5)
    assert [next(results) for _ in range(4)] == [[0], [1], [2], [3]]
    results.close()
    assert threading.active_count() == before

    def fails(number: int) -> int:
        return 10 // (3 - number)

    for workers in (0, 1, 4):
        results = prefetch(([partial(fails, number)] for number in range(9)), workers=workers, ahead=9)
        assert [next(results) for _ in range(3)] == [[3], [5], [10]]
        with pytest.raises(ZeroDivisionError):
            next(results)

    def reads():
        yield [partial(abs, -1)]
        raise InputError("shard", found="damage", expected="none")

    for workers in (0, 2):
        results = prefetch(reads(), workers=workers, ahead=4)
        assert next(results) == [1]
        with pytest.raises(InputError, match="damage"):
            next(results)
    assert threading.active_count() == before
    assert default_workers() >= 1


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 30)), max_size=4),
    st.integers(1, 9),
)
def test_batches_cover_the_ranges_and_begin_at_multiples_of_their_size(gaps: list[tuple[int, int]], size: int):
    ranges, end = [], 0
    for skipped, length in gaps:
        ranges.append((end + skipped + 1, end + skipped + 1 + length))
        end = ranges[-1][1]
    batches = batch_ranges(ranges, size)
    covered = [pair for first, stop in batches for pair in range(first, stop)]
    assert covered == [pair for start, stop in ranges for pair in range(start, stop)]
    assert all(0 < stop - first <= size for first, stop in batches)
    starts = {start for start, _ in ranges}
    assert all(first % size == 0 or first in starts for first, _ in batches)


def test_pairs_arrive_in_another_process_as_they_were_sent(data: Path):
    sender = PairSender()
    receiver = PairReceiver(sender.fds)
    sizes = []
    for modalities in (set(Modality), {Modality.VISION}, set(), {Modality.AUDIO, Modality.UP}):
        pairs = list(open_dataset(data).inputs("test", modalities=modalities))
        pairs[0] = replace(pairs[0], image_a=pairs[0].image_a[:, ::-1])  # not contiguous
        parcel = sender.pack(pairs)
        sizes.append(sum(place[1] for place in parcel.places) + len(parcel.pickled))
        found = receiver.unpack(parcel)
        for sent, came in zip(pairs, found, strict=True):
            assert_equal(sent, came)
        # What came stays when the next batch is sent.
        kept = found[1].image_a.copy()
        sender.pack(pairs[5:])
        np.testing.assert_array_equal(found[1].image_a, kept)
        sender.forget()
    # A picture that nobody looks at costs next to nothing on the way.
    assert sizes[2] < 1500 * PAIRS
    sender.close()


def test_arrays_of_the_batch_before_are_not_sent_again(data: Path):
    sender = PairSender()
    receiver = PairReceiver(sender.fds)
    pairs = list(open_dataset(data).inputs("test"))
    first = receiver.unpack(sender.pack(pairs))
    dark = [replace(pair, image_a=pair.image_a // 2) for pair in pairs]
    parcel = sender.pack(dark)
    # One picture of each pair is new; everything else is as before.
    assert sum(isinstance(place, tuple) for place in parcel.places) == PAIRS
    for sent, came in zip(dark, receiver.unpack(parcel), strict=True):
        assert_equal(sent, came)
    for sent, came in zip(pairs, first, strict=True):
        assert_equal(sent, came)
    turned = sender.pack(dark[::-1])
    assert not any(isinstance(place, tuple) for place in turned.places)
    for sent, came in zip(dark[::-1], receiver.unpack(turned), strict=True):
        assert_equal(sent, came)
    sender.forget()
    assert all(isinstance(place, tuple) for place in sender.pack(dark).places)
    sender.close()


def assert_equal(sent: PairInput, came: PairInput) -> None:
    assert sent.pair_id == came.pair_id
    for name in ("image_a", "image_b", "intrinsics", "up_a", "up_b"):
        one, other = getattr(sent, name), getattr(came, name)
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert not other.flags.writeable
            if any(other.strides):
                with pytest.raises(ValueError, match="WRITEABLE"):
                    other.flags.writeable = True
    for view in "ab":
        one, other = getattr(sent, f"sound_{view}"), getattr(came, f"sound_{view}")
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one.samples, other.samples)
            np.testing.assert_array_equal(one.mic_positions_m, other.mic_positions_m)
            assert (one.valid_start, one.valid_stop, one.array_kind) == (
                other.valid_start,
                other.valid_stop,
                other.array_kind,
            )
            assert not other.samples.flags.writeable
