"""The specification of the metrics, read from `metrics_spec.toml` beside this module."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

SPEC_PATH = Path(__file__).with_name("metrics_spec.toml")


class RelativePose(StrEnum):
    """Whose translation direction a convention compares."""

    T_A_B = "T_a_b"  # where camera b sits, seen from camera a
    T_B_A = "T_b_a"  # where camera a sits, seen from camera b


class Integrator(StrEnum):
    """How a convention turns errors into an area under the curve."""

    TRAPEZOID = "trapezoid"
    HISTOGRAM = "histogram"


class RotationFormula(StrEnum):
    """How a convention takes the angle between two matrices; `metrics_spec.toml` has the formulas."""

    TRACE = "trace"
    BOUNDED_TRACE = "bounded_trace"
    QUATERNION = "quaternion"
    EIGENQUATERNION = "eigenquaternion"
    EIGENQUATERNION_SINE = "eigenquaternion_sine"
    RODRIGUES_FLOAT32 = "rodrigues_float32"


class DirectionFormula(StrEnum):
    """How a convention takes the angle between two translations; `metrics_spec.toml` has the formulas."""

    CLIPPED_ARCCOS = "clipped_arccos"
    ARCCOS_FLOAT32 = "arccos_float32"
    SQUARED_COSINE = "squared_cosine"


class RaisedPairs(StrEnum):
    """What becomes of pairs on which the model raised or gave nothing."""

    COUNTED = "counted"
    LEFT_OUT = "left_out"


class NanRule(StrEnum):
    """What an error that is not a number counts as."""

    NEVER_REACHED = "never_reached"
    LEFT_TO_CHANCE = "left_to_chance"
    FAILED = "failed"


@dataclass(frozen=True)
class PoseThreshold:
    """When a pose in metres counts as right: both errors are below.

    Attributes:
        metres: Length of predicted minus true translation.
        degrees: Rotation error.
    """

    metres: float
    degrees: float


@dataclass(frozen=True)
class MetricDefinition:
    """One metric in words.

    Attributes:
        name: Its path in a score ("rotation.auc").
        unit: Unit of its values.
        better: "higher" or "lower".
        population: Which pairs it is taken over.
        definition: What it is.
    """

    name: str
    unit: str
    better: str
    population: str
    definition: str


@dataclass(frozen=True)
class Convention:
    """How another public benchmark scores relative poses.

    Attributes:
        name: Its name on the command line.
        reference: Where it is defined.
        relative_pose: Whose translation is compared.
        folded: Whether a direction and its opposite count as equal.
        rotation: How the rotation error is taken.
        direction: How the direction error is taken, None where translations are compared in metres.
        integrator: How the area under the curve is taken, None where there is none.
        histogram_upper_deg: Upper edge of the histogram, None for the threshold itself.
        thresholds_deg: Thresholds of the area under the curve.
        accuracy_thresholds_deg: Thresholds of the share of rotation, and of direction errors below.
        mean_accuracy_thresholds_deg: Thresholds T of the mean over 5, 10, ... T degrees of the share of total errors
            below.
        pose_threshold: When a pose in metres counts as right, None where metres do not count.
        failure_deg: What an answer that failed or is missing costs in rotation and in direction.
        failure_specified: Whether the code itself has a case for such an answer.
        raised_pairs: What becomes of pairs on which the model raised or gave nothing.
        nan: What an error that is not a number counts as.
    """

    name: str
    reference: str
    relative_pose: RelativePose
    folded: bool
    rotation: RotationFormula
    direction: DirectionFormula | None
    integrator: Integrator | None
    histogram_upper_deg: float | None
    thresholds_deg: tuple[float, ...]
    accuracy_thresholds_deg: tuple[float, ...]
    mean_accuracy_thresholds_deg: tuple[float, ...]
    pose_threshold: PoseThreshold | None
    failure_deg: tuple[float, float]
    failure_specified: bool
    raised_pairs: RaisedPairs
    nan: NanRule

    @classmethod
    def of(cls, name: str, entry: Mapping[str, Any]) -> Convention:
        """A convention as `metrics_spec.toml` describes it."""
        specified = entry["failure"] != "unspecified"
        rotation_deg, direction_deg = entry["failure"] if specified else (math.inf, math.inf)
        return cls(
            name=name,
            reference=entry["reference"],
            relative_pose=RelativePose(entry["relative_pose"]),
            folded=entry["folded"],
            rotation=RotationFormula(entry["rotation"]),
            direction=DirectionFormula(entry["direction"]) if "direction" in entry else None,
            integrator=Integrator(entry["integrator"]) if "integrator" in entry else None,
            histogram_upper_deg=entry.get("histogram_upper_deg"),
            thresholds_deg=tuple(entry.get("thresholds_deg", ())),
            accuracy_thresholds_deg=tuple(entry.get("accuracy_thresholds_deg", ())),
            mean_accuracy_thresholds_deg=tuple(entry.get("mean_accuracy_thresholds_deg", ())),
            pose_threshold=PoseThreshold(**entry["pose_threshold"]) if "pose_threshold" in entry else None,
            failure_deg=(rotation_deg, direction_deg),
            failure_specified=specified,
            raised_pairs=RaisedPairs(entry.get("raised_pairs", RaisedPairs.COUNTED)),
            nan=NanRule(entry["nan"]),
        )


@dataclass(frozen=True)
class MetricsSpec:
    """The whole contract.

    Attributes:
        version: Version of the contract; scores of different versions are not comparable.
        auc_thresholds_deg: Thresholds of the area under the recall curve.
        rotation_tolerance: Largest ||R'R - I||_F of a valid predicted rotation.
        worst_error_deg: What a failed, missing or invalid prediction costs in rotation and in direction.
        no_direction_deg: What a zero or non-finite predicted translation costs in direction.
        baseline_threshold_m: Metric baselines shorter than this have no meaningful direction.
        direction_sigma_limit_deg: Directions of unknown scale that are less certain than this have no meaning either.
        metrics: All metrics in words.
        conventions: The foreign conventions by name.
    """

    version: str
    auc_thresholds_deg: tuple[float, ...]
    rotation_tolerance: float
    worst_error_deg: float
    no_direction_deg: float
    baseline_threshold_m: float
    direction_sigma_limit_deg: float
    metrics: tuple[MetricDefinition, ...]
    conventions: Mapping[str, Convention]


@cache
def load_metrics_spec() -> MetricsSpec:
    """The specification that this version of avbench scores by."""
    with SPEC_PATH.open("rb") as file:
        data = tomllib.load(file)
    conventions = {name: Convention.of(name, entry) for name, entry in data["convention"].items()}
    return MetricsSpec(
        version=data["version"],
        auc_thresholds_deg=tuple(data["auc"]["thresholds_deg"]),
        rotation_tolerance=data["validity"]["rotation_tolerance"],
        worst_error_deg=data["failure"]["worst_error_deg"],
        no_direction_deg=data["failure"]["no_direction_deg"],
        baseline_threshold_m=data["direction"]["baseline_threshold_m"],
        direction_sigma_limit_deg=data["direction"]["sigma_limit_deg"],
        metrics=tuple(MetricDefinition(**entry) for entry in data["metric"]),
        conventions=MappingProxyType(conventions),
    )


def convention_table_row(convention: Convention) -> list[str]:
    """One line of the table of conventions, for help and documentation."""
    measures = []
    if convention.thresholds_deg:
        measures.append(f"AUC {convention.integrator} {_degrees(convention.thresholds_deg)}")
    if convention.accuracy_thresholds_deg:
        measures.append(f"accuracy of both {_degrees(convention.accuracy_thresholds_deg)}")
    if convention.mean_accuracy_thresholds_deg:
        measures.append(f"mean accuracy {_degrees(convention.mean_accuracy_thresholds_deg)}")
    if convention.pose_threshold is not None:
        limit = convention.pose_threshold
        measures.append(f"share and average precision {limit.metres:g} m, {limit.degrees:g}")
    sign = "folded" if convention.folded else "signed"
    direction = "in metres" if convention.direction is None else sign
    if convention.raised_pairs is RaisedPairs.LEFT_OUT:
        failed = "left out"
    elif not convention.failure_specified:
        failed = "no case"
    else:
        failed = "/".join(
            "never reached" if math.isinf(cost) else f"{cost:g}" for cost in dict.fromkeys(convention.failure_deg)
        )
    rotation = convention.rotation.replace("_", " ")
    return [convention.name, convention.relative_pose, direction, rotation, "; ".join(measures), failed]


def _degrees(thresholds_deg: tuple[float, ...]) -> str:
    return " ".join(f"{threshold:g}" for threshold in thresholds_deg)
