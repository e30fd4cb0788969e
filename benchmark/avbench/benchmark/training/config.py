"""What a training run is to be: frozen settings, presets, and a TOML file that changes single ones.

    seed = 1
    heads = ["vision", "fusion", "fusion-shuffled"]

    [vision.schedule]
    epochs = 30

    [sound.encoder]
    use_embedding = false

Every key is a field of the classes below; one that is not is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast

from avbench.benchmark.models.backbones.reloc3r import DEFAULT_IMAGE_SIZE
from avbench.benchmark.models.backbones.reloc3r_network import Reloc3rConfig
from avbench.benchmark.models.backbones.tiny import STRIDE, TinyConfig
from avbench.benchmark.models.learned.binaural_pretraining import EMBEDDING_SIZE, BinauralConfig
from avbench.benchmark.models.learned.bundle import BackboneKind
from avbench.benchmark.models.learned.encoder import SoundConfig
from avbench.benchmark.models.learned.inputs import MAP_SETTINGS, MAPS
from avbench.benchmark.training.loop import Schedule
from avbench.benchmark.training.precision import Precision
from avbench.preprocessing.base.documents import read_toml
from avbench.preprocessing.base.errors import InputError, did_you_mean


class ModelName(StrEnum):
    """What can be trained."""

    VISION = "vision"
    AUDIO = "audio"
    FUSION = "fusion"
    FUSION_LATE = "fusion-late"


class HeadName(StrEnum):
    """Heads; those that end in -shuffled always hear another pair's sound, and must not gain from it."""

    VISION = "vision"
    FUSION = "fusion"
    FUSION_LATE = "fusion-late"
    FUSION_SHUFFLED = "fusion-shuffled"
    FUSION_LATE_SHUFFLED = "fusion-late-shuffled"

    @property
    def listens(self) -> bool:
        """Whether it is given sound."""
        return self is not HeadName.VISION

    @property
    def is_late(self) -> bool:
        """Whether it is of the published design."""
        return self in {HeadName.FUSION_LATE, HeadName.FUSION_LATE_SHUFFLED}

    @property
    def is_control(self) -> bool:
        """Whether it always hears another pair's sound."""
        return self.endswith("-shuffled")

    @property
    def answers(self) -> str:
        """The model that it answers for."""
        return self.removesuffix("-shuffled")


DEFAULT_HEADS: Mapping[ModelName, tuple[HeadName, ...]] = {
    ModelName.VISION: (HeadName.VISION,),
    ModelName.AUDIO: (),
    ModelName.FUSION: (HeadName.VISION, HeadName.FUSION, HeadName.FUSION_LATE),
    ModelName.FUSION_LATE: (HeadName.VISION, HeadName.FUSION_LATE),
}
"""Heads that a model is trained with; `vision` among them, on the same pairs, so that there is something to compare."""


_VISION_SCHEDULE = Schedule(epochs=17, batch_size=32, learning_rate=2e-3, precision=Precision.BFLOAT16)
# Half the width of the module's own default: a quarter of the time, and weights small enough to ship.
_BINAURAL_NETWORK = BinauralConfig(width=8)
_BINAURAL_SCHEDULE = Schedule(epochs=10, batch_size=32, learning_rate=1e-3, weight_decay=1e-2)
_SOUND_SCHEDULE = Schedule(epochs=15, batch_size=64, learning_rate=2e-3, precision=Precision.BFLOAT16)
_HEAD_SCHEDULE = Schedule(epochs=40, batch_size=256, learning_rate=2e-3)


@dataclass(frozen=True)
class VisionSettings:
    """The backbone `tiny`, and how it is trained."""

    network: TinyConfig = field(default_factory=TinyConfig)
    schedule: Schedule = _VISION_SCHEDULE

    def __post_init__(self) -> None:
        if self.network.width_px % STRIDE or self.network.height_px % STRIDE:
            raise ValueError(f"width_px and height_px must be multiples of {STRIDE}")
        channels: tuple[int, ...] = self.network.channels  # a file may name fewer or more
        if len(channels) != 3 or any(width < 1 or width % 8 for width in channels):
            raise ValueError("channels must be three multiples of 8")


