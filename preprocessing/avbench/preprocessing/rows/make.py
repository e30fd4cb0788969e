"""One pair of frames to one row of the schema: pictures, clips, label, up vectors and strata.

Frames are decoded once each, in order of time, and forgotten as soon as their last pair is out, so a recording of any
length needs the memory of a few seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, relative_pose, rotation_angle_deg
from avbench.preprocessing.format.picture import PictureFormat, brightness, decode_picture, encode_picture, sharpness
from avbench.preprocessing.format.sound_clip import cut_clip, encode_clip, level_dbfs
from avbench.preprocessing.media.rectify import Rectification, plan_rectification
from avbench.preprocessing.recording.recording import (
    AmbisonicConvention,
    ArrayKind,
    Camera,
    ErrorHandler,
    Frame,
    Recording,
    Rig,
    Scale,
    SoundSource,
    UpSource,
)
from avbench.preprocessing.recording.trajectory import PosesAt, interpolate
from avbench.preprocessing.rows.choose import Moments

UNASSIGNED_SPLIT = "unassigned"
"""The split of a row until all recordings are known."""

LEAST_VALID_SHARE = 0.5
"""A clip of which less than this lies within the recording's sound counts as missing."""

_FEW_FRAMES = 0.05  # share of the frames that may lie in gaps between poses without a word
_NO_SPACING_S = 5.0  # nobody samples poses so rarely
_OVERLAP_GRID = 64  # rays a side: the share is exact to about half a per cent


class AudioMode(StrEnum):
    """What to do about frames without sound."""

    REQUIRED = "required"  # they make no pairs
    OPTIONAL = "optional"  # their sound is null


@dataclass(frozen=True)
class RowSettings:
    """How rows are made.

    Attributes:
        audio: What to do about frames without sound.
        allow_partial_audio: Keep clips of which less than half is within the recording's sound.
        clip_seconds: Length of a clip.
        size_px: Longer side of the stored pictures.
        picture: How pictures are stored.
        quality: JPEG quality from 1 to 100.
        max_pose_gap_s: Poses further apart than this are not interpolated between.
        pose_tolerance_s: A frame this little outside the trajectory takes its first or last pose.

    Raises:
        InputError: A value makes no sense.
    """

    audio: AudioMode = AudioMode.REQUIRED
    allow_partial_audio: bool = False
    clip_seconds: float = 1.0
    size_px: int = 512
    picture: PictureFormat = PictureFormat.JPEG
    quality: int = 95
    max_pose_gap_s: float = 0.1
    pose_tolerance_s: float = 0.005

    def __post_init__(self) -> None:
        checks = (
            ("clip length", f"{self.clip_seconds:g} s", 0.0 < self.clip_seconds <= 60.0, "above 0 and up to 60 s"),
            ("picture size", f"{self.size_px} px", 16 <= self.size_px <= 16384, "16 to 16384 px"),
            ("quality", str(self.quality), 1 <= self.quality <= 100, "1 to 100"),
            ("gap between poses", f"{self.max_pose_gap_s:g} s", 0.0 < self.max_pose_gap_s < 1e6, "above 0"),
            ("pose tolerance", f"{self.pose_tolerance_s:g} s", 0.0 <= self.pose_tolerance_s < 1e6, "0 or more"),
        )
        for where, found, good, expected in checks:
            if not good:
                raise InputError(where, found=found, expected=expected)


def poses_of_frames(recording: Recording, settings: RowSettings) -> PosesAt:
    """Poses of all frames of a recording, by interpolation of its trajectory."""
    return interpolate(
        recording.trajectory,
        recording.frames.time_ns,
        max_gap_ns=round(settings.max_pose_gap_s * 1e9),
        tolerance_ns=round(settings.pose_tolerance_s * 1e9),
    )


