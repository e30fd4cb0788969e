"""Batches of a split as torch tensors, read by worker processes, whole row groups at a time.

Rows that lie together are read together, which is what makes shuffled reading fast: the order of the row groups is
drawn anew every epoch, and rows are drawn from a buffer of several groups. Every channel of the sound is kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from avbench.benchmark.data.dataset import Allocate, EncodedPair, PairDataset, RowGroup
from avbench.benchmark.data.pair import Modality, PairInput, PairLabel, SoundClip
from avbench.preprocessing.base.errors import InputError

Batch: TypeAlias = dict[str, Any]
"""Tensors and lists by name, see `PairBatches`."""

_BUFFER_GROUPS = 4  # 32 to 64 rows: enough to part neighbours, about 100 MB of encoded rows at most


@dataclass(frozen=True)
class LoaderSettings:
    """How a split is read.

    Attributes:
        split: The split.
        modalities: What is read and decoded; the rest is left out of the batches.
        batch_size: Pairs a batch.
        shuffle: Whether pairs come in an order drawn anew every epoch.
        seed: Where drawing starts; seed, epoch and number of workers determine the order.
        labels: Whether labels are in the batches.
        drop_last: Whether a last batch of fewer pairs is left out.
    """

    split: str
    modalities: frozenset[Modality]
    batch_size: int
    shuffle: bool
    seed: int
    labels: bool
    drop_last: bool


class PairBatches(IterableDataset[Batch]):
    """The batches of a split, each worker process making its own share of them.

    A batch is a dictionary. With N pairs, H x W pictures, C channels and S samples it holds:

    - `pair_id`: list of N strings;
    - `image_a`, `image_b`: uint8 (N, 3, H, W), RGB, with vision;
    - `intrinsics`: float64 (N, 3, 3), pixels;
    - `sound_a`, `sound_b`: float32 (N, C, S), full scale 1, with audio; None without sound in the pair;
    - `sound_valid_a`, `sound_valid_b`: int64 (N, 2), first sample that is not padding and one past the last;
    - `sample_rate_hz`: int64 (N,); `mic_positions_m`: float64 (N, C, 3), camera axes, NaN where unknown;
    - `up_a`, `up_b`: float64 (N, 3), camera axes, NaN where unknown, with up;
    - `rotation_a_b`: float64 (N, 3, 3), `translation_a_b_m`: float64 (N, 3), `scale`: list of N strings, with labels.

    Pictures and sound are views of memory in the order of the files, pixel by pixel and sample by sample;
    `contiguous()` copies them where that matters. Where pairs of a batch differ in size, the entry is a list of N
    tensors (None without sound) instead.
    """

    def __init__(self, dataset: PairDataset, settings: LoaderSettings) -> None:
        self.dataset = dataset
        self.settings = settings
        self.epoch = -1
        self.groups = dataset.row_groups(settings.split)
        # Labels are read once, as scoring reads them: everything that they are read from is verified.
        self.labels = _Labels.of(dataset.labels(settings.split)) if settings.labels else None

    def __len__(self) -> int:
        """Number of batches if one process reads them; each further one may add a batch that is not full."""
        pairs = sum(group.rows for group in self.groups)
        whole, rest = divmod(pairs, self.settings.batch_size)
        return whole + (1 if rest and not self.settings.drop_last else 0)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of this process's share."""
        worker = get_worker_info()
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        generator = np.random.default_rng((self.settings.seed, max(self.epoch, 0)))
        order = generator.permutation(len(self.groups)) if self.settings.shuffle else np.arange(len(self.groups))
        mine = [self.groups[index] for index in order[number::count]]
        waiting: list[tuple[int, EncodedPair]] = []
        for row in self._rows(mine, np.random.default_rng((self.settings.seed, max(self.epoch, 0), number))):
            waiting.append(row)
            if len(waiting) == self.settings.batch_size:
                yield self._batch(waiting)
                waiting = []
        if waiting and not self.settings.drop_last:
            yield self._batch(waiting)

    def _batch(self, rows: Sequence[tuple[int, EncodedPair]]) -> Batch:
        memory = _BatchMemory(len(rows))
        pairs = [pair.decode(memory.of_row(place)) for place, (_, pair) in enumerate(rows)]
        batch = collate(pairs, self.settings.modalities, memory.whole())
        return batch if self.labels is None else batch | self.labels.batch([number for number, _ in rows])

    def _rows(self, groups: Sequence[RowGroup], generator: np.random.Generator) -> Iterator[tuple[int, EncodedPair]]:
        """Pairs with their numbers in the split."""
        ahead = _BUFFER_GROUPS if self.settings.shuffle else 1
        for start in range(0, len(groups), ahead):
            rows = [
                row
                for group in groups[start : start + ahead]
                for row in enumerate(self.dataset.encoded_group(group, self.settings.modalities), start=group.first)
            ]
            if self.settings.shuffle:
                rows = [rows[index] for index in generator.permutation(len(rows))]
            yield from rows


