"""Make `conformance.json`, the test vectors of the metrics, without a line of avbench's own metrics.

Angles come from SciPy's rotations and plain trigonometry, areas from sums over pairs written out as loops; what other
public codes make of the same pairs comes from `foreign_conventions.py` beside this file, in 50 digits. Run it from the
repository's root: `python tests/benchmark/golden/make_conformance.py`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from foreign_conventions import CODES, by_trace, exact, trapezoid
from foreign_conventions import expected as expected_of_a_code
from scipy.spatial.transform import Rotation

OUT = Path(__file__).parents[3] / "benchmark/avbench/benchmark/metrics/conformance.json"
SHORT_M = 0.05
UNCERTAIN_DEG = 10.0
ROTATION_TOLERANCE = 1e-2


def direction_angle(a: np.ndarray, b: np.ndarray) -> float | None:
    if not (np.isfinite(a).all() and np.linalg.norm(a) > 0 and np.linalg.norm(b) > 0):
        return None
    return math.degrees(math.atan2(np.linalg.norm(np.cross(a, b)), float(a @ b)))


def bfloat16(values: np.ndarray) -> np.ndarray:
    """Round to 8 significant bits, half to even."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 256.0) / 256.0, exponent)


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
    made += unclean_pairs(len(made))
    made += uncertain_pairs(len(made))
    # Confidences in steps, so that some are equal; not from `random`, so that they move nothing above.
    for number, pair in enumerate(made):
        pair |= {"metric": number % 9 != 8, "confidence": (number * 7 % 10) / 10}
    return made


def unclean_pairs(first: int) -> list[dict]:
    """Matrices that are not quite rotations, right answers but for rounding, and answers with a part missing."""
    random = np.random.default_rng(20261127)
    made = []
    for number in range(32):
        true_R = Rotation.from_rotvec(np.radians(random.normal(0, 30, 3))).as_matrix()
        true_t = random.normal(0, 0.5, 3)
        pair = {"scale": "metric", "rotation": true_R.copy(), "translation": true_t.copy(), "status": "ok"}
        if number < 10:  # as a network in bfloat16 gives it, otherwise right
            pair |= {"rotation": bfloat16(true_R), "translation": bfloat16(true_t)}
        elif number < 16:
            off = Rotation.from_rotvec(np.radians(1.3 * (number - 9)) * np.array([0.6, 0.0, 0.8])).as_matrix()
            scale = (0.93, 0.99, 0.998, 1.002, 1.01, 1.07)[number - 10]
            pair |= {"rotation": scale * true_R @ off, "translation": 3.0 * off @ true_t}
        elif number < 24:  # right, but for the last bits
            pair |= {
                "rotation": true_R + random.integers(-2, 3, (3, 3)) * 2.0**-53,
                "translation": random.uniform(0.5, 2.0) * true_t,
            }
        elif number < 26:  # sheared
            pair["rotation"] = true_R @ np.array([[1.0, 0.04, 0.0], [0.0, 1.0, 0.0], [0.0, -0.02, 1.0]])
        elif number == 26:
            pair["translation"] = None
        elif number in (27, 28, 29):
            status = ("error", "invalid", "missing")[number - 27]
            pair |= {"rotation": None, "translation": None, "status": status}
        elif number == 30:  # half a turn too far
            pair["rotation"] = true_R @ np.diag([1.0, -1.0, -1.0])
        elif number == 31:
            pair |= {"rotation": np.eye(3), "translation": np.array([0.0, 0.0, 1.0])}
            true_R, true_t = np.eye(3), np.array([0.0, 0.0, 2.0])
        made.append({"pair_id": f"pair-{first + number:02d}", "true_R": true_R, "true_t": true_t, **pair})
    return made


def uncertain_pairs(first: int) -> list[dict]:
    """Labels whose direction is more or less certain; those in metres count by their length all the same."""
    random = np.random.default_rng(20261129)
    made = []
    for number, (scale, sigma_deg, length) in enumerate(
        (
            ("unknown", 9.9, 0.02),
            ("unknown", 10.0, 0.02),
            ("unknown", 10.1, 0.02),
            ("unknown", 60.0, 7.0),
            ("unknown", None, 0.001),
            ("metric", 40.0, 0.06),
            ("metric", 1.0, 0.04),
        )
    ):
        R, t = Rotation.from_rotvec(np.radians(random.normal(0, 30, 3))), random.normal(0, 1.0, 3)
        t *= length / np.linalg.norm(t)
        off = Rotation.from_rotvec(np.radians(3.3 * (number + 1)) * np.array([0.0, 0.6, 0.8]))
        pair = {"rotation": (R * off).as_matrix(), "translation": off.apply(t), "status": "ok"}
        pair |= {"scale": scale, "sigma_deg": sigma_deg}
        made.append({"pair_id": f"pair-{first + number:02d}", "true_R": R.as_matrix(), "true_t": t, **pair})
    return made


