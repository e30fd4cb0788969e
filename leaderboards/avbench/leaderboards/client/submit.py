"""Take a submission in: check it, score it, append its entry and make the pages again, all or nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from avbench.benchmark.predictions.file import Predictions
from avbench.benchmark.predictions.reading import stored_suffix
from avbench.benchmark.scoring.score import score_predictions
from avbench.leaderboards.board.board import ENTRIES_NAME, SUBMISSIONS_NAME, Board, Entry, locked
from avbench.leaderboards.board.published import published_score
from avbench.leaderboards.board.submission import SubmissionInfo, read_submission
from avbench.leaderboards.pages.pages import pages_of, write_pages
from avbench.preprocessing.base.atomic import atomic_path, sha256_of, write_text
from avbench.preprocessing.base.documents import parse_json
from avbench.preprocessing.base.errors import AvbenchError, InputError


@dataclass(frozen=True)
class Submitted:
    """What became of a submission.

    Attributes:
        entry: Its entry.
        rank: Its rank.
        entries: How many entries there are.
        already_there: Whether it had been there before.
        notes: What was read of its predictions in a way that the submitter should know.
    """

    entry: Entry
    rank: int
    entries: int
    already_there: bool
    notes: tuple[str, ...] = ()


def submit(board: Board, path: Path, info: SubmissionInfo) -> Submitted:
    """Check predictions, score them against the board's labels, append an entry and write the pages.

    The same predictions under the same name are not entered twice. Entries and pages change together, so that two
    submissions at once are both on the page.

    Raises:
        InputError: The predictions are not a complete answer; the board is unchanged.
        AvbenchError: The board cannot be written. It is unchanged, unless only its pages could not be written.
    """
    labels = board.labels()
    predictions = read_submission(path, labels.pair_id, board.config.conditions)
    _check_dataset(board, predictions, path)
    scored = score_predictions(predictions, labels)
    scores = {condition: published_score(scored.score(condition)) for condition in board.config.conditions}
    content = predictions.content_sha256()
    with locked(board.folder):
        entries = board.entries()
        same = [one for one in entries if one.content_sha256 == content and one.submission.name == info.name]
        if same:
            write_pages(board, pages_of(board, entries))
            return Submitted(
                same[0], _rank_of(board, same[0], entries), len(entries), already_there=True, notes=predictions.notes
            )
        entry = Entry(
            entry_id=_entry_id(content, entries),
            submission=info,
            submitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
            content_sha256=content,
            file_sha256=sha256_of(path),
            scores=scores,
        )
        _append(board, path, entries, entry)
        rank = _rank_of(board, entry, [*entries, entry])
        return Submitted(entry, rank, len(entries) + 1, already_there=False, notes=predictions.notes)


def _check_dataset(board: Board, predictions: Predictions, path: Path) -> None:
    claimed = predictions.record.dataset_fingerprint
    if claimed not in (None, board.config.dataset_fingerprint):
        raise InputError(
            f"{path}: dataset_fingerprint",
            found=str(claimed),
            expected=board.config.dataset_fingerprint,
            hint="these predictions are for another version of the data set",
        )


def _append(board: Board, path: Path, entries: Sequence[Entry], entry: Entry) -> None:
    """Store a submission with its entry, then the pages that show it."""
    line = _line(entry)
    # What the next reader of the board will read; it shows before anything is written what the page would not take.
    read_back = parse_json(line, f"the entry of {path}", Entry)
    board.check_entry(read_back, f"the entry of {path}")
    pages = pages_of(board, [*entries, read_back])
    stored = board.folder / SUBMISSIONS_NAME / f"{entry.entry_id}{stored_suffix(path)}"
    try:
        with atomic_path(stored) as temporary:
            shutil.copyfile(path, temporary)
        write_text(board.folder / ENTRIES_NAME, "".join(f"{one}\n" for one in [*map(_line, entries), line]))
    except AvbenchError:
        # A submission without an entry would be a half-written one.
        stored.unlink(missing_ok=True)
        raise
    write_pages(board, pages)


def _line(entry: Entry) -> str:
    return json.dumps(asdict(entry), sort_keys=True, ensure_ascii=False)


def _entry_id(content_sha256: str, entries: Sequence[Entry]) -> str:
    taken = {entry.entry_id for entry in entries}
    first = content_sha256[:12]
    # The same predictions under another name are another entry.
    candidates = (first if number == 1 else f"{first}-{number}" for number in range(1, len(entries) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _rank_of(board: Board, entry: Entry, entries: Sequence[Entry]) -> int:
    return next(rank for rank, other in board.ranked(entries) if other.entry_id == entry.entry_id)