class PairLoader(DataLoader[Batch]):
    """A torch loader over `PairBatches`, whose order is drawn anew every time it is gone through."""

    dataset: PairBatches

    def __iter__(self) -> Any:
        """Go through the next epoch."""
        self.dataset.epoch += 1
        return super().__iter__()

    def set_epoch(self, epoch: int) -> None:
        """Make `epoch` (from 0) the one that is gone through next."""
        self.dataset.epoch = epoch - 1


def pair_loader(
    dataset: PairDataset,
    split: str,
    *,
    batch_size: int = 32,
    shuffle: bool = False,
    workers: int = 0,
    seed: int = 0,
    modalities: Collection[Modality] = tuple(Modality),
    labels: bool = True,
    drop_last: bool = False,
    **options: Any,
) -> PairLoader:
    """A torch loader for a split; see `PairBatches` for what its batches hold.

    Args:
        dataset: The data set.
        split: The split.
        batch_size: Pairs a batch.
        shuffle: Whether the order is drawn anew every epoch.
        workers: Worker processes; 0 reads in this one.
        seed: Where drawing starts.
        modalities: What is read and decoded.
        labels: Whether labels are in the batches.
        drop_last: Whether a last batch of fewer pairs is left out.
        options: Further arguments of `torch.utils.data.DataLoader`, such as `pin_memory`.

    Raises:
        InputError: There is no such split, a shard is damaged, or a number makes no sense.
    """
    for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0)):
        if value < least:
            raise InputError(name, found=str(value), expected=f"{least} or more")
    settings = LoaderSettings(split, frozenset(modalities), batch_size, shuffle, seed, labels, drop_last)
    # Batches are made in the workers, so that the loader itself has none to put together.
    return PairLoader(PairBatches(dataset, settings), batch_size=None, num_workers=workers, **options)


def collate(
    pairs: Sequence[PairInput], modalities: Collection[Modality], stacked: Mapping[str, torch.Tensor] | None = None
) -> Batch:
    """Put pairs into one batch, without labels; see `PairBatches`.

    Args:
        pairs: The pairs.
        modalities: What is put in.
        stacked: Pictures (N, H, W, 3) and samples (N, S, C) that are in one tensor already, by name.
    """
    stacked = stacked or {}
    batch: Batch = {
        "pair_id": [pair.pair_id for pair in pairs],
        "intrinsics": _stacked([torch.tensor(pair.intrinsics) for pair in pairs]),
    }
    for view in ("a", "b"):
        if Modality.VISION in modalities:
            name = f"image_{view}"
            images = stacked.get(name)
            if images is None:
                images = _stacked([_tensor(getattr(pair, name)) for pair in pairs])
            batch[f"image_{view}"] = (
                [image.permute(2, 0, 1) for image in images] if isinstance(images, list) else images.permute(0, 3, 1, 2)
            )
        if Modality.AUDIO in modalities:
            batch |= _sounds([getattr(pair, f"sound_{view}") for pair in pairs], view, stacked.get(f"sound_{view}"))
        if Modality.UP in modalities:
            ups = [getattr(pair, f"up_{view}") for pair in pairs]
            unknown = np.full(3, np.nan)
            batch[f"up_{view}"] = torch.tensor(np.stack([unknown if up is None else up for up in ups]))
    return batch