def pose_gap_notes(recording: Recording, settings: RowSettings) -> list[str]:
    """Notes on frames that have no pose because poses are further apart than is bridged."""
    known, asked = recording.trajectory.time_ns, recording.frames.time_ns
    piece = recording.trajectory.segment
    inside = asked[(asked >= known[0]) & (asked <= known[-1])]
    after = np.searchsorted(known, inside, side="left")
    before = np.maximum(after - 1, 0)
    gap_s = np.where(known[after] == inside, 0, known[after] - known[before]) / 1e9
    lost = gap_s > settings.max_pose_gap_s
    if piece is not None:
        lost &= piece[before] == piece[after]
    if lost.sum() <= _FEW_FRAMES * len(asked):
        return []
    typical_s = float(np.median(gap_s[lost]))
    hint = f"--max-pose-gap {typical_s * 1.05:.2g} bridges most of them"
    if typical_s > _NO_SPACING_S:
        hint = "check trajectory.time_unit in the rig file"
    apart = f"poses there are {typical_s:.3g} s apart and {settings.max_pose_gap_s:g} s are bridged"
    return [f"{int(lost.sum())} of {len(asked)} frames have no pose, since {apart}; {hint}"]


def moments_of(recording: Recording, poses: PosesAt, settings: RowSettings) -> Moments:
    """What pair sampling needs to know of a recording's frames.

    Raises:
        InputError: Sound is required and the recording has none.
    """
    time_ns = recording.frames.time_ns
    if recording.sound is None and settings.audio is AudioMode.REQUIRED:
        raise InputError(
            recording.recording_id,
            found="no sound",
            expected="a recording with sound",
            hint="give --audio optional to prepare it without",
        )
    has_sound = np.ones(len(time_ns), dtype=bool)
    if recording.sound is not None and settings.audio is AudioMode.REQUIRED:
        has_sound = sound_is_enough(recording.sound, time_ns, settings)
    return Moments(
        time_ns=time_ns,
        T_world_camera=poses.T_world_camera,
        has_pose=poses.valid,
        segment=poses.segment,
        has_sound=has_sound,
        scale=recording.trajectory.scale,
        position_sigma=recording.trajectory.position_sigma_m,
    )


def sound_is_enough(sound: SoundSource, time_ns: NDArray[np.int64], settings: RowSettings) -> NDArray[np.bool_]:
    """Whether clips centred on `time_ns` (N,) have enough sound in them, to within one sample."""
    length = round(settings.clip_seconds * sound.sample_rate_hz)
    centre = (time_ns - sound.start_ns).astype(np.float64) * float(sound.clock_rate_hz / 10**9)
    valid = np.minimum(centre + length / 2, sound.samples) - np.maximum(centre - length / 2, 0.0)
    if settings.allow_partial_audio:
        return np.asarray(valid >= 1.0)
    return np.asarray(valid >= LEAST_VALID_SHARE * length - 1.0)


@dataclass(frozen=True)
class _View:
    """What a row says about one of its two frames; made once for all pairs of the frame."""

    time_ns: int
    image: bytes
    sharpness: float
    brightness: float
    clip: bytes | None = None
    valid_start: int | None = None
    valid_stop: int | None = None
    level_dbfs: float | None = None


def pair_rows(
    recording: Recording,
    poses: PosesAt,
    indices: NDArray[np.int64],
    settings: RowSettings,
    *,
    on_error: ErrorHandler | None = None,
) -> Iterator[dict[str, Any]]:
    """Make the rows of the chosen pairs, in their order.

    Args:
        recording: The recording.
        poses: Poses of all its frames.
        indices: (K, 2) frames a and b of each pair, a before b, sorted by b and then a.
        settings: How to make them.
        on_error: Called with the error of a frame or a clip that cannot be read; pairs of such a frame are left out.
            None raises the error.

    Yields:
        Rows of the schema; the split is `UNASSIGNED_SPLIT`.

    Raises:
        InputError: A frame or its sound cannot be read, or the microphones do not fit the channels.
    """
    if len(indices) == 0:
        return
    _check_microphones(recording)
    rectification = plan_rectification(recording.camera, settings.size_px)
    ups = _up_vectors(recording, poses, settings)
    last_use = {int(frame): int(b) for b, a in zip(indices[:, 1], indices[:, 0], strict=True) for frame in (a, b)}
    views: dict[int, _View] = {}
    waiting = [(int(a), int(b)) for a, b in indices]
    done = 0
    index_at = {int(recording.frames.time_ns[index]): index for index in last_use}
    for frame in recording.frames.read(sorted(last_use), on_error=on_error):
        index = index_at[frame.time_ns]
        try:
            views[index] = _view(recording, frame, rectification, settings)
        except InputError as error:
            if on_error is None:
                raise
            on_error(error)
        # Pairs whose second frame was passed over can never come.
        while done < len(waiting) and waiting[done][1] <= index:
            a, b = waiting[done]
            if a in views and b in views:
                yield _row(recording, poses, ups, rectification.camera, (a, b), (views[a], views[b]))
            done += 1
        views = {kept: view for kept, view in views.items() if last_use[kept] > index}


