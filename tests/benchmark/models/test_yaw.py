"""Yaws of rotations, and evidence for yaws on a grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avbench.benchmark.models.learned.yaw import read_at, spread_on, turn_by, wrapped_deg, yaw_grid_deg, yaw_rad
from avbench.preprocessing.base.geometry import axis_rotation

GRID = yaw_grid_deg(70.0, 5.0)


@settings(deadline=None)  # the first call of torch takes its time
@given(st.floats(-179.0, 179.0), st.floats(-20.0, 20.0), st.floats(-20.0, 20.0))
def test_the_yaw_is_that_of_the_nearest_turn_about_the_vertical(yaw: float, pitch: float, roll: float) -> None:
    rotation = torch.tensor(axis_rotation("y", yaw) @ axis_rotation("x", pitch) @ axis_rotation("z", roll))[None]
    found = yaw_rad(rotation)
    # The trace of what is left is highest at the nearest one.
    step = torch.deg2rad(torch.tensor([0.0, 0.5, -0.5], dtype=torch.float64))
    left = (turn_by(-(found + step)) @ rotation).diagonal(dim1=1, dim2=2).sum(dim=-1)
    assert left[0] >= left[1:].max()


@pytest.mark.parametrize("yaw", [0.0, 35.0, -60.0, 179.0])
def test_a_turn_is_the_rotation_of_the_conventions_and_adds_to_the_yaw(yaw: float) -> None:
    turn = turn_by(torch.deg2rad(torch.tensor([yaw], dtype=torch.float64)))
    np.testing.assert_allclose(turn[0].numpy(), axis_rotation("y", yaw), atol=1e-12)
    tilted = torch.tensor(axis_rotation("y", 20.0) @ axis_rotation("x", 8.0))[None]
    added = torch.rad2deg(yaw_rad(turn @ tilted) - yaw_rad(tilted))
    assert float(wrapped_deg(added - yaw)) == pytest.approx(0.0, abs=1e-6)


def test_the_grid_is_symmetric_and_ends_at_the_largest() -> None:
    assert (len(GRID), float(GRID[0]), float(GRID[14]), float(GRID[-1])) == (29, -70.0, 0.0, 70.0)


def test_evidence_is_read_between_the_grid_and_held_beyond_it() -> None:
    evidence = (GRID.float() * 2.0)[None]
    read = read_at(evidence, GRID, torch.tensor([[2.5, -70.0, 70.0, 100.0, -500.0]]))
    assert read.tolist() == [[5.0, -140.0, 140.0, 140.0, -140.0]]


@settings(deadline=None)
@given(st.floats(-69.9, 69.9))
def test_a_yaw_spread_on_the_grid_keeps_its_mean(yaw: float) -> None:
    spread = spread_on(torch.tensor([yaw], dtype=torch.float64), GRID)
    assert float(spread.sum()) == pytest.approx(1.0)
    assert float((spread * GRID).sum()) == pytest.approx(yaw, abs=1e-9)
    assert int((spread > 0).sum()) <= 2


def test_a_yaw_beyond_the_grid_counts_as_its_end() -> None:
    spread = spread_on(torch.tensor([150.0, -71.0]), GRID)
    assert (int(spread[0].argmax()), int(spread[1].argmax())) == (28, 0)
    assert spread.sum(dim=-1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("angle", "wrapped"), [(190.0, -170.0), (-190.0, 170.0), (360.0, 0.0), (180.0, -180.0)])
def test_angles_are_wrapped(angle: float, wrapped: float) -> None:
    assert float(wrapped_deg(torch.tensor(angle))) == wrapped