@dataclass(frozen=True)
class Reloc3rSettings:
    """The backbone `reloc3r`, which stays as it is: sizes of the network, and of its pictures."""

    network: Reloc3rConfig = field(default_factory=Reloc3rConfig)
    width_px: int = DEFAULT_IMAGE_SIZE[0]
    height_px: int = DEFAULT_IMAGE_SIZE[1]

    def __post_init__(self) -> None:
        patch = self.network.patch_size
        if self.width_px % patch or self.height_px % patch or self.width_px < self.height_px:
            raise ValueError(f"width_px and height_px must be multiples of {patch}, width_px not below height_px")


@dataclass(frozen=True)
class BinauralSettings:
    """The binaural network, how it is pre-trained, and on how many pairs at most."""

    network: BinauralConfig = _BINAURAL_NETWORK
    schedule: Schedule = _BINAURAL_SCHEDULE
    most_pairs: int = 4000

    def __post_init__(self) -> None:
        if self.network.width < 4 or self.network.width % 4 or self.network.n_fft // 2 % 2**self.network.levels:
            raise ValueError("width must be a multiple of 4, n_fft / 2 one of 2**levels")
        if self.most_pairs < 1:
            raise ValueError("most_pairs must be at least 1")


@dataclass(frozen=True)
class SoundSettings:
    """The sound encoder, and how it is trained."""

    encoder: SoundConfig = field(default_factory=SoundConfig)
    schedule: Schedule = _SOUND_SCHEDULE

    def __post_init__(self) -> None:
        if not (self.encoder.use_directions or self.encoder.use_embedding):
            raise ValueError("the encoder needs use_directions, use_embedding, or both")
        fixed = (self.encoder.maps, self.encoder.azimuths, self.encoder.embedding_dim)
        if fixed != (MAPS, MAP_SETTINGS.grid.azimuth_bins, EMBEDDING_SIZE):
            raise ValueError("maps, azimuths and embedding_dim are those of the features and cannot be chosen")
        if self.encoder.map_channels < 8 or self.encoder.map_channels % 8:
            raise ValueError("map_channels must be a multiple of 8")


@dataclass(frozen=True)
class HeadSettings:
    """Sizes of the heads, how they are trained, and from which seeds; further seeds get bundles of their own."""

    hidden_dim: int = 96
    late_sound_dims: tuple[int, ...] = (256, 192)
    late_hidden_dims: tuple[int, ...] = (320, 320, 320, 256)
    schedule: Schedule = _HEAD_SCHEDULE
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise ValueError("seeds must be different numbers from 0 on, at least one")


@dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Attributes:
        seed: Of the encoders.
        heads: Which heads are trained; empty for those of the model (`DEFAULT_HEADS`).
        use_up: Whether up vectors are used, in training and later.
        forget_up_share: Share of the training pairs that are treated as if they had no up.
        encoder_share: Share of the training pairs that train encoders; the rest trains heads.
        half: Whether weights are stored in float16. Encoders are rounded to it before heads are trained on them.
        vision: The backbone `tiny`.
        reloc3r: The backbone `reloc3r`.
        binaural: The binaural network.
        sound: The sound encoder.
        head: The heads.
    """

    seed: int = 0
    heads: tuple[HeadName, ...] = ()
    use_up: bool = True
    forget_up_share: float = 0.1
    encoder_share: float = 0.7
    half: bool = True
    vision: VisionSettings = field(default_factory=VisionSettings)
    reloc3r: Reloc3rSettings = field(default_factory=Reloc3rSettings)
    binaural: BinauralSettings = field(default_factory=BinauralSettings)
    sound: SoundSettings = field(default_factory=SoundSettings)
    head: HeadSettings = field(default_factory=HeadSettings)

    def __post_init__(self) -> None:
        if self.seed < 0 or not 0.0 <= self.forget_up_share < 1.0 or not 0.0 < self.encoder_share < 1.0:
            raise ValueError("seed must be at least 0, forget_up_share from 0 to below 1, encoder_share inside 0 to 1")

    def with_epochs(self, epochs: int) -> TrainConfig:
        """These settings with another number of epochs in every stage."""
        return self._with_schedules(lambda schedule: replace(schedule, epochs=epochs))

    def without_bfloat16(self) -> TrainConfig:
        """These settings with every stage in float32."""
        return self._with_schedules(lambda schedule: replace(schedule, precision=Precision.FLOAT32))

    def _with_schedules(self, change: Callable[[Schedule], Schedule]) -> TrainConfig:
        stages = {
            name: replace(part, schedule=change(part.schedule))
            for name, part in (
                ("vision", self.vision),
                ("binaural", self.binaural),
                ("sound", self.sound),
                ("head", self.head),
            )
        }
        return replace(self, **cast("dict[str, Any]", stages))

    def heads_of(self, model: ModelName) -> tuple[HeadName, ...]:
        """The heads that a run of a model trains, in a fixed order."""
        wanted = self.heads or DEFAULT_HEADS[model]
        return tuple(name for name in HeadName if name in wanted)


@dataclass(frozen=True)
class ModelChoice:
    """A model and its backbone, as in `fusion:reloc3r`."""

    name: ModelName
    backbone: BackboneKind = BackboneKind.TINY

    def __str__(self) -> str:
        return self.name if self.backbone is BackboneKind.TINY else f"{self.name}:{self.backbone}"


STANDARD = TrainConfig()
"""What a user's models are trained with."""