def _check_microphones(recording: Recording) -> None:
    positions = recording.rig.mic_positions_m if recording.rig is not None else None
    if recording.sound is not None and positions is not None and len(positions) != recording.sound.channels:
        raise InputError(
            f"{recording.recording_id}: microphone positions",
            found=f"{len(positions)} positions for {recording.sound.channels} channels",
            expected="one position for every channel, in channel order",
        )


def _view(recording: Recording, frame: Frame, rectification: Rectification, settings: RowSettings) -> _View:
    picture = rectification.apply(frame.image)
    camera = rectification.camera
    if picture.shape != (camera.height_px, camera.width_px, 3):
        raise RuntimeError(f"rectified to {picture.shape}, planned {camera.height_px} x {camera.width_px}")
    image = encode_picture(picture, settings.picture, settings.quality)
    # What a row says of a picture is said of the stored one, so that anyone can compute it again.
    stored = decode_picture(image, recording.recording_id)
    view = _View(int(frame.time_ns), image, sharpness(stored), brightness(stored))
    sound = recording.sound
    if sound is None or not sound_is_enough(sound, np.array([frame.time_ns], dtype=np.int64), settings)[0]:
        return view
    clip = cut_clip(sound, view.time_ns, settings.clip_seconds)
    return replace(
        view,
        clip=encode_clip(clip.samples, clip.sample_rate_hz, clip.sample_format),
        valid_start=clip.valid_start,
        valid_stop=clip.valid_stop,
        # Padding is no silence of the scene, so it does not count.
        level_dbfs=level_dbfs(clip.samples[clip.valid_start : clip.valid_stop], clip.sample_format),
    )


def _row(
    recording: Recording,
    poses: PosesAt,
    ups: tuple[FloatArray, UpSource] | None,
    camera: Camera,
    pair: tuple[int, int],
    views: tuple[_View, _View],
) -> dict[str, Any]:
    (a, b), (view_a, view_b) = pair, views
    trajectory = recording.trajectory
    T_a_b = relative_pose(poses.T_world_camera[a], poses.T_world_camera[b])
    rotation_a_b, translation_a_b = T_a_b[:3, :3], T_a_b[:3, 3]
    if trajectory.scale is Scale.ROTATION_ONLY:
        translation_a_b = np.zeros(3)
    baseline = float(np.linalg.norm(translation_a_b))
    has_direction = trajectory.scale is not Scale.ROTATION_ONLY
    up_a, up_b, up_source = _up_of_pair(ups, a, b)
    sounding = view_a.clip is not None or view_b.clip is not None
    return {
        "pair_id": f"{recording.recording_id}:{view_a.time_ns}-{view_b.time_ns}",
        "recording_id": recording.recording_id,
        "group_id": recording.group_id,
        "split": UNASSIGNED_SPLIT,
        "source": recording.source,
        "licence": recording.licence,
        "time_a_ns": view_a.time_ns,
        "time_b_ns": view_b.time_ns,
        "image_a": _encoded(view_a.image),
        "image_b": _encoded(view_b.image),
        "width_px": camera.width_px,
        "height_px": camera.height_px,
        "fx_px": camera.fx_px,
        "fy_px": camera.fy_px,
        "cx_px": camera.cx_px,
        "cy_px": camera.cy_px,
        "audio_a": _encoded(view_a.clip),
        "audio_b": _encoded(view_b.clip),
        **_sound_columns(recording, present=sounding),
        "audio_valid_start_a": view_a.valid_start,
        "audio_valid_stop_a": view_a.valid_stop,
        "audio_valid_start_b": view_b.valid_start,
        "audio_valid_stop_b": view_b.valid_stop,
        "level_a_dbfs": view_a.level_dbfs,
        "level_b_dbfs": view_b.level_dbfs,
        "up_a": up_a,
        "up_b": up_b,
        "up_source": up_source,
        "rotation_a_b": rotation_a_b.tolist(),
        "translation_a_b_m": translation_a_b.tolist(),
        "scale": str(trajectory.scale),
        "pose_source": trajectory.pose_source,
        "pose_sigma_deg": trajectory.pose_sigma_deg,
        "direction_sigma_deg": direction_sigma_deg(trajectory.position_sigma_m, baseline if has_direction else None),
        "rotation_deg": float(rotation_angle_deg(rotation_a_b)),
        "baseline_m": baseline if trajectory.scale is Scale.METRIC else None,
        "view_overlap": view_overlap(rotation_a_b, camera),
        "pose_quality": None if poses.quality is None else float(min(poses.quality[a], poses.quality[b])),
        "gap_s": (view_b.time_ns - view_a.time_ns) / 1e9,
        "sharpness_a": view_a.sharpness,
        "sharpness_b": view_b.sharpness,
        "brightness_a": view_a.brightness,
        "brightness_b": view_b.brightness,
    }


