"""One simulated recording before it is written: everything drawn, pictures and sound on demand at any time.

Whole recordings and single training pairs come from here, through the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.base.structure import Count, Limits, NotNegative
from avbench.preprocessing.recording.recording import Camera
from avbench.preprocessing.simulate.pictures.render import Drawable, drawable, render_depth, render_picture
from avbench.preprocessing.simulate.scene.camera_motion import HeadMotion, draw_head_motion
from avbench.preprocessing.simulate.scene.furnish import (
    draw_boxes,
    draw_lights,
    draw_room,
    draw_room_size,
    draw_sources,
    set_exposure,
)
from avbench.preprocessing.simulate.scene.rigs import MicrophoneRig, RigKind, draw_rig
from avbench.preprocessing.simulate.scene.scene import Scene
from avbench.preprocessing.simulate.scene.seeds import stream
from avbench.preprocessing.simulate.sound.early_sound import EARLY_END_S, ArrayTrack, add_early_sound, signal_margin_s
from avbench.preprocessing.simulate.sound.moving_array import KNOT
from avbench.preprocessing.simulate.sound.room_acoustics import SPEED_OF_SOUND_M_S, Images, face_areas_m2, find_images
from avbench.preprocessing.simulate.sound.signals import make_signal
from avbench.preprocessing.simulate.sound.tail_sound import (
    DiffuseField,
    add_diffuse_sound,
    background_noise,
    draw_directions,
    tail_response,
)


class Configuration(StrEnum):
    """Kinds of recordings, each of which changes one thing of the first."""

    MAIN = "main"  # 7-microphone glasses, static sources, RT60 0.15-0.6 s
    RIGS = "rigs"  # 2, 4 and 8 microphones on glasses, phones and heads in turn
    MOVING = "moving"  # sources that move
    REVERBERANT = "reverberant"  # RT60 0.6-0.9 s


_RIG_ORDER = (RigKind.PHONE_2, RigKind.GLASSES_4, RigKind.HEAD_8, RigKind.HEAD_2, RigKind.PHONE_4)
_RT60_RANGE_S = {Configuration.REVERBERANT: (0.6, 0.9)}
_DEFAULT_RT60_RANGE_S = (0.15, 0.6)


_SIDE = Limits("1 to 16384 pixels", least=1, most=16384)


@dataclass(frozen=True)
class RecordingSettings:
    """What a recording is to be like; together with the code it determines every bit of it.

    Attributes:
        seed: Seed of the run.
        split: train, val or test: rooms, textures and signals of one split never occur in another. Empty: none of
            them, to be divided later.
        index: Number of the recording within its split and configuration; each has a room of its own.
        configuration: What is special about it.
        duration_s: Length.
        fps: Frames a second.
        width_px: Width of the pictures.
        height_px: Height of the pictures.
        sample_rate_hz: Of the sound.
        shutter_s: How long the shutter is open around each frame's time; 0 gives no motion blur.
    """

    seed: Count
    split: str
    index: Count
    configuration: Configuration = Configuration.MAIN
    duration_s: Annotated[float, Limits("0 to 86400 s", least=0, most=86400)] = 6.0
    fps: Annotated[int, Limits("1 to 1000", least=1, most=1000)] = 10
    width_px: Annotated[int, _SIDE] = 320
    height_px: Annotated[int, _SIDE] = 240
    sample_rate_hz: Annotated[int, Limits("1000 to 768000 Hz", least=1000, most=768000)] = 16000
    shutter_s: NotNegative = 0.0

    @property
    def name(self) -> str:
        """Name of the recording: configuration, split and number."""
        parts = [str(self.configuration), *([self.split] if self.split else []), f"{self.index:05d}"]
        return "_".join(parts)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return max(round(self.duration_s * self.fps), 2)

    @property
    def length_s(self) -> float:
        """Length of the recording, a whole number of frames."""
        return self.frames / self.fps

    @property
    def samples(self) -> int:
        """Samples of each channel."""
        return round(self.length_s * self.sample_rate_hz)


@dataclass(frozen=True)
class Recorder:
    """Levels of the sound.

    Attributes:
        gain: From sound pressure in units of a source of level 0 dB at 1 m to full scale.
        background: Root mean square of the background noise, full scale 1.
        sensor_noise: Root mean square of each microphone's own noise.
        snr_db: Both noises together below the expected level of the sources.
        source_lead_s: How long before the first frame the sources begin.
    """

    gain: float
    background: float
    sensor_noise: float
    snr_db: float
    source_lead_s: float


@dataclass(frozen=True, eq=False)
class _Noises:
    """The noises of a stretch of sound.

    Attributes:
        start_sample: First sample of the stretch.
        first_signal_sample: Sample of the signals at which the background begins.
        background: (directions, N) background noise that comes from each direction of the diffuse field.
        sensor: (channels, samples) noise of each microphone.
    """

    start_sample: int
    first_signal_sample: int
    background: NDArray[np.float32]
    sensor: NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """A recording's room, camera, motion, microphones and sources.

    Attributes:
        settings: What was asked for.
        scene: The room and what is in it.
        motion: The camera's way.
        camera: Its intrinsics.
        rig: The microphones.
        recorder: Levels of the sound.
    """

    settings: RecordingSettings
    scene: Scene
    motion: HeadMotion
    camera: Camera
    rig: MicrophoneRig
    recorder: Recorder

    @cached_property
    def packed(self) -> Drawable:
        """The scene ready for drawing."""
        return drawable(self.scene)

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        return self.settings.width_px, self.settings.height_px

    def picture(self, time_s: float) -> NDArray[np.uint8]:
        """The picture (height, width, 3) at a time."""
        shutter = self.settings.shutter_s
        if shutter == 0.0:
            return render_picture(self.packed, self.motion.poses(time_s), self.camera.matrix, self.size_px)
        # As many exposures as keep the picture from moving by more than a pixel or so between them.
        ends = self.motion.poses(np.array([time_s - 0.5 * shutter, time_s + 0.5 * shutter]))
        turn = np.linalg.norm(ends[1, :3, :3] - ends[0, :3, :3]) / np.sqrt(2.0)
        exposures = int(np.clip(np.ceil(turn * self.camera.fx_px), 2, 24))
        times = time_s + shutter * ((np.arange(exposures) + 0.5) / exposures - 0.5)
        return render_picture(self.packed, self.motion.poses(times), self.camera.matrix, self.size_px)

    def depth(self, time_s: float) -> NDArray[np.float32]:
        """Depth (height, width) in metres along the optical axis at a time."""
        return render_depth(self.packed, self.motion.poses(time_s), self.camera.matrix, self.size_px)

    @property
    def _signal_samples(self) -> int:
        rate = self.settings.sample_rate_hz
        return round((self.recorder.source_lead_s + self.settings.length_s + 0.1) * rate) + 2 * KNOT

    @cached_property
    def _signals(self) -> list[NDArray[np.float32]]:
        """Signals of the sources as they sound at 1 m, from `source_lead_s` before the first frame to after the end."""
        signals = []
        for number, source in enumerate(self.scene.sources):
            rng = self._stream("signal", number)
            signal = make_signal(source.kind, rng, self._signal_samples, self.settings.sample_rate_hz)
            signals.append(signal * np.float32(10.0 ** (source.level_db / 20.0)))
        return signals

    @cached_property
    def _images(self) -> list[Images]:
        head = self.motion.poses(np.linspace(0.0, self.settings.length_s, 60))[:, :3, 3]
        times = np.linspace(-EARLY_END_S, self.settings.length_s, 60)
        reach = EARLY_END_S * SPEED_OF_SOUND_M_S + 0.3
        room = self.scene.room
        return [
            find_images(room.size_m, room.absorption, source.position_m(times), head, reach)
            for source in self.scene.sources
        ]

    @cached_property
    def _field(self) -> DiffuseField:
        rt60 = np.array(self.scene.room.rt60_s)
        rate = self.settings.sample_rate_hz
        return DiffuseField(
            directions=draw_directions(self._stream("tail directions")),
            centre_m=self.motion.poses(0.5 * self.settings.length_s)[:3, 3],
            responses=tuple(
                tail_response(self._stream("tail", number), images, rt60, rate)
                for number, images in enumerate(self._images)
            ),
        )

    def sound(self, start_sample: int, samples: int) -> NDArray[np.int16]:
        """Samples [start_sample, start_sample + samples) of all channels, (samples, channels).

        The noises belong to the stretch asked for; everything else is the same in overlapping stretches.
        """
        track = self.track(start_sample / self.settings.sample_rate_hz, samples)
        return self._heard(track, start_sample, self._noises(start_sample, samples))[:samples]

    def still_sound(self, start_sample: int, samples: int, time_s: float) -> NDArray[np.int16]:
        """Samples as `sound` gives them, had the array stood still all the while where it is at `time_s`.

        The sources play on, in the same room, at the same gain, and the noises are those of the whole recording: where
        the array does not move, this is the recording itself.
        """
        # Moving sources pass along knots too: from a knot of the recording on, they are the same ones.
        skipped = start_sample % KNOT
        first, count = start_sample - skipped, samples + skipped
        track = self.track(first / self.settings.sample_rate_hz, count, still_at_s=time_s)
        return self._heard(track, first, self._recording_noises)[skipped:count]

    def _heard(self, track: ArrayTrack, start_sample: int, noises: _Noises) -> NDArray[np.int16]:
        """What the microphones pick up along a track that begins at a sample, (track.samples, channels)."""
        rate = self.settings.sample_rate_hz
        first, last = self._signal_range(start_sample, track.samples)
        parts = [signal[first:last] * np.float32(self.recorder.gain) for signal in self._signals]
        parts_start_s = (first - self._lead_samples) / rate
        out = np.zeros((len(self.rig.mic_positions_m), track.samples), dtype=np.float32)
        for source, part, images in zip(self.scene.sources, parts, self._images, strict=True):
            add_early_sound(out, track, source, part, parts_start_s, images)
        background = noises.background[:, first - noises.first_signal_sample :][:, : last - first]
        add_diffuse_sound(out, track, self._field, parts, parts_start_s, background)
        out += noises.sensor[:, start_sample - noises.start_sample :][:, : track.samples]
        scaled = np.clip(np.rint(out.T * 32768.0), -32768, 32767)
        return np.ascontiguousarray(scaled, dtype=np.int16)

    @property
    def _lead_samples(self) -> int:
        return round(self.recorder.source_lead_s * self.settings.sample_rate_hz)

    def _signal_range(self, start_sample: int, samples: int) -> tuple[int, int]:
        """First sample and end of the part of the signals that is heard in a stretch of whole knot intervals."""
        rate = self.settings.sample_rate_hz
        # A tail and the margins of the filters before the stretch, the margins after it.
        margin = round(signal_margin_s(rate) * rate) + 256
        tail = max((response.shape[1] for response in self._field.responses), default=0)
        start = self._lead_samples + start_sample
        return max(start - tail - 3 * margin - rate // 10, 0), min(start + samples + margin, self._signal_samples)

    def _noises(self, start_sample: int, samples: int) -> _Noises:
        """Draw the noises of a stretch."""
        whole = -(-samples // KNOT) * KNOT
        first, last = self._signal_range(start_sample, whole)
        background = background_noise(
            self._stream("background", start_sample), last - first, self.settings.sample_rate_hz
        )
        sensor = self._stream("sensor noise", start_sample).standard_normal(
            (len(self.rig.mic_positions_m), whole), dtype=np.float32
        )
        return _Noises(
            start_sample=start_sample,
            first_signal_sample=first,
            background=background * np.float32(self.recorder.background),
            sensor=np.float32(self.recorder.sensor_noise) * sensor,
        )

    @cached_property
    def _recording_noises(self) -> _Noises:
        return self._noises(0, self.settings.samples)

    def track(self, start_s: float, samples: int, *, still_at_s: float | None = None) -> ArrayTrack:
        """Where the microphones are from a time on, for so many samples and the rest of the last knot interval.

        Args:
            start_s: Time of the first sample.
            samples: How many.
            still_at_s: If given, they stay where they are at this time.
        """
        intervals = -(-samples // KNOT)
        rate = self.settings.sample_rate_hz
        time_s = start_s + np.arange(intervals + 1) * (KNOT / rate)
        poses = self.motion.poses(time_s if still_at_s is None else np.full(intervals + 1, still_at_s))
        R, t = poses[:, :3, :3], poses[:, :3, 3]
        head = self.rig.head_centre_m
        return ArrayTrack(
            start_s=start_s,
            samples=intervals * KNOT,
            sample_rate_hz=rate,
            mics_m=np.einsum("kij,mj->kmi", R, self.rig.mic_positions_m) + t[:, None],
            head_m=None if head is None else R @ head + t,
            head_radius_m=self.rig.head_radius_m,
        )

    def _stream(self, *name: str | int) -> np.random.Generator:
        settings = self.settings
        return stream(settings.seed, str(settings.configuration), settings.split, settings.index, *name)


def make_world(settings: RecordingSettings) -> World:
    """Draw everything a recording needs."""
    seed, split, index = settings.seed, settings.split, settings.index
    configuration = settings.configuration

    def rng(*name: str | int) -> np.random.Generator:
        return stream(seed, str(configuration), split, index, *name)

    room_rng = rng("room")
    size = draw_room_size(room_rng)
    room = draw_room(room_rng, size, _RT60_RANGE_S.get(configuration, _DEFAULT_RT60_RANGE_S))
    motion = draw_head_motion(rng("motion"), size, settings.length_s)
    path = motion.poses(np.linspace(0.0, settings.length_s, 40))
    lights, ambient = draw_lights(rng("lights"), size)
    scene = Scene(
        seed=seed,
        split=split,
        room=room,
        boxes=draw_boxes(rng("boxes"), size, path[:, :3, 3]),
        lights=lights,
        ambient=ambient,
        exposure=1.0,
        sources=draw_sources(rng("sources"), size, path[:, :3, 3], moving=configuration is Configuration.MOVING),
    )
    camera_rng = rng("camera")
    camera = _draw_camera(camera_rng, settings)
    scene = set_exposure(scene, path[::8], camera.matrix, target=camera_rng.uniform(85.0, 140.0))
    kind = _RIG_ORDER[index % len(_RIG_ORDER)] if configuration is Configuration.RIGS else RigKind.GLASSES_7
    return World(
        settings=settings,
        scene=scene,
        motion=motion,
        camera=camera,
        rig=draw_rig(rng("rig"), kind),
        recorder=_draw_recorder(rng("recorder"), scene, path[:, :3, 3]),
    )


def _draw_camera(rng: np.random.Generator, settings: RecordingSettings) -> Camera:
    width, height = settings.width_px, settings.height_px
    field_of_view = np.radians(rng.uniform(92.0, 104.0))
    focal = 0.5 * width / np.tan(0.5 * field_of_view)
    # A real camera's principal point is not exactly in the middle.
    shift = rng.normal(0.0, 0.005, 2) * width
    return Camera(
        width_px=width,
        height_px=height,
        fx_px=float(focal),
        fy_px=float(focal),
        cx_px=float(0.5 * (width - 1) + shift[0]),
        cy_px=float(0.5 * (height - 1) + shift[1]),
    )


def _draw_recorder(rng: np.random.Generator, scene: Scene, path_m: FloatArray) -> Recorder:
    room = scene.room
    areas = face_areas_m2(room.size_m)
    mean_absorption = float((areas @ np.array(room.absorption)).mean() / areas.sum())
    # Direct and reverberant power at the mean distance (Beranek 1954), in units of that at 1 m in the free field.
    reverberant = 16.0 * np.pi * (1.0 - mean_absorption) / (areas.sum() * mean_absorption)
    expected = 0.0
    for source in scene.sources:
        squared_distance = float(np.square(path_m - np.array(source.centre_m)).sum(axis=-1).mean())
        expected += 10.0 ** (source.level_db / 10.0) * (1.0 / squared_distance + reverberant)
    level = 10.0 ** (rng.uniform(-36.0, -26.0) / 20.0)
    snr_db = rng.uniform(12.0, 30.0)
    noise = level * 10.0 ** (-snr_db / 20.0)
    diffuse_share = rng.uniform(0.2, 0.8)
    return Recorder(
        gain=float(level / np.sqrt(expected)),
        background=float(noise * np.sqrt(diffuse_share)),
        sensor_noise=float(noise * np.sqrt(1.0 - diffuse_share)),
        snr_db=float(snr_db),
        source_lead_s=max(room.rt60_s) + 0.3,
    )
