"""A board is a folder: its labels, the submissions as they came, and an append-only list of scored entries.

    board.json             what is measured: data set, split, conditions, metrics, what it is ranked by
    private/labels.parquet the answers; never publish this
    submissions/           the predictions of every entry, so that history can be scored again
    entries.jsonl          one line an entry, in the order of arrival
    README.md, index.html  the pages, made from the above

The board scores submissions itself. Every file is written whole or not at all, under a lock, so that two submissions
at once both arrive and a refused one leaves no trace.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avbench.benchmark.data.dataset import labels_of, open_dataset
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.file import CLEAN_CONDITION
from avbench.benchmark.predictions.result_files import ScoreRecord, upgraded_score
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import Quantity, all_metrics
from avbench.leaderboards.board.submission import SubmissionInfo
from avbench.preprocessing.base.atomic import atomic_path, remove_strays, sha256_of, write_text
from avbench.preprocessing.base.documents import MissingFileError, read_json, read_json_lines, structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.locks import sole_writer
from avbench.preprocessing.base.structure import Count, Limits, Sha256, Text, shorten
from avbench.preprocessing.base.structure import shown as in_words

BOARD_VERSION = "3"
_READ_VERSIONS = ("2", BOARD_VERSION)
CONFIG_NAME = "board.json"
LABELS_NAME = "private/labels.parquet"
ENTRIES_NAME = "entries.jsonl"
SUBMISSIONS_NAME = "submissions"
ROTATION_RANKING = "rotation.mean_deg"
TOTAL_RANKING = "total.auc@20"
_REMAKE_HINT = (
    "make the board anew with `avbench board create`, and submit what is in its folder submissions/ with "
    "`avbench submit`"
)


_ENTRY_ID = Limits("12 hexadecimal digits, and a number where entries share them", pattern="[0-9a-f]{12}(-[0-9]{1,9})?")
_MOMENT = Limits(
    "a time such as 2026-01-31T12:00:00+00:00",
    pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,18}(Z|[+-][0-9]{2}:[0-9]{2})",
)


@dataclass(frozen=True)
class BoardConfig:
    """What a board measures.

    Attributes:
        title: Its title.
        dataset_fingerprint: The data set, from its manifest.
        split: The split.
        pairs: Number of pairs.
        conditions: Conditions that every submission answers; the first is what the board is ranked on.
        metrics_spec_version: Version of the metrics.
        rank_by: Name of the metric that ranks ("total.auc@20", "rotation.mean_deg").
        labels_sha256: Hash of the file of the answers, which is compared whenever they are read.
        version: Version of the folder's layout.
    """

    title: str
    dataset_fingerprint: Text
    split: Text
    pairs: Count
    conditions: tuple[Text, ...]
    metrics_spec_version: str
    rank_by: str
    labels_sha256: Sha256
    version: str = BOARD_VERSION

    @staticmethod
    def of_earlier_form(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """A stored configuration with the metric's name as it is spelled today: version 2 had `total.auc.20`."""
        ranking = stored.get("rank_by")
        return {**stored, "rank_by": ranking.replace(".auc.", ".auc@")} if isinstance(ranking, str) else stored

    def __post_init__(self) -> None:
        if not self.conditions or len(set(self.conditions)) != len(self.conditions):
            raise InputError("conditions", found=in_words(self.conditions), expected="one or more different conditions")
        if self.rank_by not in ranking_names():
            known = ", ".join(ranking_names())
            raise InputError("rank_by", found=in_words(self.rank_by), expected=f"one of {known}")