def _encoded(data: bytes | None) -> dict[str, Any] | None:
    return None if data is None else {"bytes": data, "path": None}


def _sound_columns(recording: Recording, *, present: bool) -> dict[str, Any]:
    sound, rig = recording.sound, recording.rig
    if sound is None or not present:
        return dict.fromkeys(
            (
                "audio_sample_rate_hz",
                "audio_channels",
                "array_kind",
                "ambisonic_convention",
                "mic_positions_m",
                "sync_offset_ms",
                "sync_sigma_ms",
            )
        )
    # Without a rig all that is known is the number of channels; two are what a camera calls stereo.
    kind = rig.array_kind if rig is not None else ArrayKind.STEREO if sound.channels == 2 else ArrayKind.MICROPHONES
    positions = rig.mic_positions_m if rig is not None else None
    return {
        "audio_sample_rate_hz": sound.sample_rate_hz,
        "audio_channels": sound.channels,
        "array_kind": str(kind),
        "ambisonic_convention": _ambisonic_convention(kind, rig),
        "mic_positions_m": None if positions is None else np.asarray(positions, dtype=np.float64).tolist(),
        "sync_offset_ms": recording.sync_offset_ns / 1e6,
        "sync_sigma_ms": None if recording.sync_sigma_ns is None else recording.sync_sigma_ns / 1e6,
    }


def _ambisonic_convention(kind: ArrayKind, rig: Rig | None) -> str | None:
    if kind is not ArrayKind.AMBISONIC:
        return None
    stated = None if rig is None else rig.ambisonic_convention
    return str(stated or AmbisonicConvention.ACN_SN3D)


def direction_sigma_deg(position_sigma: float | None, baseline: float | None) -> float | None:
    """Standard uncertainty of the direction of a baseline whose ends are uncertain by `position_sigma`.

    The angle that the uncertainty covers at the baseline's end, atan2(sigma, baseline): sigma / baseline for long
    baselines, 90 degrees (nothing is known) for none. Both lengths are in the same unit, whichever it is. None where
    either is unknown.
    """
    if position_sigma is None or baseline is None:
        return None
    return float(np.degrees(np.arctan2(position_sigma, baseline))) if position_sigma > 0.0 else 0.0