_GATED_HEADS = (HeadName.VISION, HeadName.FUSION)
SHIPPED = replace(STANDARD, heads=(*_GATED_HEADS, HeadName.FUSION_LATE, HeadName.FUSION_SHUFFLED))
"""What the shipped models are trained with: the standard ones and the control."""
VARIANTS: Mapping[str, TrainConfig] = {
    "directions": replace(
        STANDARD, heads=_GATED_HEADS, sound=replace(STANDARD.sound, encoder=SoundConfig(use_embedding=False))
    ),
    "embedding": replace(
        STANDARD, heads=_GATED_HEADS, sound=replace(STANDARD.sound, encoder=SoundConfig(use_directions=False))
    ),
    "no-up": replace(STANDARD, heads=_GATED_HEADS, use_up=False, forget_up_share=0.0),
    "head-seed-1": replace(STANDARD, heads=_GATED_HEADS, head=HeadSettings(seeds=(1,))),
    "head-seed-2": replace(STANDARD, heads=_GATED_HEADS, head=HeadSettings(seeds=(2,))),
    "large": replace(
        STANDARD,
        vision=VisionSettings(TinyConfig(width_px=224, height_px=168), replace(_VISION_SCHEDULE, batch_size=128)),
        binaural=replace(STANDARD.binaural, most_pairs=40_000),
    ),
}
"""The standard models without a part (sound by directions alone, by binaural embedding alone, all without up), with
heads of other seeds, and with larger pictures for a GPU and ten times the data."""

_SMOKE_SCHEDULE = Schedule(epochs=2, batch_size=4, learning_rate=1e-3, save_every_steps=1)
SMOKE = TrainConfig(
    vision=VisionSettings(
        TinyConfig(width_px=64, height_px=48, channels=(8, 8, 16), trunk_channels=16, feature_dim=32), _SMOKE_SCHEDULE
    ),
    reloc3r=Reloc3rSettings(
        Reloc3rConfig(
            patch_size=8,
            enc_embed_dim=32,
            enc_depth=1,
            enc_num_heads=2,
            dec_embed_dim=16,
            dec_depth=1,
            dec_num_heads=1,
        ),
        width_px=64,
        height_px=48,
    ),
    binaural=BinauralSettings(
        BinauralConfig(sample_rate_hz=8000, duration_s=0.5, n_fft=128, hop=64, width=4, levels=3), _SMOKE_SCHEDULE, 64
    ),
    sound=SoundSettings(SoundConfig(frame_channels=8, map_channels=8, feature_dim=16), _SMOKE_SCHEDULE),
    head=HeadSettings(16, (16,), (16, 16), _SMOKE_SCHEDULE),
)
"""Tiny networks and two epochs: whether everything runs, not how well."""

