"""The clips of a split by the number of their pair, for probes that let a pair be heard with the sound of another."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass

from avbench.benchmark.data.dataset import EncodedPair, PairDataset
from avbench.benchmark.data.pair import Modality, SoundClip

_KEPT_ROW_GROUPS = 8  # encoded sound of 8 times 16 pairs: some 80 MB for a second of seven channels


@dataclass(frozen=True)
class ClipPlace:
    """Where a clip lies.

    Attributes:
        row: Number of its pair in the split.
        view: Frame a or b.
    """

    row: int
    view: str


class SoundBank:
    """Reads and decodes single clips, from any thread; the row groups last used stay in memory as they lie on disk.

    Args:
        dataset: The data set.
        split: The split.
    """

    def __init__(self, dataset: PairDataset, split: str) -> None:
        self._dataset = dataset
        self._groups = dataset.row_groups(split)
        self._firsts = [group.first for group in self._groups]
        self._kept: OrderedDict[int, list[EncodedPair]] = OrderedDict()
        self._lock = threading.Lock()

    def clip(self, place: ClipPlace) -> SoundClip | None:
        """One clip, None where the pair has none.

        Raises:
            InputError: The shard or the clip is damaged.
        """
        number = bisect_right(self._firsts, place.row) - 1
        pair = self._pairs(number)[place.row - self._firsts[number]]
        return pair.decode_sound(place.view)

    def _pairs(self, number: int) -> list[EncodedPair]:
        with self._lock:
            if number not in self._kept:
                self._kept[number] = self._dataset.encoded_group(self._groups[number], {Modality.AUDIO})
                if len(self._kept) > _KEPT_ROW_GROUPS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(number)
            return self._kept[number]
