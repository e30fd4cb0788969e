"""Corrupted vision: what happens to pictures, how strongly, and which suites of it there are.

`corrupt` and `corrupt_pair` are pure functions of (pair id, recipe, version, severity, frame) in integer arithmetic:
the same bytes on every machine, in every order. `check_golden` proves it where it runs.
"""

from avbench.benchmark.conditions.corruptions.golden import GoldenMismatch, check_golden, picture_hash
from avbench.benchmark.conditions.corruptions.recipes import (
    RECIPES,
    SEVERITIES,
    Corruption,
    Frame,
    Frames,
    Recipe,
    corrupt,
    corrupt_pair,
    frames_hit,
)
from avbench.benchmark.conditions.corruptions.suites import CLEAN, Condition, Suite, load_suite, suite_names

__all__ = [
    "CLEAN",
    "RECIPES",
    "SEVERITIES",
    "Condition",
    "Corruption",
    "Frame",
    "Frames",
    "GoldenMismatch",
    "Recipe",
    "Suite",
    "check_golden",
    "corrupt",
    "corrupt_pair",
    "frames_hit",
    "load_suite",
    "picture_hash",
    "suite_names",
]