def errors_of(pair: dict) -> tuple[float, float]:
    R, t = pair["rotation"], pair["translation"]
    if R is None or np.linalg.det(R) <= 0 or np.sqrt(np.sum((R.T @ R - np.eye(3)) ** 2)) > ROTATION_TOLERANCE:
        return 180.0, 180.0
    # SciPy takes the nearest rotation of a matrix that is not quite one.
    rotation = math.degrees((Rotation.from_matrix(pair["true_R"]).inv() * Rotation.from_matrix(R)).magnitude())
    direction = None if t is None else direction_angle(t, pair["true_t"])
    return rotation, 180.0 if direction is None else direction


def expected(made: list[dict]) -> dict:
    def counts(pair: dict) -> bool:
        length = float(np.linalg.norm(pair["true_t"]))
        short = pair["scale"] == "metric" and length < SHORT_M
        uncertain = pair["scale"] == "unknown" and (pair.get("sigma_deg") or 0.0) > UNCERTAIN_DEG
        return pair["scale"] != "rotation_only" and length > 0 and not short and not uncertain

    each = [errors_of(pair) for pair in made]
    with_direction = [error for error, pair in zip(each, made, strict=True) if counts(pair)]
    lists = {
        "rotation": [rotation for rotation, _ in each],
        "direction": [direction for _, direction in with_direction],
        "total": [max(error) for error in with_direction],
    }
    return {
        name: {
            "n": len(values),
            "auc": {str(threshold): trapezoid(values, float(threshold)) for threshold in (5, 10, 20)},
            "mean_deg": float(np.mean(values)),
            "median_deg": float(np.median(values)),
        }
        for name, values in lists.items()
    }


def gauge() -> dict:
    """World-to-camera poses of five views, true and predicted, in three worlds, and what must not depend on the world.

    One world is as made, in the others a camera is the world: what a code sees that puts the first camera at the
    origin, for two choices of the first. The prediction's world is another than the truth's.
    """
    random = np.random.default_rng(20261128)

    def pose(rotation_deg: float, shift: float) -> np.ndarray:
        T = np.eye(4)
        T[:3, :3] = Rotation.from_rotvec(np.radians(random.normal(0, rotation_deg, 3))).as_matrix()
        T[:3, 3] = random.normal(0, shift, 3)
        return T

    true = [pose(40, 1.0) for _ in range(5)]
    other_world = pose(60, 2.0)
    predicted = [pose(4, 0.1) @ E @ other_world for E in true]
    worlds = [
        (true, predicted),
        *(
            ([E @ np.linalg.inv(true[k]) for E in true], [E @ np.linalg.inv(predicted[k]) for E in predicted])
            for k in (0, 3)
        ),
    ]
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]

    def errors(relative, world) -> list[list[float]]:
        found = []
        for i, j in pairs:
            T, P = (relative(poses[i], poses[j]) for poses in world)
            R, t = exact(P[:3, :3]), P[:3, 3]
            found.append([by_trace(R, exact(T[:3, :3])), direction_angle(t, T[:3, 3])])
        return found

    right = {
        "T_i_j": lambda a, b: a @ np.linalg.inv(b),
        "T_j_i": lambda a, b: b @ np.linalg.inv(a),
    }
    wrong = [errors(lambda a, b: np.linalg.inv(a) @ b, world) for world in worlds]
    changes = np.max(wrong, axis=0) - np.min(wrong, axis=0)
    return {
        "note": "errors in degrees, rotation and signed direction, of the pairs (i, j); the same in every world",
        "worlds": [
            {"true_camera_world": np.array(t).tolist(), "predicted_camera_world": np.array(p).tolist()}
            for t, p in worlds
        ],
        "pairs": [list(pair) for pair in pairs],
        "errors": {name: errors(relative, worlds[0]) for name, relative in right.items()},
        "world_dependent": {
            "formula": "inv(T_camera_world_i) @ T_camera_world_j",
            "errors": wrong,
            "largest_change_deg": changes.max(axis=0).tolist(),
        },
    }


def main() -> None:
    made = pairs()
    content = {
        "metrics_spec_version": "1.1",
        "note": "made-up pairs with predictions, and what every convention makes of them; see metrics_spec.toml. "
        "Errors are [rotation, direction] in degrees: null is NaN, or not compared; 'inf' is never reached; "
        "'undetermined' is left to the solver of eigenvalues",
        "pairs": [
            {
                "pair_id": pair["pair_id"],
                "scale": pair["scale"],
                "true_rotation_a_b": pair["true_R"].tolist(),
                "true_translation_a_b_m": pair["true_t"].tolist(),
                "direction_sigma_deg": pair.get("sigma_deg"),
                "status": pair["status"],
                "rotation_a_b": None if pair["rotation"] is None else pair["rotation"].tolist(),
                "translation_a_b": None if pair["translation"] is None else pair["translation"].tolist(),
                "metric": pair["metric"],
                "confidence": pair["confidence"],
            }
            for pair in made
        ],
        "expected": {"avbench": expected(made)} | {name: expected_of_a_code(made, name) for name in CODES},
        "gauge": gauge(),
    }
    OUT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
