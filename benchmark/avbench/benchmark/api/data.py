"""A prepared data set as a Python sequence: `load`, then index, slice, iterate."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.data.dataset import PairDataset, RowGroup, open_dataset
from avbench.benchmark.data.pair import Modality, PairInput, PairLabel
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.format.schema import AUDIO_COLUMNS, COLUMNS, IMAGE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from avbench.benchmark.api.torch_loader import PairLoader

_MEDIA = frozenset({*IMAGE_COLUMNS, *AUDIO_COLUMNS})


class Pairs(Sequence[tuple[PairInput, PairLabel]]):
    """Pairs of a prepared data set, each with its label, in the order of the data set.

    An index gives `(pair, label)`: what a model is given, and the answer. A slice gives fewer pairs, and the name of a
    split those of that split. Pictures and sound are decoded when a pair is asked for.

    Examples:
        >>> data = avbench.load("data/")
        >>> data.splits, len(data), len(data["test"])
        >>> pair, label = data["test"][0]
        >>> pair.image_a.shape, pair.sound_a.samples.shape, label.rotation_a_b
        >>> for pair, label in data["test"][:10]:
        ...     ...
    """

    def __init__(self, dataset: PairDataset, split: str | None = None, rows: range | None = None) -> None:
        self._dataset = dataset
        self._split = split
        self._rows = rows
        self._kept: tuple[RowGroup, list[Any]] | None = None

    @property
    def dataset(self) -> PairDataset:
        """The data set as the commands read it."""
        return self._dataset

    @property
    def folder(self) -> Path:
        """Where the data set lies."""
        return self._dataset.folder

    @property
    def fingerprint(self) -> str:
        """Hash of the content of the data set."""
        return self._dataset.fingerprint

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that these pairs are of."""
        return tuple(self._dataset.splits) if self._split is None else (self._split,)

    @property
    def split(self) -> str:
        """The split that these pairs are of.

        Raises:
            InputError: They are of several.
        """
        if len(self.splits) != 1:
            raise InputError(
                self.folder,
                found=f"pairs of {len(self.splits)} splits",
                expected="pairs of one split",
                hint=f'name it, such as data["{self.splits[-1]}"]',
            )
        return self.splits[0]

    @property
    def rows(self) -> range:
        """Which rows of the split these are.

        Raises:
            InputError: They are of several splits.
        """
        return range(self._dataset.pair_count(self.split)) if self._rows is None else self._rows

    def __len__(self) -> int:
        """Number of pairs."""
        return sum(group.rows for group in self._groups) if self._rows is None else len(self._rows)

    def __repr__(self) -> str:
        """The data set, its splits and the number of pairs."""
        return f"<avbench pairs: {len(self)} of {', '.join(self.splits)} in {self.folder}>"

    @overload
    def __getitem__(self, which: int) -> tuple[PairInput, PairLabel]: ...
    @overload
    def __getitem__(self, which: slice | str) -> Pairs: ...

    def __getitem__(self, which: int | slice | str) -> tuple[PairInput, PairLabel] | Pairs:
        """One pair with its label, or fewer pairs.

        Raises:
            InputError: There is no such split, or a shard, a picture or a clip is damaged.
            IndexError: There is no such pair.
        """
        if isinstance(which, str):
            self._dataset.pair_count(which)  # says which splits there are where this one is not
            if self._split not in (None, which):
                raise InputError(self.folder, found=f"pairs of the split {self._split}", expected=f"of {which}")
            return Pairs(self._dataset, which, self._rows)
        if isinstance(which, slice):
            return Pairs(self._dataset, self.split, self.rows[which])
        if self._rows is not None:
            return self._pair(self._rows[which])
        number = which + len(self) if which < 0 else which
        if not 0 <= number < len(self):
            raise IndexError(f"pair {which} of {len(self)}")
        return self._pair(number)

    def __iter__(self) -> Iterator[tuple[PairInput, PairLabel]]:
        """All pairs with their labels."""
        for number in range(len(self)) if self._rows is None else self._rows:
            yield self._pair(number)

    def labels(self) -> list[PairLabel]:
        """The labels alone; no picture or sound is read.

        Raises:
            InputError: A shard is damaged, or the pairs are published without labels.
        """
        if self._rows is None:
            return [label for split in self.splits for label in self._dataset.labels(split)]
        every = self._dataset.labels(self.split)
        return [every[row] for row in self._rows]

    def table(self, columns: Collection[str] | None = None) -> pd.DataFrame:
        """Columns of the pairs as a pandas frame: all but pictures and sound where none are named.

        Raises:
            InputError: A shard is damaged.
        """
        names = [column.name for column in COLUMNS if column.name not in _MEDIA] if columns is None else list(columns)
        import pandas as pd

        frame: pd.DataFrame = pd.concat(
            [self._dataset.table(split, names).to_pandas() for split in self.splits], ignore_index=True
        )
        return frame if self._rows is None else frame.iloc[list(self._rows)].reset_index(drop=True)

    def torch(
        self,
        *,
        batch_size: int = 32,
        shuffle: bool = False,
        workers: int = 0,
        seed: int = 0,
        modalities: Collection[Modality | str] = tuple(Modality),
        labels: bool = True,
        drop_last: bool = False,
        **options: Any,
    ) -> PairLoader:
        """A torch loader for a whole split; see `avbench.benchmark.api.torch_loader.PairBatches` for its batches.

        Args:
            batch_size: Pairs a batch.
            shuffle: Whether the order is drawn anew every epoch.
            workers: Worker processes; 0 reads in this one.
            seed: Where drawing starts.
            modalities: What is read and decoded: vision, audio, up.
            labels: Whether labels are in the batches.
            drop_last: Whether a last batch of fewer pairs is left out.
            options: Further arguments of `torch.utils.data.DataLoader`, such as `pin_memory`.

        Raises:
            InputError: The pairs are of several splits or a slice of one, or an argument makes no sense.
        """
        from avbench.benchmark.api.torch_loader import pair_loader

        if self._rows is not None and self._rows != range(self._dataset.pair_count(self.split)):
            raise InputError(
                self.folder,
                found=f"{len(self)} pairs of the split {self.split}",
                expected="a whole split, which is read in row groups",
                hint=f'load data["{self.split}"]',
            )
        unknown = sorted(str(name) for name in modalities if str(name) not in {*Modality})
        if unknown:
            raise InputError("modalities", found=repr(unknown[0]), expected=f"some of {', '.join(Modality)}")
        return pair_loader(
            self._dataset,
            self.split,
            batch_size=batch_size,
            shuffle=shuffle,
            workers=workers,
            seed=seed,
            modalities=[Modality(str(name)) for name in modalities],
            labels=labels,
            drop_last=drop_last,
            **options,
        )

    @cached_property
    def _groups(self) -> list[RowGroup]:
        """The row groups of all splits, in order."""
        return [group for split in self.splits for group in self._dataset.row_groups(split)]

    @cached_property
    def _stops(self) -> NDArray[np.int64]:
        return np.cumsum([group.rows for group in self._groups], dtype=np.int64)

    @cached_property
    def _labels(self) -> list[PairLabel]:
        return [label for split in self.splits for label in self._dataset.labels(split)]

    def _pair(self, number: int) -> tuple[PairInput, PairLabel]:
        """One pair by its number among those of the splits; the row group it lies in stays in memory."""
        index = int(np.searchsorted(self._stops, number, side="right"))
        group = self._groups[index]
        if self._kept is None or self._kept[0] != group:
            self._kept = (group, self._dataset.encoded_group(group, tuple(Modality)))
        pair = self._kept[1][number - int(self._stops[index] - group.rows)]
        return pair.decode(), self._labels[number]


def load(folder: str | os.PathLike[str]) -> Pairs:
    """Open a data set made by `avbench prepare`.

    Args:
        folder: Its folder.

    Raises:
        InputError: There is no such folder, or it has no shards or no manifest.

    Examples:
        >>> data = avbench.load("data/")
        >>> pair, label = data["test"][0]
    """
    return Pairs(open_dataset(Path(folder)))
