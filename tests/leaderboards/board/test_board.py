"""A board scores what it is given, keeps what it has, and refuses the rest without a trace."""

from __future__ import annotations

import html
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from avbench.benchmark.predictions.file import Answer, Status, predictions_table, read_predictions, write_predictions
from avbench.benchmark.scoring.score import score_predictions
from avbench.leaderboards.board.board import Board, create_board, open_board
from avbench.leaderboards.board.published import published_score
from avbench.leaderboards.board.submission import SubmissionInfo
from avbench.leaderboards.cli.commands import board as board_command
from avbench.leaderboards.cli.commands import submit as submit_command
from avbench.leaderboards.client.submit import submit
from avbench.leaderboards.pages.pages import html_page, markdown_page
from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.base.geometry import axis_rotation
from prepared_data import pair_name, pair_row, shuffled, write_dataset

PAIRS = [pair_name(i) for i in range(6)]
# Ranked on the first, which is the first neither by name nor by what usually comes first.
CONDITIONS = ("fog-3", "clean", "blackout-1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [pair_row(name, axis_rotation("y", 5.0 * i), (0.1, 0.0, 0.5)) for i, name in enumerate(PAIRS)]
    return write_dataset(tmp_path / "data", {"test": rows})


@pytest.fixture
def board(tmp_path: Path, data: Path) -> Board:
    return create_board(tmp_path / "board", data, title="A & B <challenge>", conditions=CONDITIONS)


def answers(error_deg: float, conditions: tuple[str, ...] = CONDITIONS) -> list[Answer]:
    """Answers that are off by so much under the first condition, and by 20 degrees less that under the others."""
    errors = dict.fromkeys(conditions[1:], 20.0 - error_deg) | {conditions[0]: error_deg}
    return shuffled(
        [
            Answer(name, condition, axis_rotation("y", 5.0 * i + error), np.array([0.1, 0.0, 0.5]))
            for condition, error in errors.items()
            for i, name in enumerate(PAIRS)
        ]
    )


def hand_in(board: Board, tmp_path: Path, error_deg: float, name: str) -> str:
    path = tmp_path / f"{name}.parquet"
    write_predictions(path, answers(error_deg))
    return submit(board, path, SubmissionInfo(name)).entry.entry_id


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_entries_are_ranked_and_scored_as_the_score_command_would(board: Board, tmp_path: Path) -> None:
    for name, error in (("poor", 15.0), ("good", 1.0), ("middling", 8.0)):
        hand_in(board, tmp_path, error, name)
    assert [(rank, entry.submission.name) for rank, entry in board.ranked()] == [
        (1, "good"),
        (2, "middling"),
        (3, "poor"),
    ]
    for _, entry in board.ranked():
        stored = read_predictions(board.folder / "submissions" / f"{entry.entry_id}.parquet")
        assert entry.scores == {
            one: published_score(score_predictions(stored, board.labels()).score(one)) for one in CONDITIONS
        }
    # Constant errors of 1 and 15 degrees: trapezoid AUC@20 = 1 - e/20 + e/(2 * 6 * 20), in percent 95.41666 and 31.25.
    assert board.ranking_value(board.entries()[1]) == 95.42
    assert board.ranking_value(board.entries()[0]) == 31.25


def test_equal_numbers_share_a_rank(board: Board, tmp_path: Path) -> None:
    hand_in(board, tmp_path, 4.0, "first")
    hand_in(board, tmp_path, 4.0, "second")
    hand_in(board, tmp_path, 9.0, "third")
    assert [(rank, entry.submission.name) for rank, entry in board.ranked()] == [
        (1, "first"),
        (1, "second"),
        (3, "third"),
    ]
    assert len({entry.entry_id for entry in board.entries()}) == 3


def test_numbers_are_published_with_as_many_digits_as_mean_something(board: Board, tmp_path: Path) -> None:
    hand_in(board, tmp_path, 1.23456789, "model")
    score = board.entries()[0].scores["fog-3"]
    assert score["metrics"]["rotation.mean_deg"] == score["metrics"]["rotation.median_deg"]
    assert score["metrics"]["rotation.mean_deg"] == {"value": 1.23, "pairs": 6}
    assert score["baseline_threshold_m"] == 0.05
    assert score["counts"]["pairs"] == 6
    numbers = re.findall(r"-?\d+\.\d+", (board.folder / "entries.jsonl").read_text())
    assert len(numbers) > 10
    assert max(len(number.partition(".")[2]) for number in numbers) <= 3


def test_numbers_that_are_published_as_equal_share_a_rank(board: Board, tmp_path: Path) -> None:
    # AUC@20 of 81.6667 and 81.6690 percent: both are published as 81.67, and the better one came later.
    for name, error in (("first", 4.0), ("second", 3.9995), ("third", 4.1)):
        hand_in(board, tmp_path, error, name)
    assert [(rank, entry.submission.name) for rank, entry in board.ranked()] == [
        (1, "first"),
        (1, "second"),
        (3, "third"),
    ]


def test_one_pair_answered_otherwise_does_not_tell_its_label_to_the_last_digit(board: Board, tmp_path: Path) -> None:
    """Who turns one answer by what can just be told apart in full precision sees no change on the board."""
    seen = []
    for turn_deg in (0.0, 0.001, 0.01):
        rows = answers(4.0)
        turned = next(number for number, row in enumerate(rows) if (row.pair_id, row.condition) == (PAIRS[2], "fog-3"))
        rows[turned] = replace(rows[turned], rotation_a_b=axis_rotation("y", 14.0 + turn_deg))
        write_predictions(tmp_path / f"{turn_deg}.parquet", rows)
        seen.append(submit(board, tmp_path / f"{turn_deg}.parquet", SubmissionInfo(f"m{turn_deg}")).entry.scores)
    for what in ("mean_deg", "median_deg"):
        assert [scores["fog-3"]["metrics"][f"rotation.{what}"]["value"] for scores in seen] == [4.0, 4.0, 4.0]


def test_every_flipped_bit_in_the_labels_of_a_board_is_found(board: Board) -> None:
    path = board.folder / "private" / "labels.parquet"
    whole = path.read_bytes()
    assert len(board.labels()) == 6
    for place in range(0, len(whole), 101):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"labels\.parquet: found damaged or other labels"):
            board.labels()
    path.unlink()
    with pytest.raises(InputError, match=r"labels\.parquet: found unreadable"):
        board.labels()


