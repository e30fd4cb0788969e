"""What other public codes make of single pairs, worked out in 50 digits or in float32 by hand, without avbench.

Angles between matrices are written down from their definitions, one pair at a time: quaternions entry by entry, the
nearest orthogonal matrix by Newton's iteration, float32 by single operations on scalars.
"""

from __future__ import annotations

import bisect
import math

import mpmath
import numpy as np

mpmath.mp.dps = 50
TINY = mpmath.mpf(10) ** -15
NAN = math.nan


def in_degrees(radians) -> float:
    return float(radians * 180 / mpmath.pi)


def exact(matrix) -> list:
    return [[mpmath.mpf(float(value)) for value in row] for row in matrix]


def trace_cosine(R, S):
    return (sum(R[i][j] * S[i][j] for i in range(3) for j in range(3)) - 1) / 2


def by_trace(R, S) -> float:
    return in_degrees(mpmath.acos(min(max(trace_cosine(R, S), mpmath.mpf(-1)), mpmath.mpf(1))))


def by_bounded_trace(R, S) -> float:
    cosine, edge = trace_cosine(R, S), 1 - mpmath.mpf(10) ** -4
    if abs(2 * cosine + 1) > 3 + mpmath.mpf(10) ** -4 or 2 * cosine + 1 < -1 - mpmath.mpf(10) ** -4:
        return NAN
    if abs(cosine) <= edge:
        return in_degrees(mpmath.acos(cosine))
    near = edge if cosine > 0 else -edge
    slope = -1 / mpmath.sqrt(1 - edge * edge)
    return in_degrees(mpmath.acos(near) + slope * (cosine - near))


def quaternion_by_largest(R) -> list:
    """Scalar first; the textbook's four ways to begin, the one with the largest square."""
    squares = [
        1 + R[0][0] + R[1][1] + R[2][2],
        1 + R[0][0] - R[1][1] - R[2][2],
        1 - R[0][0] + R[1][1] - R[2][2],
        1 - R[0][0] - R[1][1] + R[2][2],
    ]
    roots = [mpmath.sqrt(max(square, 0)) for square in squares]
    begin = roots.index(max(roots))
    divisor = 2 * max(roots[begin], mpmath.mpf("0.1"))
    a, b, c = R[2][1] - R[1][2], R[0][2] - R[2][0], R[1][0] - R[0][1]
    d, e, f = R[1][0] + R[0][1], R[0][2] + R[2][0], R[2][1] + R[1][2]
    own = roots[begin] ** 2
    entries = [[own, a, b, c], [a, own, d, e], [b, d, own, f], [c, e, f, own]][begin]
    return [entry / divisor for entry in entries]


def quaternion_by_eigenvector(R) -> list:
    matrix = mpmath.matrix(
        [
            [R[0][0] + R[1][1] + R[2][2], R[2][1] - R[1][2], R[0][2] - R[2][0], R[1][0] - R[0][1]],
            [R[2][1] - R[1][2], R[0][0] - R[1][1] - R[2][2], R[0][1] + R[1][0], R[0][2] + R[2][0]],
            [R[0][2] - R[2][0], R[0][1] + R[1][0], R[1][1] - R[0][0] - R[2][2], R[1][2] + R[2][1]],
            [R[1][0] - R[0][1], R[0][2] + R[2][0], R[1][2] + R[2][1], R[2][2] - R[0][0] - R[1][1]],
        ]
    )
    values, vectors = mpmath.eigsy(matrix)
    largest = max(range(4), key=lambda column: values[column])
    q = [vectors[row, largest] for row in range(4)]
    length = mpmath.sqrt(sum(entry * entry for entry in q))
    return [entry / length for entry in q]


def between(q, p) -> float:
    product = sum(a * b for a, b in zip(q, p, strict=True))
    return in_degrees(mpmath.acos(1 - 2 * max(1 - product**2, TINY)))


def by_quaternion(R, S) -> float:
    return between(quaternion_by_largest(R), quaternion_by_largest(S))


def by_eigenquaternion(R, S) -> float:
    return between(quaternion_by_eigenvector(R), quaternion_by_eigenvector(S))


def by_eigenquaternion_sine(R, S) -> float:
    product = sum(a * b for a, b in zip(quaternion_by_eigenvector(R), quaternion_by_eigenvector(S), strict=True))
    return in_degrees(2 * mpmath.asin(mpmath.sqrt(max(1 - product**2, 0))))


def nearest_orthogonal(R):
    X = mpmath.matrix(R)
    for _ in range(200):
        after = (X + (X**-1).T) / 2
        if mpmath.mnorm(after - X) < mpmath.mpf(10) ** -40:
            return after
        X = after
    raise ArithmeticError("no nearest orthogonal matrix")


def single(matrix) -> list:
    return [[np.float32(value) for value in row] for row in matrix]


