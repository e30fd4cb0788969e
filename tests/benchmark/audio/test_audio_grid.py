from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.audio.grid import (
    DirectionGrid,
    azimuth_elevation_deg,
    directions_in_camera,
    peak_azimuth_deg,
    unit_direction,
    wrap_deg,
    yaw_between_spectra_deg,
)
from avbench.preprocessing.base.geometry import axis_rotation, relative_pose


@pytest.mark.parametrize(
    ("azimuth", "elevation", "direction"),
    [
        (0, 0, [0, 0, 1]),  # ahead is +z
        (90, 0, [1, 0, 0]),  # right is +x
        (-90, 0, [-1, 0, 0]),
        (180, 0, [0, 0, -1]),
        (0, 90, [0, -1, 0]),  # up is -y
        (30, -30, [0.4330127, 0.5, 0.75]),
    ],
)
def test_the_convention(azimuth: float, elevation: float, direction: list[float]) -> None:
    np.testing.assert_allclose(unit_direction(azimuth, elevation), direction, atol=1e-7)


@given(st.floats(-179.9, 180.0), st.floats(-89.0, 89.0), st.floats(0.01, 100.0))
def test_angles_come_back(azimuth: float, elevation: float, length: float) -> None:
    back_azimuth, back_elevation = azimuth_elevation_deg(length * unit_direction(azimuth, elevation))
    assert wrap_deg(back_azimuth - azimuth) == pytest.approx(0.0, abs=1e-6)
    assert back_elevation == pytest.approx(elevation, abs=1e-6)


def test_wrap_keeps_180_and_turns_its_negative_round() -> None:
    np.testing.assert_allclose(wrap_deg([180, -180, 181, 540, -0.5, 360]), [180, 180, -179, 180, -0.5, 0])


def test_the_grid_runs_right_from_ahead() -> None:
    grid = DirectionGrid(4, (-30.0, 0.0))
    assert grid.shape == (2, 4)
    assert grid.directions.shape == (8, 3)
    np.testing.assert_allclose(grid.directions[4:], [[0, 0, 1], [1, 0, 0], [0, 0, -1], [-1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(grid.azimuth_deg, [0, 90, 180, 270])


@pytest.mark.parametrize("elevations", [(), (10.0, 0.0), (0.0, 91.0), (float("nan"),)])
def test_a_grid_with_nonsense_elevations_is_refused(elevations: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="elevation_deg must increase"):
        DirectionGrid(360, elevations)


def test_level_axes_undo_pitch_and_roll_and_keep_the_heading() -> None:
    grid = DirectionGrid(8, (0.0,))
    tilt = axis_rotation("x", 25.0) @ axis_rotation("z", -10.0)  # camera -> level
    up_camera = tilt.T @ [0.0, -1.0, 0.0]
    in_camera = directions_in_camera(grid, up_camera)
    # Level directions are horizontal, in the camera's own axes, ...
    np.testing.assert_allclose(in_camera @ up_camera, 0.0, atol=1e-12)
    # ... and the level forward is the camera's forward without its vertical part.
    forward = np.array([0.0, 0.0, 1.0]) - up_camera[2] * up_camera
    np.testing.assert_allclose(in_camera[0], forward / np.linalg.norm(forward), atol=1e-12)
    np.testing.assert_allclose(directions_in_camera(grid, None), grid.directions)


def test_peak_lies_between_bins_and_across_the_seam() -> None:
    angle = np.radians(np.arange(360.0))
    for true in (0.0, 0.4, 359.7, 179.6, 90.25):
        spectrum = np.cos(angle - np.radians(true))
        assert wrap_deg(peak_azimuth_deg(spectrum) - true) == pytest.approx(0.0, abs=1e-3)
    assert peak_azimuth_deg(np.ones(360)) == 0.0
    assert peak_azimuth_deg(np.zeros((3, 2, 360))).shape == (3, 2)


@given(st.floats(-179.0, 179.0), st.integers(0, 2**31))
def test_a_turn_to_the_right_moves_sounds_left_and_is_recovered(yaw: float, seed: int) -> None:
    """The spectrum is a smooth random function of the direction in the world; camera b is camera a turned by yaw."""
    rng = np.random.default_rng(seed)
    weights, phases = rng.standard_normal(4), rng.uniform(0, 2 * np.pi, 4)

    def world(azimuth_deg: np.ndarray) -> np.ndarray:
        harmonics = np.arange(1, 5)
        return np.cos(np.radians(azimuth_deg)[:, None] * harmonics + phases) @ weights

    T_world_b = np.eye(4)
    T_world_b[:3, :3] = axis_rotation("y", yaw)
    rotation_a_b = relative_pose(np.eye(4), T_world_b)[:3, :3]
    azimuths = np.arange(360.0)
    seen_in_a, _ = azimuth_elevation_deg(unit_direction(azimuths, 0.0) @ rotation_a_b.T)
    recovered = yaw_between_spectra_deg(world(azimuths), world(seen_in_a))
    assert wrap_deg(recovered - yaw) == pytest.approx(0.0, abs=0.1)
