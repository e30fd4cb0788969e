"""Head-like camera motion: six smooth degrees of freedom, mostly yaw, with the bob of walking.

The yaw of a pair of frames 0.5 to 3 s apart has a standard deviation of about 28 degrees, and the wearer walks
roughly where he looks (the direction of travel differs from that of the gaze by 45 degrees or so), at 0.2 to 0.7 m/s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation, make_transform
from avbench.preprocessing.simulate.scene.seeds import Generator
from avbench.preprocessing.simulate.scene.smooth_noise import SmoothNoise

YAW_SIGMA_DEG = 24.5
YAW_BAND_HZ = (0.05, 0.55)
PITCH_SIGMA_DEG = 6.0
ROLL_SIGMA_DEG = 3.0
TRAVEL_SIGMA_DEG = 35.0
"""Spread of the direction of travel around that of the gaze within a recording; as much again between recordings."""

UP_NOISE_DEG = 1.0
"""Root mean square angle between the stored up vector and the true one."""

_PATH_STEP_S = 0.01
_BRISK_M_S, _BRISK_STEPS_HZ = 1.2, 1.9  # a brisk walk; the rate of steps goes as the root of the speed


@dataclass(frozen=True, eq=False)
class HeadMotion:
    """A camera's way through a room, as functions of time in seconds from the first frame.

    Attributes:
        duration_s: Length of the recording; the functions hold from a little before 0 to a little after it.
        path_m: Horizontal position (x, y) and steps taken, as a spline over time.
        height_m: Mean height of the camera.
        yaw0_deg: Mean heading, counter-clockwise from the world's x axis.
        pitch0_deg: Mean pitch, upward positive.
        yaw_deg: Turning of the head around `yaw0_deg`.
        pitch_deg: Nodding around `pitch0_deg`.
        roll_deg: Tilting.
        bob_m: Amplitude of the vertical bob at a brisk walk.
        up_noise_deg: Two tilts of the measured up vector.
    """

    duration_s: float
    path_m: CubicSpline
    height_m: float
    yaw0_deg: float
    pitch0_deg: float
    yaw_deg: SmoothNoise
    pitch_deg: SmoothNoise
    roll_deg: SmoothNoise
    bob_m: float
    up_noise_deg: tuple[SmoothNoise, SmoothNoise]

    def poses(self, time_s: ArrayLike) -> FloatArray:
        """Camera-to-world transforms (..., 4, 4) at times (...)."""
        time = np.asarray(time_s, dtype=np.float64)
        x, y, steps = np.moveaxis(self.path_m(time), -1, 0)
        step_phase = 2.0 * np.pi * steps
        # The bob grows with the rate of steps; sway to the side has half its frequency.
        briskness = np.asarray(self.path_m(time, 1))[..., 2] / _BRISK_STEPS_HZ
        heading = np.radians(self.yaw0_deg + self.yaw_deg(time))
        sway = 0.6 * self.bob_m * briskness * np.sin(0.5 * step_phase)
        x = x + sway * np.sin(heading)
        y = y - sway * np.cos(heading)
        z = self.height_m + self.bob_m * briskness * np.cos(step_phase)
        pitch = self.pitch0_deg + self.pitch_deg(time) + 0.6 * briskness * np.sin(step_phase)
        rotation = (
            level_rotation(np.degrees(heading)) @ axis_rotation("x", pitch) @ axis_rotation("z", self.roll_deg(time))
        )
        return make_transform(rotation, np.stack([x, y, z], axis=-1))

    def measured_up(self, time_s: ArrayLike) -> FloatArray:
        """Up vectors (..., 3) in camera axes as a device would measure them, with an error of `UP_NOISE_DEG`."""
        time = np.asarray(time_s, dtype=np.float64)
        up = np.swapaxes(self.poses(time)[..., :3, :3], -1, -2)[..., :, 2]
        tilt = axis_rotation("x", self.up_noise_deg[0](time)) @ axis_rotation("z", self.up_noise_deg[1](time))
        return np.asarray((tilt @ up[..., None])[..., 0], dtype=np.float64)


def level_rotation(yaw_deg: ArrayLike) -> FloatArray:
    """Rotations (..., 3, 3) from camera to world of a level camera that looks to `yaw_deg` (...)."""
    yaw = np.radians(np.asarray(yaw_deg, dtype=np.float64))
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    right = np.stack([np.sin(yaw), -np.cos(yaw), zero], axis=-1)
    down = np.stack([zero, zero, -one], axis=-1)
    forward = np.stack([np.cos(yaw), np.sin(yaw), zero], axis=-1)
    return np.stack([right, down, forward], axis=-1)


def draw_head_motion(
    rng: Generator, room_size_m: tuple[float, float, float], duration_s: float, margin_m: float = 0.5
) -> HeadMotion:
    """Draw a walk that stays inside a room.

    Args:
        rng: Source of randomness.
        room_size_m: Size of the room along x, y and z.
        duration_s: Length of the recording.
        margin_m: Smallest distance of the path from the walls.
    """
    yaw = SmoothNoise.draw(rng, YAW_SIGMA_DEG, YAW_BAND_HZ)
    time = np.arange(-0.1, duration_s + 0.1 + 0.5 * _PATH_STEP_S, _PATH_STEP_S)
    free = np.array(room_size_m[:2]) - 2.0 * margin_m
    # Walks are drawn until one fits. A walk that fits nowhere is slowed down, so that the loop ends.
    speed_scale = 1.0
    while True:
        speed = rng.uniform(0.3, 0.6) * np.exp(SmoothNoise.draw(rng, 0.35, (0.1, 0.5))(time)) * speed_scale
        yaw0 = rng.uniform(-180.0, 180.0)
        travel = yaw0 + yaw(time) + rng.normal(0.0, TRAVEL_SIGMA_DEG)
        travel = np.radians(travel + SmoothNoise.draw(rng, TRAVEL_SIGMA_DEG, (0.04, 0.25))(time))
        steps_hz = _BRISK_STEPS_HZ * np.sqrt(speed / _BRISK_M_S)
        velocity = np.stack([speed * np.cos(travel), speed * np.sin(travel), steps_hz], axis=-1)
        path = np.cumsum(velocity, axis=0) * _PATH_STEP_S
        low, high = path[:, :2].min(axis=0), path[:, :2].max(axis=0)
        if np.all(high - low <= free):
            break
        speed_scale *= 0.97
    path[:, :2] += margin_m - low + rng.uniform(0.0, 1.0, 2) * (free - (high - low))
    path[:, 2] += rng.uniform()
    tilt_sigma = UP_NOISE_DEG / np.sqrt(2.0)
    return HeadMotion(
        duration_s=duration_s,
        path_m=CubicSpline(time, path),
        height_m=min(rng.uniform(1.45, 1.75), room_size_m[2] - 0.6),
        yaw0_deg=yaw0,
        pitch0_deg=rng.normal(-5.0, 4.0),
        yaw_deg=yaw,
        pitch_deg=SmoothNoise.draw(rng, PITCH_SIGMA_DEG, (0.1, 0.8)),
        roll_deg=SmoothNoise.draw(rng, ROLL_SIGMA_DEG, (0.1, 0.8)),
        bob_m=rng.uniform(0.01, 0.025),
        up_noise_deg=(
            SmoothNoise.draw(rng, tilt_sigma, (0.2, 2.0)),
            SmoothNoise.draw(rng, tilt_sigma, (0.2, 2.0)),
        ),
    )