PRESETS: Mapping[str, TrainConfig] = {"standard": STANDARD, "shipped": SHIPPED, **VARIANTS, "smoke": SMOKE}

_Settings = TypeVar("_Settings")


def parse_model(text: str) -> ModelChoice:
    """Read `NAME` or `NAME:reloc3r`.

    Raises:
        InputError: There is no such model or backbone, or `audio` was given one.
    """
    name, colon, backbone = text.partition(":")
    try:
        choice = ModelChoice(ModelName(name), BackboneKind(backbone) if colon else BackboneKind.TINY)
    except ValueError:
        choice = None
    if choice is None or (choice.name is ModelName.AUDIO and colon):
        raise InputError(
            f"model {text!r}",
            found="nothing that can be trained",
            expected=f"one of {', '.join(ModelName)}, all but audio also as NAME:reloc3r",
        )
    return choice


def flat_settings(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings of nested tables under dotted names, as in `vision.schedule.epochs`."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        flat |= flat_settings(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def chosen_config(
    preset: str, path: Path | None = None, *, epochs: int | None = None, seed: int | None = None
) -> TrainConfig:
    """The settings of a preset with changes.

    Args:
        preset: Name of the preset.
        path: TOML file of settings to change, None for none.
        epochs: Number of epochs of every stage, None for the settings' own.
        seed: Seed of the encoders and, where there is one head, of the head; None for the settings' own.

    Raises:
        InputError: The file is missing or no TOML, names something unknown, or holds a value of the wrong kind.
    """
    config = PRESETS[preset]
    if path is not None:
        config = read_config(path, config)
    if epochs is not None:
        config = config.with_epochs(epochs)
    if seed is not None:
        seeds = (seed,) if len(config.head.seeds) == 1 else config.head.seeds
        config = replace(config, seed=seed, head=replace(config.head, seeds=seeds))
    return config


def read_config(path: Path, base: TrainConfig) -> TrainConfig:
    """Settings of a TOML file over others.

    Raises:
        InputError: The file is missing or no TOML, names something unknown, or holds a value of the wrong kind.
    """
    table: dict[str, Any] = read_toml(path, dict, expected="a TOML file of training settings")
    return changed(base, table, str(path))


def changed(settings: _Settings, table: Mapping[str, Any], where: str) -> _Settings:
    """Settings (a frozen dataclass) with the values of a table.

    Raises:
        InputError: A key is unknown, or a value of the wrong kind or out of range.
    """
    names = [one.name for one in fields(cast("Any", settings))]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in names:
            raise InputError(
                f"{where}: {key}",
                found="an unknown setting",
                expected=f"one of {', '.join(names)}",
                hint=did_you_mean(key, names),
            )
        values[key] = _value(getattr(settings, key), value, f"{where}: {key}")
    try:
        return replace(cast("Any", settings), **values)  # type: ignore[no-any-return]
    except ValueError as error:
        raise InputError(where, found=f"{', '.join(values)} out of range", expected=str(error)) from error


def _value(current: object, value: object, where: str) -> object:
    if is_dataclass(current) and not isinstance(current, type):
        if not isinstance(value, Mapping):
            raise InputError(where, found=repr(value), expected="a table")
        return changed(current, value, where)
    if isinstance(current, bool):
        kinds: tuple[type, ...] = (bool,)
    elif isinstance(current, float):
        kinds = (float, int)
    elif isinstance(current, tuple):
        kinds = (list,)
    else:
        kinds = (str,) if isinstance(current, str) else (int,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = {float: "a number", int: "a whole number", bool: "true or false", list: "a list", str: "a text"}
        raise InputError(where, found=repr(value), expected=names[kinds[0]])
    if isinstance(current, tuple):
        assert isinstance(value, list)  # noqa: S101 - checked above
        # An empty tuple can only be that of heads.
        example: object = current[0] if current else HeadName.VISION
        return tuple(_value(example, one, where) for one in value)
    if isinstance(current, StrEnum):
        try:
            return type(current)(str(value))
        except ValueError as error:
            raise InputError(where, found=repr(value), expected=f"one of {', '.join(type(current))}") from error
    return float(value) if isinstance(current, float) and isinstance(value, int) else value