@dataclass(frozen=True)
class Entry:
    """One scored submission.

    Attributes:
        entry_id: First 12 hex digits of the hash of what was predicted.
        submission: Who handed it in.
        submitted_at: UTC, ISO 8601.
        content_sha256: Hash of what was predicted.
        file_sha256: Hash of the file as it came.
        scores: Score in JSON form by condition, rounded as `published.published_score` does.
    """

    entry_id: Annotated[str, _ENTRY_ID]
    submission: SubmissionInfo
    submitted_at: Annotated[str, _MOMENT]
    content_sha256: Sha256
    file_sha256: Sha256
    scores: Mapping[str, Mapping[str, Any]]

    def __post_init__(self) -> None:
        for condition, score in self.scores.items():
            structured(score, f"scores.{shorten(condition)}", ScoreRecord, other_keys=True)
        object.__setattr__(self, "scores", {name: upgraded_score(score) for name, score in self.scores.items()})

    def value(self, condition: str, metric: str) -> float | None:
        """A metric of a condition by name, None where nothing is scored."""
        found = self.scores[condition]["metrics"].get(metric, {}).get("value")
        return None if found is None else float(found)


@dataclass(frozen=True)
class Board:
    """A board, opened."""

    folder: Path
    config: BoardConfig

    def labels(self) -> Labels:
        """The answers, in the order of the data set.

        Raises:
            InputError: They are missing or damaged (a single flipped bit is found), or not those of the board's pairs.
        """
        path = self.folder / LABELS_NAME
        try:
            content = path.read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if found != self.config.labels_sha256:
                raise InputError(
                    path,
                    found=f"damaged or other labels (SHA-256 {found[:12]})",
                    expected=f"those of the board ({self.config.labels_sha256[:12]}, as {CONFIG_NAME} says)",
                    hint="copy the file again from a backup of the board",
                )
            table = pq.read_table(pa.BufferReader(content))
        except (OSError, pa.ArrowException) as error:
            raise InputError(path, found=f"unreadable ({error})", expected="the board's labels") from error
        if table.num_rows != self.config.pairs:
            raise InputError(
                path, found=f"labels of {table.num_rows} pairs", expected=f"{self.config.pairs}, as {CONFIG_NAME} says"
            )
        return Labels.of(labels_of(table, str(path)))

    def entries(self) -> list[Entry]:
        """All entries in the order of arrival.

        Raises:
            InputError: A line is no entry of this board; the line and the field are named.
        """
        path = self.folder / ENTRIES_NAME
        entries: list[Entry] = []
        try:
            for entry in read_json_lines(path, Entry, expected="an entry"):
                where = f"{path}: entry {len(entries) + 1}"
                self.check_entry(entry, where)
                if any(entry.entry_id == other.entry_id for other in entries):
                    raise InputError(f"{where}: entry_id", found=f"{entry.entry_id} twice", expected="every one once")
                entries.append(entry)
        except MissingFileError:
            return []
        return entries

    def check_entry(self, entry: Entry, where: str) -> None:
        """Check that an entry can be ranked and shown on this board.

        Raises:
            InputError: It has no score of one of the board's conditions.
        """
        missing = [name for name in self.config.conditions if name not in entry.scores]
        if missing:
            raise InputError(
                f"{where}: scores", found=f"no score of {shorten(missing[0])}", expected="every condition of the board"
            )

    def ranking_value(self, entry: Entry) -> float:
        """The number an entry is ranked by, NaN where its score has none."""
        value = entry.value(self.config.conditions[0], self.config.rank_by)
        return math.nan if value is None else value

    def ranked(self, entries: Sequence[Entry] | None = None) -> list[tuple[int, Entry]]:
        """Entries with their ranks, best first; equal numbers share a rank, the earlier entry stands first.

        Args:
            entries: The entries in the order of arrival; None for those of the folder.
        """
        sign = -1.0 if all_metrics()[self.config.rank_by].higher_is_better else 1.0
        keyed = [
            (sign * self.ranking_value(entry), entry) for entry in (self.entries() if entries is None else entries)
        ]
        keyed.sort(key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
        ranks: list[tuple[int, Entry]] = []
        for position, (key, entry) in enumerate(keyed, start=1):
            tied = position > 1 and keyed[position - 2][0] == key
            ranks.append((ranks[-1][0] if tied else position, entry))
        return ranks


def create_board(
    folder: Path,
    data: Path,
    *,
    title: str,
    split: str = "test",
    conditions: tuple[str, ...] = (CLEAN_CONDITION,),
    rank_by: str | None = None,
) -> Board:
    """Make a board for a split of a prepared data set; its labels are copied, the data set is not needed again.

    Raises:
        InputError: The folder is not empty, the data set or split does not exist, there is no condition, or the ranking
            number does not exist.
    """
    if folder.exists() and not _is_unfinished(folder):
        raise InputError(folder, found="a folder with something in it", expected="no folder, or an empty one")
    if not title.strip() or not title.isprintable():
        raise InputError("board: title", found=in_words(title), expected="one line of printable text")
    dataset = open_dataset(data)
    # Labels are read and checked as scoring reads them before they are copied column by column.
    labels = Labels.of(dataset.labels(split))
    table = dataset.table(
        split, ("pair_id", "group_id", "rotation_a_b", "translation_a_b_m", "scale", "direction_sigma_deg")
    )
    spec = load_metrics_spec()
    if rank_by is None:
        with_direction = bool(np.any(labels.has_direction(spec.baseline_threshold_m)))
        rank_by = TOTAL_RANKING if with_direction else ROTATION_RANKING
    if rank_by not in ranking_names():
        raise InputError("board: rank_by", found=in_words(rank_by), expected=f"one of {', '.join(ranking_names())}")
    with atomic_path(folder / LABELS_NAME) as temporary:
        pq.write_table(table, temporary)
        labels_sha256 = sha256_of(temporary)
    config = BoardConfig(
        title, dataset.fingerprint, split, len(labels), conditions, spec.version, rank_by, labels_sha256
    )
    # Written last: a folder without it is no board.
    write_text(folder / CONFIG_NAME, json.dumps(asdict(config), indent=2) + "\n")
    return Board(folder, config)


def _is_unfinished(folder: Path) -> bool:
    """Whether a folder holds nothing, or no more than the labels of a board that was never finished."""
    labels = folder / LABELS_NAME
    remove_strays(labels.parent)
    found = {path for path in folder.rglob("*") if folder.is_dir()}
    return found <= {labels.parent, labels}


def ranking_names() -> list[str]:
    """The metrics that a board can be ranked by: all but those in metres, which not every model answers in."""
    return [name for name, metric in all_metrics().items() if metric.quantity is not Quantity.METRIC_TRANSLATION]


def open_board(folder: Path) -> Board:
    """Open a board.

    Raises:
        InputError: There is none, its configuration is damaged, or it is of another version.
    """
    path = folder / CONFIG_NAME
    try:
        fields = read_json(path, dict[str, Any], expected="a board's configuration")
    except MissingFileError as error:
        hint = "make one with `avbench board create FOLDER --data DATA`"
        raise InputError(folder, found="no board", expected=f"a folder with {CONFIG_NAME}", hint=hint) from error
    # Checked before anything else: another version has other fields.
    if fields.get("version", BOARD_VERSION) not in _READ_VERSIONS:
        raise InputError(
            f"{path}: version", found=in_words(fields["version"]), expected=repr(BOARD_VERSION), hint=_REMAKE_HINT
        )
    spec = load_metrics_spec()
    if fields.get("metrics_spec_version", spec.version) != spec.version:
        raise InputError(
            f"{path}: metrics_spec_version",
            found=in_words(fields["metrics_spec_version"]),
            expected=spec.version,
            hint="scores of different metrics do not compare: use the avbench version the board was made with",
        )
    return Board(folder, structured(fields, path, BoardConfig))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a board alone, once nobody else does: what is read and written meanwhile belongs together."""
    with sole_writer(folder, Path(LABELS_NAME).parent.name, SUBMISSIONS_NAME, wait=True):
        yield