def by_rodrigues_float32(R, S) -> float:
    left, right = single(R), single(S)
    product = [
        [
            np.float32(np.float32(left[0][i] * right[0][j] + left[1][i] * right[1][j]) + left[2][i] * right[2][j])
            for j in range(3)
        ]
        for i in range(3)
    ]
    X = nearest_orthogonal([[mpmath.mpf(float(value)) for value in row] for row in product])
    cosine = (X[0, 0] + X[1, 1] + X[2, 2] - 1) / 2
    vector = (X[2, 1] - X[1, 2], X[0, 2] - X[2, 0], X[1, 0] - X[0, 1])
    if mpmath.sqrt(sum(value**2 for value in vector)) / 2 < 1e-5 and cosine > 0:
        return 0.0
    return in_degrees(mpmath.acos(min(max(cosine, mpmath.mpf(-1)), mpmath.mpf(1))))


def length(vector):
    return mpmath.sqrt(sum(value**2 for value in vector))


def by_clipped_arccos(t, s) -> float:
    if not length(t):
        return NAN
    cosine = sum(a * b for a, b in zip(t, s, strict=True)) / (length(t) * length(s))
    return in_degrees(mpmath.acos(min(max(cosine, mpmath.mpf(-1)), mpmath.mpf(1))))


def by_squared_cosine(t, s) -> float:
    cosine = sum((a / (length(t) + TINY)) * (b / (length(s) + TINY)) for a, b in zip(t, s, strict=True))
    return in_degrees(mpmath.acos(mpmath.sqrt(1 - max(1 - cosine**2, TINY))))


def by_arccos_float32(t, s) -> float:
    def size(a):
        return np.sqrt(np.float32(float(a[0] * a[0]) + float(a[1] * a[1]) + float(a[2] * a[2])))

    t, s = ([np.float32(float(value)) for value in vector] for vector in (t, s))
    if not size(t):
        return NAN
    t, s = ([value / size(vector) for value in vector] for vector in (t, s))
    cosine = np.float32(np.float32(t[0] * s[0] + t[1] * s[1]) + t[2] * s[2]) / (size(t) * size(s))
    return NAN if abs(cosine) > 1 else math.degrees(math.acos(float(cosine)))


def seen_from_b(R, t) -> tuple[list, list]:
    transposed = [[R[j][i] for j in range(3)] for i in range(3)]
    return transposed, [-sum(transposed[i][k] * t[k] for k in range(3)) for i in range(3)]


# name: seen from camera b, folded, rotation, direction, what a failure costs, (area, thresholds), further measures
CODES = {
    "reloc3r": (False, False, by_rodrigues_float32, by_arccos_float32, (math.inf, math.inf)),
    "superglue": (True, True, by_trace, by_clipped_arccos, (math.inf, math.inf)),
    "imc": (True, True, by_eigenquaternion, by_squared_cosine, (180.0, 90.0)),
    "roma": (True, True, by_trace, by_clipped_arccos, (90.0, 90.0)),
    "posediffusion": (True, True, by_bounded_trace, by_squared_cosine, (math.inf, math.inf)),
    "vggt": (False, True, by_quaternion, by_squared_cosine, (math.inf, math.inf)),
    "da3": (True, True, by_quaternion, by_squared_cosine, (math.inf, math.inf)),
    "pi3": (True, True, by_quaternion, by_squared_cosine, (math.inf, math.inf)),
    "mapanything": (False, True, by_quaternion, by_squared_cosine, (math.inf, math.inf)),
    "mapfree": (False, False, by_eigenquaternion_sine, None, (math.inf, math.inf)),
}
LEAVES_OUT = ("vggt", "da3")
AREAS = {
    "reloc3r": (5, 10, 20),
    "superglue": (5, 10, 20),
    "imc": (5, 10),
    "roma": (5, 10, 20),
    "posediffusion": (30,),
    "vggt": (3, 5, 15, 30),
    "da3": (3, 5, 15, 30),
    "pi3": (5, 15, 30),
    "mapanything": (5,),
}
ACCURACIES = {"posediffusion": (5, 15, 30), "vggt": (5,), "pi3": (5, 15, 30)}


def errors_of(name: str, pair: dict) -> tuple[float, float]:
    """Rotation and direction error in degrees; the direction is NaN where translations are compared in metres."""
    from_b, folded, rotation_by, direction_by, failure = CODES[name]
    if pair["rotation"] is None:
        return failure
    R, S = exact(pair["rotation"]), exact(pair["true_R"])
    given = pair["translation"]
    t = None if given is None else [mpmath.mpf(float(value)) for value in given]
    s = [mpmath.mpf(float(value)) for value in pair["true_t"]]
    if from_b:
        R_b, t = seen_from_b(R, t or [mpmath.mpf(0)] * 3)
        S, s = seen_from_b(S, s)
        R = R_b
    rotation = rotation_by(R, S)
    direction = NAN if direction_by is None or given is None or not length(s) else direction_by(t, s)
    if folded and not math.isnan(direction):
        direction = min(direction, 180 - direction)
    if name == "imc" and length(s) and math.isnan(direction):
        return failure
    return rotation, direction


def larger(rotation: float, direction: float) -> float:
    return NAN if math.isnan(rotation) or math.isnan(direction) else max(rotation, direction)


