"""Nothing that a model is given beside pictures, sound and up gives the answer away.

`leak_of` fits a linear and a tree regressor from all other input columns to the labels of the training split and says
how much better than the mean motion they are on the test split. It works on any prepared data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.metrics.definitions import pair_errors
from avbench.benchmark.models.baselines import MeanMotion
from avbench.benchmark.scoring.labels import Labels
from avbench.preprocessing.cli.main import cli
from avbench.preprocessing.format.schema import AUDIO_COLUMNS, IMAGE_COLUMNS, Role, column_names

UP_COLUMNS = ("up_a", "up_b")
TREES = 60
DEPTH = 6


@dataclass(frozen=True)
class Leak:
    """How much smaller a regressor's mean error is than that of the mean motion, and how sure that is."""

    gain_deg: float
    sigma_deg: float

    @property
    def clear(self) -> bool:
        return self.gain_deg > 3.0 * self.sigma_deg


def leak_of(folder: Path, *, train: str = "train", test: str = "test") -> dict[str, Leak]:
    """Gains over the mean motion by regressor and error, over all pairs of the test split."""
    dataset = open_dataset(folder)
    columns = [c for c in column_names(Role.INPUT) if c not in (*IMAGE_COLUMNS, *AUDIO_COLUMNS, *UP_COLUMNS)]
    rows_train = dataset.table(train, columns).to_pylist()
    rows_test = dataset.table(test, columns).to_pylist()
    x_train, x_test = features(rows_train, rows_test)
    labels_train, labels_test = dataset.labels(train), Labels.of(dataset.labels(test))
    target = np.array(
        [[*Rotation.from_matrix(label.rotation_a_b).as_rotvec(), *label.translation_a_b_m] for label in labels_train]
    )
    floor = MeanMotion()
    floor.fit(labels_train)
    constant = floor.predict([None])[0]
    count = len(labels_test)
    groups = np.array([row["group_id"] for row in rows_test])
    base = errors(
        np.tile(constant.rotation_a_b, (count, 1, 1)),
        np.tile(constant.translation_a_b, (count, 1)),
        labels_test,
        groups,
    )
    result = {}
    for name, regressor in (("ridge", ridge), ("trees", trees)):
        guess = regressor(x_train, target, x_test)
        found = errors(Rotation.from_rotvec(guess[:, :3]).as_matrix(), guess[:, 3:], labels_test, groups)
        for kind, (base_deg, base_groups) in base.items():
            difference = base_deg - found[kind][0]
            result[f"{name} {kind}"] = Leak(float(np.mean(difference)), sigma_of_mean(difference, base_groups))
    return result


def sigma_of_mean(values: np.ndarray, groups: np.ndarray) -> float:
    """Standard error of a mean over pairs of which those of one group resemble each other."""
    sums = np.array([np.sum(values[groups == group] - values.mean()) for group in np.unique(groups)])
    return float(np.sqrt(np.sum(sums**2)) / len(values)) if len(sums) > 1 else float("inf")


