"""The specification of the metrics, read from `metrics_spec.toml` beside this module."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType

SPEC_PATH = Path(__file__).with_name("metrics_spec.toml")


class RelativePose(StrEnum):
    """Whose translation direction a convention compares."""

    T_A_B = "T_a_b"  # where camera b sits, seen from camera a
    T_B_A = "T_b_a"  # where camera a sits, seen from camera b


class Integrator(StrEnum):
    """How a convention turns errors into an area under the curve."""

    TRAPEZOID = "trapezoid"
    HISTOGRAM = "histogram"


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
        relative_pose: Whose translation direction is compared.
        folded: Whether a direction and its opposite count as equal.
        integrator: How the area under the curve is taken.
        thresholds_deg: Thresholds it is usually printed at.
        no_direction_deg: What a zero predicted translation costs.
        histogram_upper_deg: Upper edge of the histogram, None for the threshold itself.
    """

    name: str
    reference: str
    relative_pose: RelativePose
    folded: bool
    integrator: Integrator
    thresholds_deg: tuple[float, ...]
    no_direction_deg: float
    histogram_upper_deg: float | None = None


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
        metrics: All metrics in words.
        conventions: The foreign conventions by name.
    """

    version: str
    auc_thresholds_deg: tuple[float, ...]
    rotation_tolerance: float
    worst_error_deg: float
    no_direction_deg: float
    baseline_threshold_m: float
    metrics: tuple[MetricDefinition, ...]
    conventions: Mapping[str, Convention]


@cache
def load_metrics_spec() -> MetricsSpec:
    """The specification that this version of avbench scores by."""
    with SPEC_PATH.open("rb") as file:
        data = tomllib.load(file)
    conventions = {
        name: Convention(
            name=name,
            reference=entry["reference"],
            relative_pose=RelativePose(entry["relative_pose"]),
            folded=entry["folded"],
            integrator=Integrator(entry["integrator"]),
            thresholds_deg=tuple(entry["thresholds_deg"]),
            no_direction_deg=entry["no_direction_deg"],
            histogram_upper_deg=entry.get("histogram_upper_deg"),
        )
        for name, entry in data["convention"].items()
    }
    return MetricsSpec(
        version=data["version"],
        auc_thresholds_deg=tuple(data["auc"]["thresholds_deg"]),
        rotation_tolerance=data["validity"]["rotation_tolerance"],
        worst_error_deg=data["failure"]["worst_error_deg"],
        no_direction_deg=data["failure"]["no_direction_deg"],
        baseline_threshold_m=data["direction"]["baseline_threshold_m"],
        metrics=tuple(MetricDefinition(**entry) for entry in data["metric"]),
        conventions=MappingProxyType(conventions),
    )