def trapezoid(errors: list[float], threshold: float) -> float:
    area, last_error, last_recall = 0.0, 0.0, 0.0
    for position, error in enumerate(sorted(error for error in errors if not math.isnan(error)), start=1):
        if error >= threshold:
            break
        recall = position / len(errors)
        area += (error - last_error) * (recall + last_recall) / 2
        last_error, last_recall = error, recall
    return 100 * (area + (threshold - last_error) * last_recall) / threshold


def trapezoid_of_a_python_list(errors: list[float], threshold: float) -> float:
    """Sorted with NaN among them, and searched by halves."""
    x = [0.0, *sorted(errors)]
    inside = bisect.bisect_left(x, threshold)
    points = [(x[i], i / len(errors)) for i in range(inside)]
    points.append((threshold, points[-1][1]))
    return (
        100
        * sum((points[i + 1][0] - points[i][0]) * (points[i + 1][1] + points[i][1]) / 2 for i in range(inside))
        / (threshold)
    )


def histogram(errors: list[float], threshold: int, upper: int) -> float:
    def below(edge: int) -> int:
        return sum(error < edge or (edge == upper and error == upper) for error in errors)

    return 100 * sum(below(edge) / len(errors) for edge in range(1, threshold + 1)) / threshold


def area(name: str, errors: list[float], threshold: int) -> float:
    if name == "reloc3r":
        return trapezoid_of_a_python_list(errors, threshold)
    if name in ("superglue", "roma"):
        return trapezoid(errors, threshold)
    return histogram(errors, threshold, 10 if name == "imc" else threshold)


def share_below(errors: list[float], threshold: float) -> float:
    return 100 * sum(error < threshold for error in errors) / len(errors)


def expected(made: list[dict], name: str) -> dict:
    """Errors of every pair and all measures of a convention; NaN is None among errors and "NaN" as a measure."""
    each = [errors_of(name, pair) for pair in made]
    result: dict = {
        "errors": [[None if math.isnan(e) else "inf" if math.isinf(e) else e for e in errors] for errors in each]
    }
    if name in ("imc", "mapfree"):
        for pair, errors in zip(made, result["errors"], strict=True):
            # The largest eigenvalue of a reflection is threefold: the solver decides. Of -R, all are about half a turn.
            if pair["rotation"] is not None and np.linalg.det(pair["rotation"]) < 0:
                errors[0] = "undetermined"
    if name == "mapfree":
        return result | {"measures": map_free(made, [rotation for rotation, _ in each])}
    kept = [
        (pair, errors)
        for pair, errors in zip(made, each, strict=True)
        if name not in LEAVES_OUT or pair["status"] not in ("error", "missing")
    ]
    directed = [errors for pair, errors in kept if pair["scale"] != "rotation_only" and np.any(pair["true_t"])]
    lists = {
        "total": [larger(*errors) for errors in directed],
        "rotation": [rotation for _, (rotation, _) in kept],
        "direction": [direction for _, direction in directed],
    }
    for values in lists.values():
        near = [e for e in values if 0.01 < e < 31 and abs(e - round(e)) < 1e-4]
        if near:
            raise ArithmeticError(f"{name}: an error at the edge of a bin, where rounding decides: {near}")
    measures = [
        (kind, "AUC", threshold, area(name, values, threshold), len(values))
        for kind, values in lists.items()
        for threshold in AREAS[name]
    ]
    measures += [
        (kind, "accuracy", threshold, share_below(lists[kind], threshold), len(lists[kind]))
        for kind in ("rotation", "direction")
        for threshold in ACCURACIES.get(name, ())
    ]
    if name == "roma":
        shares = {limit: share_below(lists["total"], limit) for limit in (5, 10, 15, 20)}
        means = {5: shares[5], 10: (shares[5] + shares[10]) / 2, 20: sum(shares.values()) / 4}
        measures += [("total", "mean accuracy", limit, mean, len(lists["total"])) for limit, mean in means.items()]
    return result | {
        "measures": [
            {
                "quantity": kind,
                "measure": measure,
                "threshold_deg": threshold,
                "value": "NaN" if math.isnan(value) else value,
                "n": n,
            }
            for kind, measure, threshold, value, n in measures
        ]
    }


def map_free(made: list[dict], rotation_deg: list[float]) -> list[dict]:
    """Right below 0.25 m and 5 degrees; average precision as a sum over pairs of the precision at its confidence."""
    answers, total = [], 0
    for pair, rotation in zip(made, rotation_deg, strict=True):
        if pair["scale"] != "metric":
            continue
        total += 1
        if pair["rotation"] is None or pair["translation"] is None or not pair["metric"]:
            continue
        off = float(np.linalg.norm(np.asarray(pair["translation"]) - pair["true_t"]))
        answers.append((pair["confidence"], off < 0.25 and rotation < 5))
    precise = 0.0
    for confidence, _ in answers:
        as_sure = [right for other, right in answers if other >= confidence]
        precise += sum(as_sure) / len(as_sure)
    common = {"quantity": "pose", "threshold_deg": 5, "n": total}
    return [
        common | {"measure": "accuracy", "value": 100 * sum(right for _, right in answers) / total},
        common | {"measure": "average precision", "value": 100 * precise / total},
    ]