def view_overlap(rotation_a_b: ArrayLike, camera: Camera) -> float:
    """Share of picture a's pixels that picture b also shows, for a scene so far away that translation does not matter.

    A grid of 64 x 64 rays through picture a is turned into the axes of camera b and projected. It is computed from the
    true rotation alone, so it is derived from the label; near things overlap less.

    Args:
        rotation_a_b: (3, 3) maps directions of camera b into camera a.
        camera: The pinhole of both pictures.

    Returns:
        From 0 to 1.
    """
    steps = (np.arange(_OVERLAP_GRID) + 0.5) / _OVERLAP_GRID
    # Pixel centres are whole numbers, so that the picture reaches from -0.5 to width - 0.5.
    u, v = np.meshgrid(steps * camera.width_px - 0.5, steps * camera.height_px - 0.5)
    rays_a = np.stack([(u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px, np.ones_like(u)], axis=-1)
    rays_b = rays_a @ np.asarray(rotation_a_b, dtype=np.float64)  # row vectors: the transpose, which is b from a
    ahead = rays_b[..., 2] > 1e-9
    depth = np.where(ahead, rays_b[..., 2], 1.0)
    u_b = camera.fx_px * rays_b[..., 0] / depth + camera.cx_px
    v_b = camera.fy_px * rays_b[..., 1] / depth + camera.cy_px
    inside = (u_b >= -0.5) & (u_b < camera.width_px - 0.5) & (v_b >= -0.5) & (v_b < camera.height_px - 0.5)
    return float(np.mean(ahead & inside))


def _up_vectors(recording: Recording, poses: PosesAt, settings: RowSettings) -> tuple[FloatArray, UpSource] | None:
    """Up (N, 3) in the axes of each frame's camera, NaN where unknown, and where it comes from."""
    if recording.up_camera is not None:
        times, vectors = recording.up_camera
        up = interpolate_directions(
            times,
            vectors,
            recording.frames.time_ns,
            max_gap_ns=round(settings.max_pose_gap_s * 1e9),
            tolerance_ns=round(settings.pose_tolerance_s * 1e9),
        )
        return up, recording.up_source or UpSource.IMU
    up_world = recording.trajectory.up_world
    if up_world is None:
        return None
    unit = np.asarray(up_world, dtype=np.float64) / np.linalg.norm(up_world)
    # v @ R is R' v: from world axes into the camera's.
    up = np.where(poses.valid[:, None], unit @ poses.T_world_camera[:, :3, :3], np.nan)
    return up, recording.up_source or UpSource.TRAJECTORY


def _up_of_pair(
    ups: tuple[FloatArray, UpSource] | None, a: int, b: int
) -> tuple[list[float] | None, list[float] | None, str | None]:
    """Both up vectors, or neither: a model that compares them can do nothing with one."""
    if ups is None:
        return None, None, None
    vectors, source = ups
    if not np.isfinite(vectors[[a, b]]).all():
        return None, None, None
    return vectors[a].tolist(), vectors[b].tolist(), str(source)


def interpolate_directions(
    time_ns: NDArray[np.int64], vectors: FloatArray, at_ns: NDArray[np.int64], *, max_gap_ns: int, tolerance_ns: int
) -> FloatArray:
    """Unit vectors at other times: linear between neighbours, then normalised; the same rules as for poses.

    Args:
        time_ns: (N,) strictly increasing.
        vectors: (N, 3), of any length but zero.
        at_ns: (M,) the times asked for.
        max_gap_ns: Neighbours further apart are not interpolated between.
        tolerance_ns: Times this little outside take the first or last vector.

    Returns:
        (M, 3) unit vectors, NaN where there is none.
    """
    result = np.full((len(at_ns), 3), np.nan)
    if len(time_ns) == 0:
        return result
    right = np.clip(np.searchsorted(time_ns, at_ns, side="left"), 0, len(time_ns) - 1)
    left = np.where(time_ns[right] > at_ns, np.maximum(right - 1, 0), right)
    gap = time_ns[right] - time_ns[left]
    inside = np.clip(at_ns, time_ns[0], time_ns[-1])
    usable = (gap <= max_gap_ns) & (np.abs(inside - at_ns) <= tolerance_ns)
    weight = ((inside - time_ns[left]) / np.maximum(gap, 1))[:, None]
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    mixed = (1.0 - weight) * unit[left] + weight * unit[right]
    length = np.linalg.norm(mixed, axis=-1, keepdims=True)
    usable &= length[:, 0] > 1e-9
    result[usable] = mixed[usable] / length[usable]
    return result