def errors(
    rotation: np.ndarray, translation: np.ndarray, labels: Labels, groups: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Errors with their groups by kind."""
    found = pair_errors(
        predicted_rotation=rotation,
        predicted_translation=translation,
        predicted_metric=np.zeros(len(labels), dtype=bool),
        true_rotation=labels.rotation_a_b,
        true_translation=labels.translation_a_b_m,
    )
    counted = labels.has_direction(0.05)
    by_kind = {
        "rotation": (found.rotation_deg, groups),
        "direction": (found.direction_deg[counted], groups[counted]),
    }
    return {kind: values for kind, values in by_kind.items() if len(values[0])}


def features(rows_train: list[dict[str, Any]], rows_test: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Every number as it is, lists flattened, and every string, ids included, by its characters."""

    def flat(row: dict[str, Any]) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for name, value in row.items():
            if isinstance(value, str):
                for place, character in enumerate(value[-24:]):
                    numbers[f"{name}.{place}"] = float(ord(character))
                numbers[f"{name}.length"] = float(len(value))
            elif isinstance(value, list):
                for place, number in enumerate(np.ravel(value)):
                    numbers[f"{name}.{place}"] = float(number)
            elif value is not None:
                numbers[name] = float(value)
        if row["time_a_ns"] is not None:
            numbers["time_difference"] = float(row["time_b_ns"] - row["time_a_ns"])
        return numbers

    flat_train, flat_test = [flat(row) for row in rows_train], [flat(row) for row in rows_test]
    names = sorted(set().union(*flat_train))
    x_train = np.array([[row.get(name, 0.0) for name in names] for row in flat_train])
    x_test = np.array([[row.get(name, 0.0) for name in names] for row in flat_test])
    mean, spread = x_train.mean(axis=0), x_train.std(axis=0)
    varying = spread > 1e-12 * (1.0 + np.abs(mean))
    scaled = [(x[:, varying] - mean[varying]) / spread[varying] for x in (x_train, x_test)]
    # A test split may hold values that training never saw; a line through them would shoot off.
    return scaled[0], np.clip(scaled[1], -3.0, 3.0)


def ridge(x: np.ndarray, y: np.ndarray, x_new: np.ndarray) -> np.ndarray:
    """Linear regression; of a few penalties the one that leave-one-out likes best."""
    mean = y.mean(axis=0)
    if x.shape[1] == 0:
        return np.tile(mean, (len(x_new), 1))
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    best: tuple[float, np.ndarray] | None = None
    for penalty in 10.0 ** np.arange(-2, 8):
        shrink = s**2 / (s**2 + penalty)
        fitted = u @ (shrink[:, None] * (u.T @ (y - mean)))
        leverage = np.minimum(np.sum(u**2 * shrink, axis=1) + 1.0 / len(x), 1.0 - 1e-9)
        loss = float(np.mean(((y - mean - fitted) / (1.0 - leverage)[:, None]) ** 2))
        if best is None or loss < best[0]:
            weights = vt.T @ ((s / (s**2 + penalty))[:, None] * (u.T @ (y - mean)))
            best = (loss, weights)
    assert best is not None
    return x_new @ best[1] + mean


def trees(x: np.ndarray, y: np.ndarray, x_new: np.ndarray) -> np.ndarray:
    """Extremely randomised trees (Geurts et al., Machine Learning 2006), small ones."""
    generator = np.random.default_rng(0)
    scaled = (y - y.mean(axis=0)) / np.maximum(y.std(axis=0), 1e-9)
    total = np.zeros((len(x_new), y.shape[1]))
    for _ in range(TREES):
        grow(x, y, scaled, x_new, np.arange(len(x)), np.arange(len(x_new)), DEPTH, generator, total)
    return total / TREES


def grow(x, y, scaled, x_new, inside, asked, depth, generator, total) -> None:
    if depth == 0 or len(inside) < 20 or x.shape[1] == 0 or not len(asked):
        total[asked] += y[inside].mean(axis=0)
        return
    best = (-np.inf, 0, 0.0)
    for column in generator.choice(x.shape[1], min(16, x.shape[1]), replace=False):
        low, high = x[inside, column].min(), x[inside, column].max()
        cut = generator.uniform(low, high)
        left = x[inside, column] < cut
        if 5 <= left.sum() <= len(inside) - 5:
            sizes = left.sum(), (~left).sum()
            gain = sum(
                size * float(np.sum(scaled[inside[side]].mean(axis=0) ** 2))
                for size, side in zip(sizes, (left, ~left), strict=True)
            )
            best = max(best, (gain, int(column), float(cut)))
    if best[0] == -np.inf:
        total[asked] += y[inside].mean(axis=0)
        return
    _, column, cut = best
    left, goes_left = x[inside, column] < cut, x_new[asked, column] < cut
    grow(x, y, scaled, x_new, inside[left], asked[goes_left], depth - 1, generator, total)
    grow(x, y, scaled, x_new, inside[~left], asked[~goes_left], depth - 1, generator, total)


def assert_no_leak(folder: Path) -> None:
    leaks = leak_of(folder)
    assert leaks
    assert not {name: leak for name, leak in leaks.items() if leak.clear}


def moving_rows(pair_row, count: int, seed: int, plant=None) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    shared = pair_row("shared")
    rows = []
    for number in range(count):
        rotation = Rotation.from_rotvec(np.radians(generator.normal(0.0, [5.0, 20.0, 3.0]))).as_matrix()
        translation = generator.normal([0.0, 0.0, 0.4], 0.3)
        time_ns = int(generator.integers(0, 10**11))
        gap_ns = int(generator.integers(250, 2000)) * 10**6
        changed = {
            # Encoded once: this test looks at everything but pictures and sound.
            **{name: shared[name] for name in (*IMAGE_COLUMNS, *AUDIO_COLUMNS)},
            "time_a_ns": time_ns,
            "time_b_ns": time_ns + gap_ns,
            "gap_s": gap_ns * 1e-9,
            "group_id": f"place-{generator.integers(20)}",
            **{f"sharpness_{view}": float(generator.gamma(2.0, 100.0)) for view in "ab"},
            **{f"brightness_{view}": float(generator.uniform(20.0, 220.0)) for view in "ab"},
            **{f"level_{view}_dbfs": float(generator.uniform(-60.0, -10.0)) for view in "ab"},
        }
        if plant is not None:
            changed |= plant(number, rotation, translation)
        name = changed.pop("pair_id", f"rec-{time_ns}-{gap_ns}")
        rows.append({**shared, **pair_row_label(rotation, translation), **changed, "pair_id": name})
    return rows


def pair_row_label(rotation: np.ndarray, translation: np.ndarray) -> dict[str, Any]:
    return {
        "rotation_a_b": rotation.tolist(),
        "translation_a_b_m": translation.tolist(),
        "rotation_deg": 0.0,
        "baseline_m": float(np.linalg.norm(translation)),
    }


def build(tmp_path: Path, pair_row, write_dataset, plant=None) -> Path:
    splits = {"train": moving_rows(pair_row, 400, 1, plant), "test": moving_rows(pair_row, 400, 2, plant)}
    return write_dataset(tmp_path / "data", splits, rows_per_group=200)


def test_inputs_beside_pictures_sound_and_up_do_not_tell_the_motion(tmp_path: Path, pair_row, write_dataset):
    assert_no_leak(build(tmp_path, pair_row, write_dataset))


@pytest.mark.parametrize(
    "plant",
    [
        lambda number, R, t: {"level_b_dbfs": -40.0 + 20.0 * float(R[0, 2])},
        lambda number, R, t: {"brightness_a": 100.0 + 50.0 * float(t[0]), "brightness_b": 100.0 - 50.0 * float(t[1])},
        lambda number, R, t: {"pair_id": f"rec-{'left' if R[0, 2] > 0 else 'turn'}-{number:05d}"},
        lambda number, R, t: {"mic_positions_m": (np.eye(3) * 0.1 @ R).tolist()},
    ],
    ids=["level", "brightness", "name", "microphones"],
)
def test_a_planted_leak_is_found(tmp_path: Path, pair_row, write_dataset, plant):
    with pytest.raises(AssertionError):
        assert_no_leak(build(tmp_path, pair_row, write_dataset, plant))


@pytest.mark.slow
def test_a_simulated_data_set_does_not_leak(tmp_path: Path):
    pytest.importorskip("numba", reason="the simulator needs the extra avbench[simulate]")
    runner = CliRunner()
    small = ("--seconds", "3", "--size", "96x72", "--jobs", "2", "--recordings", "60")
    for arguments in (
        ("simulate", tmp_path / "recordings", "--split", "train", *small),
        ("simulate", tmp_path / "recordings", "--split", "test", *small),
        ("prepare", tmp_path / "recordings", "-o", tmp_path / "data", "--pairs-per-recording", "10"),
    ):
        result = runner.invoke(cli, [str(one) for one in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    for name, leak in leak_of(tmp_path / "data").items():
        print(f"{name}: gain over mean-motion {leak.gain_deg:+.2f} +- {leak.sigma_deg:.2f} degrees")
    assert_no_leak(tmp_path / "data")