class _BatchMemory:
    """One tensor for all pictures of a batch, and one for all samples, that rows are decoded into.

    So nothing is copied on the way from the decoder to the process that reads the batches: in a worker the tensors lie
    in memory that both share. A row whose shape is not that of the first gets memory of its own.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._tensors: dict[str, torch.Tensor] = {}
        self._arrays: dict[str, NDArray[Any]] = {}
        self._used: Counter[str] = Counter()

    def of_row(self, place: int) -> Allocate:
        """Gives the memory of one row."""

        def allocate(name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
            if name not in self._tensors:
                self._tensors[name] = _empty((self._rows, *shape), dtype)
                self._arrays[name] = self._tensors[name].numpy()
            if self._arrays[name].shape[1:] != shape:
                return np.empty(shape, dtype)
            self._used[name] += 1
            row: NDArray[Any] = self._arrays[name][place]
            return row

        return allocate

    def whole(self) -> dict[str, torch.Tensor]:
        """The tensors in which every row has its place."""
        return {name: tensor for name, tensor in self._tensors.items() if self._used[name] == self._rows}


def _empty(shape: tuple[int, ...], dtype: type[np.generic]) -> torch.Tensor:
    kind = torch.from_numpy(np.empty(0, dtype)).dtype
    if get_worker_info() is None:
        # NumPy asks for large pages, which are far cheaper to touch for the first time.
        return torch.from_numpy(np.empty(shape, dtype))
    # As torch's own loader does it for what it collates in a worker.
    size = math.prod(shape) * kind.itemsize
    storage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return torch.empty(0, dtype=kind).set_(storage).view(shape)


@dataclass(frozen=True)
class _Labels:
    """The labels of a split as arrays."""

    rotation_a_b: NDArray[np.float64]
    translation_a_b_m: NDArray[np.float64]
    scale: NDArray[np.object_]

    @classmethod
    def of(cls, labels: Sequence[PairLabel]) -> _Labels:
        return cls(
            np.array([label.rotation_a_b for label in labels]),
            np.array([label.translation_a_b_m for label in labels]),
            np.array([str(label.scale) for label in labels], dtype=object),
        )

    def batch(self, rows: Sequence[int]) -> Batch:
        return {
            "rotation_a_b": torch.from_numpy(self.rotation_a_b[rows]),
            "translation_a_b_m": torch.from_numpy(self.translation_a_b_m[rows]),
            "scale": self.scale[rows].tolist(),
        }


def _sounds(clips: Sequence[SoundClip | None], view: str, stacked: torch.Tensor | None) -> Batch:
    sounds: Any = stacked
    if sounds is None:
        sounds = _stacked([None if clip is None else _tensor(clip.samples) for clip in clips])
    if isinstance(sounds, list):
        sounds = [None if sound is None else sound.T for sound in sounds]
    elif sounds is not None:
        sounds = sounds.transpose(1, 2)
    valid = [(0, 0) if clip is None else (clip.valid_start, clip.valid_stop) for clip in clips]
    batch: Batch = {f"sound_{view}": sounds, f"sound_valid_{view}": torch.tensor(valid)}
    if view == "a":
        positions = [None if clip is None else _positions(clip) for clip in clips]
        batch["mic_positions_m"] = _stacked(positions)
        batch["sample_rate_hz"] = torch.tensor([0 if clip is None else clip.sample_rate_hz for clip in clips])
    return batch


def _positions(clip: SoundClip) -> torch.Tensor:
    if clip.mic_positions_m is None:
        return torch.full((clip.samples.shape[1], 3), torch.nan, dtype=torch.float64)
    return torch.tensor(clip.mic_positions_m)


def _stacked(tensors: Sequence[torch.Tensor | None]) -> Any:
    """One tensor where all have one shape, the list of them elsewhere; None if there is none."""
    present = [tensor for tensor in tensors if tensor is not None]
    if not present:
        return None
    if len(present) == len(tensors) and len({tensor.shape for tensor in present}) == 1:
        return torch.stack(present)
    return list(tensors)


def _tensor(array: Any) -> torch.Tensor:
    """A tensor over the memory of an array that may not be written to: it is only copied from."""
    writeable = array.flags.writeable
    try:
        array.flags.writeable = True
        return torch.from_numpy(array)
    except ValueError:  # a view of memory that is not the array's own
        return torch.tensor(array)
    finally:
        array.flags.writeable = writeable
