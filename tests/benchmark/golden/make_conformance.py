"""Make `conformance.json`, the test vectors of the metrics, without a line of avbench's own metrics.

Angles come from SciPy's rotations and plain trigonometry, areas from sums over pairs written out as loops. Run it from
the repository's root: `python tests/benchmark/golden/make_conformance.py`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

OUT = Path(__file__).parents[3] / "benchmark/avbench/benchmark/conformance.json"
SHORT_M = 0.05


def direction_angle(a: np.ndarray, b: np.ndarray) -> float | None:
    if not (np.isfinite(a).all() and np.linalg.norm(a) > 0 and np.linalg.norm(b) > 0):
        return None
    return math.degrees(math.atan2(np.linalg.norm(np.cross(a, b)), float(a @ b)))


def trapezoid(errors: list[float], threshold: float) -> float:
    area, last_error, last_recall = 0.0, 0.0, 0.0
    for position, error in enumerate(sorted(errors), start=1):
        if error >= threshold:
            break
        recall = position / len(errors)
        area += (error - last_error) * (recall + last_recall) / 2
        last_error, last_recall = error, recall
    return 100 * (area + (threshold - last_error) * last_recall) / threshold


def histogram(errors: list[float], threshold: int, upper: int) -> float:
    def below(edge: int) -> int:
        return sum(error < edge or (edge == upper and error == upper) for error in errors)

    return 100 * sum(below(edge) / len(errors) for edge in range(1, threshold + 1)) / threshold


def pairs() -> list[dict]:
    random = np.random.default_rng(20261123)
    made = []
    for number in range(48):
        true_R = Rotation.from_rotvec(np.radians(random.normal(0, 20, 3)))
        true_t = random.normal(0, 0.4, 3)
        # No size is a whole number of degrees: at the edge of a bin rounding would decide.
        size = 0.7 * 2.0 ** (number % 6)
        turn = random.normal(0, 1, 3)
        R = true_R * Rotation.from_rotvec(np.radians(size) * turn / np.linalg.norm(turn))
        t = Rotation.from_rotvec(np.radians(size) * random.normal(0, 1, 3)).apply(true_t) * random.uniform(0.5, 2)
        pair = {"scale": "metric", "rotation": R.as_matrix(), "translation": t, "status": "ok"}
        if number == 40:
            pair |= {"rotation": None, "translation": None, "status": "error"}
        elif number == 41:
            pair["translation"] = np.zeros(3)
        elif number == 42:
            pair["translation"] = -t
        elif number == 43:
            pair["rotation"] = -R.as_matrix()  # a reflection
        elif number == 44:
            true_t = true_t / np.linalg.norm(true_t) * 0.02
        elif number == 45:
            true_t, pair["scale"] = np.zeros(3), "rotation_only"
        elif number == 46:
            true_t, pair["scale"] = true_t / np.linalg.norm(true_t) * 0.02, "unknown"
        elif number == 47:
            pair["rotation"], pair["translation"] = true_R.as_matrix(), true_t.copy()
        made.append({"pair_id": f"pair-{number:02d}", "true_R": true_R.as_matrix(), "true_t": true_t, **pair})
    return made


def errors_of(pair: dict, convention: str) -> tuple[float, float]:
    worst = 180.0 if convention == "avbench" else math.inf
    R, t = pair["rotation"], pair["translation"]
    if R is None or np.linalg.det(R) <= 0:
        return worst, worst
    rotation = math.degrees((Rotation.from_matrix(pair["true_R"]).inv() * Rotation.from_matrix(R)).magnitude())
    true_t = pair["true_t"]
    if convention in ("superglue", "imc"):  # directions as camera b sees them
        t, true_t = -R.T @ t, -pair["true_R"].T @ true_t
    direction = direction_angle(t, true_t)
    if direction is None:
        none = {"avbench": 180.0, "reloc3r": math.inf, "superglue": math.inf, "imc": 90.0, "vggt": 90.0}
        return rotation, none[convention]
    if convention in ("superglue", "imc", "vggt"):
        direction = min(direction, 180.0 - direction)
    return rotation, direction


def expected(made: list[dict], convention: str) -> dict:
    def counts(pair: dict) -> bool:
        length = float(np.linalg.norm(pair["true_t"]))
        short = convention == "avbench" and pair["scale"] == "metric" and length < SHORT_M
        return pair["scale"] != "rotation_only" and length > 0 and not short

    each = [errors_of(pair, convention) for pair in made]
    with_direction = [error for error, pair in zip(each, made, strict=True) if counts(pair)]
    lists = {
        "rotation": [rotation for rotation, _ in each],
        "direction": [direction for _, direction in with_direction],
        "total": [max(error) for error in with_direction],
    }
    thresholds = {"imc": (5, 10), "vggt": (3, 5, 15, 30)}.get(convention, (5, 10, 20))
    result: dict = {}
    for name, values in lists.items():
        areas = {}
        for threshold in thresholds:
            if convention == "imc":
                areas[str(threshold)] = histogram(values, threshold, 10)
            elif convention == "vggt":
                areas[str(threshold)] = histogram(values, threshold, threshold)
            else:
                areas[str(threshold)] = trapezoid(values, float(threshold))
        result[name] = {"n": len(values), "auc": areas}
        if convention == "avbench":
            result[name] |= {"mean_deg": float(np.mean(values)), "median_deg": float(np.median(values))}
    return result


def main() -> None:
    made = pairs()
    content = {
        "metrics_spec_version": "1.0",
        "note": "made-up pairs with predictions, and what every convention makes of them; see metrics_spec.toml",
        "pairs": [
            {
                "pair_id": pair["pair_id"],
                "scale": pair["scale"],
                "true_rotation_a_b": pair["true_R"].tolist(),
                "true_translation_a_b_m": pair["true_t"].tolist(),
                "status": pair["status"],
                "rotation_a_b": None if pair["rotation"] is None else pair["rotation"].tolist(),
                "translation_a_b": None if pair["translation"] is None else pair["translation"].tolist(),
            }
            for pair in made
        ],
        "expected": {name: expected(made, name) for name in ("avbench", "reloc3r", "superglue", "imc", "vggt")},
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
