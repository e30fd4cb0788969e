"""What a recording is, whatever layout it was read from: frames and sound by time, a trajectory, a rig.

Readers in `avbench.preprocessing.sources` turn raw layouts into `Recording`s; everything after them sees only this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray

if TYPE_CHECKING:
    from avbench.preprocessing.recording.pose_convention import PoseStatement


class Scale(StrEnum):
    """What the translation of a trajectory means."""

    METRIC = "metric"  # metres
    UNKNOWN = "unknown"  # directions are right, lengths are not (structure from motion)
    ROTATION_ONLY = "rotation_only"  # there is no translation


class ArrayKind(StrEnum):
    """What the channels of the sound are."""

    MICROPHONES = "microphones"  # capsules at known or unknown positions
    BINAURAL = "binaural"  # left and right ear
    STEREO = "stereo"  # left and right of a camera, geometry unknown
    AMBISONIC = "ambisonic"  # first-order B-format


class AmbisonicConvention(StrEnum):
    """Order and normalisation of ambisonic channels; the axes are x forward, y left, z up."""

    ACN_SN3D = "acn_sn3d"  # W Y Z X, all of gain 1 along an axis: AmbiX, the default
    ACN_N3D = "acn_n3d"  # W Y Z X, W weaker than the others by the root of 3
    FUMA = "fuma"  # W X Y Z, W weaker by the root of 2: Furse-Malham, the older B-format


class UpSource(StrEnum):
    """Where the up vectors come from."""

    IMU = "imu"  # accelerometer or gravity estimate of the device
    TRAJECTORY = "trajectory"  # the trajectory's world has a known up axis
    SIMULATED = "simulated"


class Distortion(StrEnum):
    """Lens models that can be rectified to a pinhole."""

    NONE = "none"
    BROWN_CONRADY = "brown_conrady"  # k1 k2 p1 p2 [k3 [k4 k5 k6]], OpenCV's order
    KANNALA_BRANDT = "kannala_brandt"  # k1 k2 k3 k4, OpenCV's fisheye model
    FISHEYE624 = "fisheye624"  # Aria: 6 radial, 2 tangential, 4 thin-prism


@dataclass(frozen=True)
class Camera:
    """Intrinsics of the frames as a `FrameSource` delivers them, before rectification.

    Attributes:
        width_px: Image width.
        height_px: Image height.
        fx_px: Focal length along x.
        fy_px: Focal length along y.
        cx_px: Principal point, x; the centre of the top left pixel is (0, 0).
        cy_px: Principal point, y.
        distortion: Lens model.
        coefficients: Its coefficients, in the model's order.
        quarter_turns_cw: Clockwise quarter turns that bring a delivered frame upright (Aria's sensor lies on its side).
            Rectification turns the picture; poses, up and microphones are in upright camera axes.
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: Distortion = Distortion.NONE
    coefficients: tuple[float, ...] = ()
    quarter_turns_cw: int = 0

    @property
    def matrix(self) -> FloatArray:
        """The 3x3 calibration matrix K."""
        return np.array([[self.fx_px, 0.0, self.cx_px], [0.0, self.fy_px, self.cy_px], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Rig:
    """The microphones, and what else is fixed to the camera.

    Attributes:
        array_kind: What the channels are.
        mic_positions_m: (channels, 3) in the axes of the upright camera, metres; None where unknown.
        ambisonic_convention: Order and normalisation of ambisonic channels; None for other kinds.
    """

    array_kind: ArrayKind
    mic_positions_m: FloatArray | None = None
    ambisonic_convention: AmbisonicConvention | None = None


@dataclass(frozen=True)
class Trajectory:
    """Camera poses over time.

    Attributes:
        time_ns: (N,) strictly increasing, on the recording's clock.
        T_world_camera: (N, 4, 4) camera-to-world.
        scale: What the translation means.
        pose_source: How the poses were made ("mps_closed_loop", "sfm", "gpmf_orientation", "simulated", ...).
        pose_sigma_deg: Standard uncertainty of a relative rotation about each axis, None where unknown.
        position_sigma_m: Standard uncertainty of a relative position over a pair, along one axis, None where unknown;
            where the scale is unknown, in the trajectory's own unit like the positions.
        up_world: (3,) the direction against gravity in world axes, None where unknown.
        segment: (N,) number of the piece of trajectory a pose belongs to, where a source restarts its origin
            (Aria's graph_uid and session_uid): poses of different pieces are not comparable. None: one piece.
        quality: (N,) the source's own quality score from 0 to 1, or None.
    """

    time_ns: NDArray[np.int64]
    T_world_camera: FloatArray
    scale: Scale
    pose_source: str
    pose_sigma_deg: float | None = None
    position_sigma_m: float | None = None
    up_world: FloatArray | None = None
    segment: NDArray[np.int64] | None = None
    quality: FloatArray | None = None


class SampleFormat(StrEnum):
    """How samples are stored; the members are what a clip can be without losing a bit."""

    INT16 = "int16"
    INT24 = "int24"  # carried in int32 with the lowest 8 bits zero, as soundfile does
    INT32 = "int32"
    FLOAT32 = "float32"


DTYPE_OF_FORMAT = {
    SampleFormat.INT16: "int16",
    SampleFormat.INT24: "int32",
    SampleFormat.INT32: "int32",
    SampleFormat.FLOAT32: "float32",
}
"""NumPy's type of the samples of each format."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame: RGB of shape (height, width, 3), uint8, with its presentation time."""

    time_ns: int
    image: NDArray[np.uint8]


ErrorHandler = Callable[[InputError], None]
"""Called with the error of a frame that cannot be decoded; the frame is then left out."""


class FrameSource(Protocol):
    """Pictures of a recording, found by presentation time stamp."""

    @property
    def time_ns(self) -> NDArray[np.int64]:
        """(N,) strictly increasing presentation times of all frames, on the recording's clock."""
        ...

    def read(self, indices: Sequence[int], *, on_error: ErrorHandler | None = None) -> Iterator[Frame]:
        """Decode the frames of the given increasing indices into `time_ns`.

        Args:
            indices: Which frames.
            on_error: Called with the error of a frame that cannot be decoded, which is then left out; None raises it.

        Raises:
            InputError: A frame cannot be decoded and there is no `on_error`.
        """
        ...


class SoundSource(Protocol):
    """Sound of a recording, all channels."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second, as clips state them."""
        ...

    @property
    def clock_rate_hz(self) -> Fraction:
        """Samples a second of the recording's clock; sample i is heard at start_ns + i / clock_rate_hz."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    @property
    def sample_format(self) -> SampleFormat:
        """What the samples are."""
        ...

    @property
    def start_ns(self) -> int:
        """Time of the first sample on the recording's clock."""
        ...

    @property
    def samples(self) -> int:
        """Number of samples a channel."""
        ...

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Samples [start, stop) of all channels, (stop - start, channels), int16, int32 or float32."""
        ...


def sound_stop_ns(sound: SoundSource) -> int:
    """Time at which a sound ends on the recording's clock."""
    return sound.start_ns + int(sound.samples * 10**9 / sound.clock_rate_hz)


@dataclass(frozen=True)
class Recording:
    """One recording, opened.

    Attributes:
        recording_id: Unique within a run.
        group_id: What a split must not cut: place, take or wearer.
        source: The layout and device ("folder", "aria_gen2", ...).
        licence: SPDX identifier or name of the licence of the recording.
        frames: The pictures.
        sound: The sound, None where there is none.
        camera: Intrinsics before rectification.
        rig: The microphones; None where there is no sound.
        trajectory: The poses.
        up_source: Where up vectors come from, None where up is unknown.
        up_camera: ((N,) times, (N, 3) up in camera axes) where the device measures up itself; otherwise up comes from
            the trajectory's `up_world`.
        split: The split the source itself asks for, None to let `prepare` choose by group.
        sync_offset_ns: What was added to the sound's own times to bring them onto the recording's clock.
        sync_sigma_ns: Standard uncertainty of that, None where unknown.
        poses_stated: What was stated of the poses, None where they are camera-to-world by their kind.
        notes: Lines a user should see about this recording.
    """

    recording_id: str
    group_id: str
    source: str
    licence: str
    frames: FrameSource
    sound: SoundSource | None
    camera: Camera
    rig: Rig | None
    trajectory: Trajectory
    up_source: UpSource | None = None
    up_camera: tuple[NDArray[np.int64], FloatArray] | None = None
    split: str | None = None
    sync_offset_ns: int = 0
    sync_sigma_ns: int | None = None
    poses_stated: PoseStatement | None = None
    notes: tuple[str, ...] = field(default=())