def test_csv_is_handed_in_and_kept_as_it_came(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "model.csv"
    lines = ["pair_id,condition,qw,qx,qy,qz,tx,ty,tz"]
    for condition in CONDITIONS:
        for i, name in enumerate(PAIRS):
            half = np.deg2rad(5.0 * i + 4.0) / 2.0
            lines.append(f"{name},{condition},{np.cos(half)},0.0,{np.sin(half)},0.0,0.1,0.0,0.5")
    path.write_text("\n".join(lines) + "\n")
    entry = submit(board, path, SubmissionInfo("model")).entry
    assert entry.value("clean", "rotation.mean_deg") == 4.0
    stored = board.folder / "submissions" / f"{entry.entry_id}.csv"
    assert stored.read_bytes() == path.read_bytes()
    assert read_predictions(stored).content_sha256() == entry.content_sha256


def test_a_submission_of_far_more_than_was_asked_is_refused_unread(board: Board, tmp_path: Path) -> None:
    before = everything(board.folder)
    names = [f"pair-{i}" for i in range(2000)]
    rows = {"pair_id": names, "rotation_a_b": [np.eye(3).tolist()] * 2000, "translation_a_b": [[0.0, 0.0, 1.0]] * 2000}
    pq.write_table(pa.table(rows), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"found 2,000 rows, expected one for each of 6 pairs under 3 conditions"):
        submit(board, tmp_path / "p.parquet", SubmissionInfo("model"))
    assert everything(board.folder) == before


def test_a_matrix_that_is_no_rotation_is_refused_with_its_row(board: Board, tmp_path: Path) -> None:
    rows = answers(1.0)
    rows[4] = replace(rows[4], rotation_a_b=np.diag([1.0, 1.0, -1.0]))
    write_predictions(tmp_path / "p.parquet", rows)
    where = re.escape(f"row 4 (pair {rows[4].pair_id}): rotation_a_b: found a matrix that is a reflection")
    with pytest.raises(InputError, match=where):
        submit(board, tmp_path / "p.parquet", SubmissionInfo("model"))


def test_a_board_of_version_2_is_read_ranked_and_goes_on(tmp_path: Path) -> None:
    """It named metrics by their path in a score (`total.auc.20`) and kept every error in a table of its own."""
    folder = tmp_path / "board"
    shutil.copytree(Path(__file__).with_name("golden") / "board_version_2", folder)
    assert "total.auc.20" in (folder / "board.json").read_text()
    earlier_page = (folder / "README.md").read_text()
    old = open_board(folder)
    assert old.config.rank_by == "total.auc@20"
    assert [(rank, one.submission.name) for rank, one in old.ranked()] == [(1, "good"), (2, "poor")]
    poor, good = old.entries()
    assert (good.value("fog-3", "total.auc@20"), poor.value("fog-3", "total.auc@20")) == (95.42, 31.25)
    assert poor.scores["clean"]["metrics"]["rotation.mean_deg"] == {"value": 5.0, "pairs": 6}
    # The page is what it was, with today's name of the metric.
    assert markdown_page(old) == earlier_page.replace("total.auc.20", "total.auc@20")
    # What was scored then is what is scored now.
    for entry in (poor, good):
        stored = read_predictions(folder / "submissions" / f"{entry.entry_id}.parquet")
        again = score_predictions(stored, old.labels())
        for condition in CONDITIONS:
            now = published_score(again.score(condition))["metrics"]
            assert {name: now[name] for name in entry.scores[condition]["metrics"]} == entry.scores[condition][
                "metrics"
            ]
    hand_in(old, tmp_path, 8.0, "middling")
    assert [one.submission.name for _, one in open_board(folder).ranked()] == ["good", "middling", "poor"]


def test_a_board_of_an_older_version_says_how_to_make_it_anew(board: Board) -> None:
    config = board.folder / "board.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "version": "1"}))
    with pytest.raises(InputError, match=r"version: found '1', expected '3'; make the board anew"):
        open_board(board.folder)


def test_the_rank_that_is_told_is_that_of_what_was_handed_in(board: Board, tmp_path: Path) -> None:
    told = []
    for number, (name, error) in enumerate((("net", 9.0), ("other", 5.0), ("net", 1.0), ("net", 9.0))):
        path = tmp_path / f"{number}.parquet"
        write_predictions(path, answers(error))
        result = submit(board, path, SubmissionInfo(name))
        told.append((result.rank, result.already_there))
    assert told == [(1, False), (1, False), (1, False), (3, True)]


def test_the_same_again_is_not_entered_twice(board: Board, tmp_path: Path) -> None:
    hand_in(board, tmp_path, 4.0, "model")
    before = everything(board.folder)
    again = submit(board, tmp_path / "model.parquet", SubmissionInfo("model"))
    assert again.already_there
    assert everything(board.folder) == before


def broken_table(kind: str) -> tuple[pa.Table, str]:
    """A table that no board takes, and what must be said of it."""
    rows = answers(3.0)
    if kind == "missing":
        gone = rows.pop()
        says = f"condition {gone.condition}: found 1 of 6 pairs without a row, the first is {gone.pair_id}"
    elif kind == "doubled":
        rows.append(rows[2])
        says = f"row 18: pair_id: found '{rows[2].pair_id}' a second time under condition '{rows[2].condition}'"
    elif kind == "foreign":
        rows[1] = replace(rows[1], pair_id="pair-99")
        says = "row 1: pair_id: found 'pair-99'"
    elif kind == "nan":
        rows[3] = replace(rows[3], rotation_a_b=np.full((3, 3), np.nan))
        says = f"row 3 (pair {rows[3].pair_id}): rotation_a_b"
    elif kind == "condition":
        rows[0] = replace(rows[0], condition="fog-4")
        says = "row 0: condition: found 'fog-4'"
    else:
        says = "column rotation_a_b: found string"
    table = predictions_table(rows)
    if kind == "type":
        index = table.schema.get_field_index("rotation_a_b")
        return table.set_column(index, "rotation_a_b", pa.array(["identity"] * len(rows))), says
    return table, says


@pytest.mark.parametrize("kind", ["missing", "doubled", "foreign", "nan", "type", "condition"])
def test_a_bad_submission_is_refused_and_the_board_unchanged(board: Board, tmp_path: Path, kind: str) -> None:
    hand_in(board, tmp_path, 4.0, "model")
    before = everything(board.folder)
    path = tmp_path / "bad.parquet"
    table, says = broken_table(kind)
    pq.write_table(table, path)
    with pytest.raises(InputError, match=re.escape(says)):
        submit(board, path, SubmissionInfo("bad"))
    assert everything(board.folder) == before


def test_a_failed_pair_is_an_answer_and_costs_the_worst(board: Board, tmp_path: Path) -> None:
    rows = answers(20.0)
    failed = next(number for number, row in enumerate(rows) if (row.pair_id, row.condition) == (PAIRS[0], "clean"))
    rows[failed] = Answer(PAIRS[0], "clean", None, None, status=Status.ERROR, message="out of memory")
    write_predictions(tmp_path / "failed.parquet", rows)
    entry = submit(board, tmp_path / "failed.parquet", SubmissionInfo("fragile")).entry
    assert entry.scores["clean"]["counts"]["error"] == 1
    assert entry.value("clean", "rotation.mean_deg") == pytest.approx(180 / 6)
    assert entry.scores["fog-3"]["counts"]["error"] == 0
    assert entry.value("fog-3", "rotation.mean_deg") == pytest.approx(20.0)


def test_predictions_for_another_data_set_are_refused(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    write_predictions(path, answers(1.0), {"settings": {"dataset_fingerprint": "somewhere else"}})
    with pytest.raises(InputError, match="another version of the data set"):
        submit(board, path, SubmissionInfo("model"))


def test_a_full_disk_leaves_the_board_as_it_was(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(board, tmp_path, 4.0, "model")
    before = everything(board.folder)
    write_predictions(tmp_path / "next.parquet", answers(2.0))
    original = Path.write_text

    def full(self: Path, *args: object, **kwargs: object) -> int:
        if "entries" in self.name:
            raise OSError(28, "No space left on device")
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(AvbenchError, match="No space left"):
        submit(board, tmp_path / "next.parquet", SubmissionInfo("next"))
    assert everything(board.folder) == before


def test_submissions_at_once_all_arrive(board: Board, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: hand_in(board, tmp_path, float(i), f"model-{i}"), range(8)))
    names = {f"model-{i}" for i in range(8)}
    assert {entry.submission.name for entry in board.entries()} == names
    # The pages are those of the last entry, whoever came second.
    pages = [(board.folder / name).read_text() for name in ("README.md", "index.html")]
    assert all(name in page for page in pages for name in names)
    assert pages == [markdown_page(board), html_page(board)]


def test_pages_say_the_same_and_escape_what_people_write(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "model.parquet"
    write_predictions(path, answers(2.0))
    info = SubmissionInfo("net | <b>bold</b>", "T&T", "uses <script>", "https://example.org/?a=1&b=2")
    submit(board, path, info)
    page, markdown = html_page(board), markdown_page(board)
    assert "<b>" not in page
    assert "<script>" not in page
    assert "net | &lt;b&gt;bold" in page
    assert "https://example.org/?a=1&amp;b=2" in page
    assert r"net \| &lt;b&gt;bold&lt;/b&gt;" in markdown
    assert "# A &amp; B &lt;challenge&gt;" in markdown
    # One table a condition, each with the scores of its condition.
    for condition, text in zip(CONDITIONS, re.split(r"^## .*$", markdown, flags=re.MULTILINE)[1:], strict=True):
        shown = f"{board.entries()[0].value(condition, 'total.auc@20'):.2f}"
        assert shown in text
        assert shown in page.split(f"<h2>{condition}</h2>")[1].split("<h2>")[0]
    assert not any(url in page for url in ("src=", "@import", "<link"))


def test_a_name_links_to_its_own_address(board: Board, tmp_path: Path) -> None:
    for name, error in (("poor", 9.0), ("good", 2.0), ("fair", 5.0)):
        write_predictions(tmp_path / f"{name}.parquet", answers(error))
        submit(board, tmp_path / f"{name}.parquet", SubmissionInfo(name, url=f"https://example.org/{name}"))
    found = re.findall(r'<a href="https://example.org/(\w+)"[^>]*>(\w+)</a>', html_page(board))
    assert found == len(CONDITIONS) * [(name, name) for name in ("good", "fair", "poor")]


def test_a_board_of_rotations_is_ranked_by_rotation(tmp_path: Path) -> None:
    rows = [pair_row(name, axis_rotation("y", 5.0), (0, 0, 0), "rotation_only") for name in PAIRS]
    data = write_dataset(tmp_path / "d", {"test": rows})
    board = create_board(tmp_path / "b", data, title="turns", conditions=CONDITIONS)
    assert board.config.rank_by == "rotation.mean_deg"
    for name, error in (("far", 20.0), ("near", 2.0)):
        hand_in(board, tmp_path, error, name)
    assert [entry.submission.name for _, entry in board.ranked()] == ["near", "far"]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"split": "val"}, "val"), ({"conditions": ()}, "conditions"), ({"rank_by": "beauty"}, "rank_by: found 'beauty'")],
)
def test_an_impossible_board_is_refused(tmp_path: Path, data: Path, options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        create_board(tmp_path / "new", data, title="x", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "new" / "board.json").exists()


def test_a_used_folder_or_no_board_is_refused(board: Board, tmp_path: Path, data: Path) -> None:
    with pytest.raises(InputError, match="something in it"):
        create_board(board.folder, data, title="again")
    with pytest.raises(InputError, match="avbench board create"):
        open_board(tmp_path / "nothing")
    config = board.folder / "board.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "metrics_spec_version": "0.1"}))
    with pytest.raises(InputError, match="metrics_spec_version"):
        open_board(board.folder)


@pytest.mark.parametrize(
    "fields", [{"name": " "}, {"name": "x" * 81}, {"name": "a\nb"}, {"name": "a", "url": "javascript:alert(1)"}]
)
def test_bad_submission_facts_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(InputError, match="submission"):
        SubmissionInfo(**fields)


def test_the_commands_print_the_board(tmp_path: Path, data: Path) -> None:
    folder = str(tmp_path / "board")
    runner = CliRunner()
    made = runner.invoke(board_command, ["create", folder, "--data", str(data), "--title", "Turns"])
    assert made.exit_code == 0, made.output
    write_predictions(tmp_path / "p.parquet", answers(3.0, ("clean",)))
    done = runner.invoke(submit_command, [str(tmp_path / "p.parquet"), "--board", folder, "--name", "net"])
    assert done.exit_code == 0, done.output
    assert "rank 1 of 1" in done.output
    assert "| net |" in runner.invoke(board_command, ["show", folder]).output
    assert (tmp_path / "board" / "index.html").is_file()


NOTHING_ELSE = object()


def broken(document: Any, path: str, value: object) -> str:
    """JSON of a document with another value at a path such as `scores.clean.counts`, or without that key."""
    whole = json.loads(json.dumps(document))
    *parents, last = path.split(".")
    inner = whole
    for name in parents:
        inner = inner[name]
    if value is NOTHING_ELSE:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(whole)


DAMAGED_CONFIGURATIONS = [
    ("title", 3, "title: found 3, expected text"),
    ("title", NOTHING_ELSE, "title: found nothing"),
    ("pairs", -1, "pairs: found -1"),
    ("pairs", "6", "pairs: found '6'"),
    ("conditions", [], "conditions: found an empty list"),
    ("conditions", ["clean", "clean"], "conditions: found a list of 2, expected one or more different"),
    ("conditions", "clean", "conditions: found 'clean', expected a list"),
    ("rank_by", "beauty", "rank_by: found 'beauty'"),
    ("rank_by", None, "rank_by: found null"),
    ("version", {"a": 1}, "version: found a table of 1, expected '3'"),
    ("colour", "red", "found the unknown key 'colour'"),
]


def test_a_damaged_configuration_is_told_in_one_line(board: Board) -> None:
    config = board.folder / "board.json"
    whole = json.loads(config.read_text())
    for path, value, says in DAMAGED_CONFIGURATIONS:
        config.write_text(broken(whole, path, value))
        with pytest.raises(InputError, match=rf"board\.json: {says}"):
            open_board(board.folder)


DAMAGED_ENTRIES = [
    ("entry_id", "../../x", "entry_id: found '../../x', expected 12 hexadecimal digits"),
    ("entry_id", NOTHING_ELSE, "entry_id: found nothing"),
    ("submission", None, "submission: found null, expected a table"),
    ("submission.name", "", "submission: name: found nothing"),
    ("submission.name", "a\u202eb", r"submission: name: found 'a\\u202eb'"),
    ("submission.url", "javascript:alert(1)", "submission: url: found 'javascript"),
    ("submission.url", "http://[", "submission: url: found 'http"),
    ("submitted_at", 3, "submitted_at: found 3"),
    ("submitted_at", "<b>", "submitted_at: found '<b>', expected a time"),
    ("content_sha256", "x", "content_sha256: found 'x', expected 64"),
    ("scores", [], "scores: found an empty list, expected a table"),
    ("scores", {}, "no score of fog-3"),
    ("scores.clean", 3, "scores.clean: found 3, expected a table"),
    ("scores.clean.counts", NOTHING_ELSE, "scores.clean: counts: found nothing"),
    ("scores.clean.counts.error", "1", "scores.clean: counts.error: found '1'"),
    ("scores.clean.metrics", None, "scores.clean: metrics: found null"),
    ("scores.clean.metrics", {"total.auc@20": {"value": "high"}}, "metrics.total.auc@20.value: found 'high'"),
    ("scores.clean.metrics", {"total.auc@20": {"value": 1e5}}, "total.auc@20.value: found 100000.0, expected 0 to 100"),
    ("scores.clean.metrics", {"rotation.mean_deg": {"value": float("nan")}}, "rotation.mean_deg.value: found nan"),
]


def test_a_damaged_entry_is_told_in_one_line_and_kept(board: Board, tmp_path: Path) -> None:
    hand_in(board, tmp_path, 4.0, "model")
    file = board.folder / "entries.jsonl"
    whole = json.loads(file.read_text())
    for path, value, says in DAMAGED_ENTRIES:
        file.write_text(broken(whole, path, value) + "\n")
        before = everything(board.folder)
        with pytest.raises(InputError, match=rf"entries\.jsonl: (line|entry) 1: .*{says}"):
            board.ranked()
        with pytest.raises(InputError):
            hand_in(board, tmp_path, 2.0, "next")
        assert everything(board.folder) == before


def test_an_entry_that_is_there_twice_is_told(board: Board, tmp_path: Path) -> None:
    hand_in(board, tmp_path, 4.0, "model")
    file = board.folder / "entries.jsonl"
    file.write_text(2 * file.read_text())
    with pytest.raises(InputError, match=r"entry 2: entry_id: found .* twice"):
        board.entries()


def damaged_labels(table: pa.Table, kind: str) -> pa.Table:
    if kind == "no column":
        return table.drop_columns(["scale"])
    values: dict[str, pa.Array] = {
        "scale": pa.array(["furlongs"] * len(PAIRS)),
        "pair_id": pa.array([PAIRS[0]] * len(PAIRS)),
        "no name": pa.array([None, *PAIRS[1:]]),
        "rotation_a_b": pa.array(["turned"] * len(PAIRS)),
        "shape": pa.array([[[1.0, 0.0]]] * len(PAIRS)),
        "not finite": pa.array([[float("inf"), 0.0, 0.0]] * len(PAIRS)),
    }
    name = {"no name": "pair_id", "shape": "rotation_a_b", "not finite": "translation_a_b_m"}.get(kind, kind)
    return table.set_column(table.schema.get_field_index(name), name, values[kind])


DAMAGED_LABELS = [
    ("no column", "no column scale"),
    ("scale", "scale: found 'furlongs'"),
    ("pair_id", f"pair_id: found '{PAIRS[0]}' twice"),
    ("no name", "pair_id: row 0: found nothing"),
    ("rotation_a_b", "rotation_a_b: found a column of string"),
    ("shape", "rotation_a_b: row 0: found a list of 1"),
    ("not finite", f"pair {PAIRS[0]}: label"),
]


def test_damaged_labels_are_told_in_one_line(board: Board, tmp_path: Path) -> None:
    labels = board.folder / "private" / "labels.parquet"
    whole = pq.read_table(labels)
    for kind, says in DAMAGED_LABELS:
        pq.write_table(damaged_labels(whole, kind), labels)
        with pytest.raises(InputError, match="damaged or other labels"):
            hand_in(board, tmp_path, 4.0, "model")
        with pytest.raises(InputError, match=rf"labels\.parquet.*{says}"):
            hand_in(with_these_labels(board), tmp_path, 4.0, "model")
    pq.write_table(whole.slice(0, 2), labels)
    with pytest.raises(InputError, match="labels of 2 pairs, expected 6"):
        hand_in(with_these_labels(board), tmp_path, 4.0, "model")


def with_these_labels(board: Board) -> Board:
    """The board of an organiser who changed the labels and their hash."""
    found = sha256_of(board.folder / "private" / "labels.parquet")
    return Board(board.folder, replace(board.config, labels_sha256=found))


HOSTILE_NAMES = [
    "[x](javascript:alert(1))",
    "`a` | **b**",
    "<img src=x onerror=alert(1)>",
    "# one",
    "![x](http://y.org/z.png)",
]


def test_whatever_the_name_the_page_shows_it_as_text(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "model.parquet"
    write_predictions(path, answers(2.0))
    for number, name in enumerate(HOSTILE_NAMES, start=1):
        titled = Board(board.folder, replace(board.config, title=name))
        submit(titled, path, SubmissionInfo(name, name, name))
        rendered = MarkdownIt("gfm-like", {"linkify": False}).render((board.folder / "README.md").read_text())
        page = (board.folder / "index.html").read_text()
        for text in (rendered, page):
            assert not re.search(r"<(img|a|strong|em)\b", text)
            assert html.unescape(text).count(name) >= 3
        rows = re.findall(r"<tr>\n?(<td.*?)</tr>", rendered, re.DOTALL)
        assert [row.count("<td") for row in rows] == [16] * number * len(CONDITIONS)


def test_predictions_that_say_nonsense_of_themselves_are_refused(board: Board, tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    nonsense: tuple[object, ...] = (
        3,
        [],
        {"limit": "all"},
        {"conditions": [["clean"]]},
        {"split": 3},
        {"dataset_fingerprint": ["x"]},
    )
    for settings in nonsense:
        write_predictions(path, answers(1.0), {"settings": settings})
        with pytest.raises(InputError, match=r"odd\.parquet: metadata avbench: settings"):
            submit(board, path, SubmissionInfo("model"))
