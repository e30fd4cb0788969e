"""Reports: the page and its tables say what the result files say, whoever chose the names in them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from avbench.benchmark.audio.features import direction_spectrum
from avbench.benchmark.cli.report import report
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.predictions.file import read_predictions
from avbench.benchmark.predictions.result_files import read_score_file
from avbench.benchmark.report.gather import gather
from avbench.benchmark.report.latex import latex_escape
from avbench.benchmark.report.pairs.worst import thumbnail, worst_pairs
from avbench.benchmark.report.score_table import SHOWN_METRICS
from avbench.benchmark.report.write import write_report
from avbench.benchmark.scoring.bootstrap import Estimate, difference, draw_clusters
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import all_metrics
from avbench.benchmark.scoring.score import ScoredRun
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import rotation_angle_deg
from prepared_data import sound_bytes
from report_page import HOSTILE, make_dataset, make_run, page_words, table_cells

LOSS = {
    "value": 0.0,
    "low": 1.0,
    "high": 4.0,
    "groups": 12,
    "pairs": 20,
    "note": "few groups: the interval is likely too short",
    "standard_error": 0.5,
    "smallest_detectable": 1.4,
    "p_value": 0.01,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("report") / "data")


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    return make_run(data.parent / "run", data)


@pytest.fixture(scope="module")
def page(data: Path, run: Path) -> str:
    files = write_report([run], data, data.parent / "out" / "report.html")
    return files[0].read_text(encoding="utf-8")


def written(run: Path) -> dict[str, dict]:
    return {entry["condition"]: entry for entry in json.loads((run / "score.json").read_text())["scores"]}


def value_of(entry: dict, metric: str) -> float:
    """A metric of score.json by its name in the specification."""
    return entry["metrics"][metric]["value"]


def test_every_number_of_the_page_is_that_of_the_result_file(page: str, run: Path):
    cells = table_cells(page)
    stored = written(run)
    assert {condition for _, condition, _ in cells} == set(stored)
    for condition, entry in stored.items():
        for metric in SHOWN_METRICS:
            value, _, interval = cells["wobbly", condition, metric].partition(" ")
            assert value == f"{value_of(entry, metric):.2f}"
            ends = [float(end) for end in re.findall(r"-?\d+\.?\d*", interval)]
            estimate = entry["metrics"][metric]
            known = [end for end in (estimate["low"], estimate["high"]) if end is not None]
            assert ends == pytest.approx(known, abs=0.051)
        change = entry["change_from_clean"]
        if change is not None:
            assert cells["wobbly", condition, "change"].startswith(f"{change['total.auc@20']['value']:+.2f} [")
        assert cells["wobbly", condition, "pairs"] == "24"
        assert cells["wobbly", condition, "with_direction"] == "22"
        assert cells["wobbly", condition, "failed"] == "1"


def test_csv_has_every_metric_in_full_precision(page: str, data: Path, run: Path):
    rows = list(csv.DictReader(io.StringIO((data.parent / "out" / "scores.csv").read_text())))
    stored = written(run)
    assert [row["condition"] for row in rows] == list(stored)
    for row in rows:
        entry = stored[row["condition"]]
        for metric in all_metrics():
            value = value_of(entry, metric)
            # A length that is infinite because one pair failed is "inf" in both.
            assert float(row[metric]) == float(value)
            low = entry["metrics"][metric]["low"]
            assert row[f"{metric} low"] == ("" if low is None else repr(low))
        assert (row["pairs"], row["groups"], row["error"], row["data"]) == ("24", "12", "1", "recorded")


def test_markdown_and_latex_have_the_numbers_of_the_page(page: str, data: Path):
    cells = table_cells(page)
    markdown = (data.parent / "out" / "scores.md").read_text()
    latex = (data.parent / "out" / "scores.tex").read_text()
    for condition in ("clean", "fog-5", "low_light-1"):
        row = [cells["wobbly", condition, metric] for metric in SHOWN_METRICS]
        assert " | ".join(["wobbly", condition, *row]) in markdown
        numbers = [re.escape(f"${text.partition(' ')[0]}^{{+") + r"[\d.]+\*\}_\{-[\d.]+\}\$" for text in row]
        assert re.search(" & ".join(["wobbly", re.escape(condition.replace("_", r"\_")), *numbers]), latex)
    assert "**" not in markdown
    assert "mathbf" not in latex


def test_latex_has_the_commands_of_booktabs_and_as_many_cells_as_columns(page: str, data: Path):
    latex = (data.parent / "out" / "scores.tex").read_text()
    columns = re.search(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", latex)
    assert columns is not None
    upper, *rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    # One run of a clean and five other conditions under one line of heads.
    assert len(rows) == 1 + 6
    assert {line.count("&") - line.count(r"\&") for line in rows} == {len(columns.group(1)) - 1}
    spans = [int(width) for width in re.findall(r"\\multicolumn\{(\d+)\}", upper)]
    assert sum(spans) + upper.count("&") - len(spans) + 1 == len(columns.group(1))
    rules = [(int(a), int(b)) for a, b in re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", latex)]
    assert [stop - start + 1 for start, stop in rules] == spans
    for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{table}"):
        assert latex.count(command) == 1
    caption = re.search(r"\\caption\{(.*)\}\n", latex)
    assert caption is not None
    for words in (
        "24 pairs in 12 groups",
        "direction and pose over 22",
        "over all conditions: 6 of wobbly",
        "recorded data",
        r"ends of its 95 \% interval",
        "* few effective groups: the interval is likely too short (12 groups)",
    ):
        assert words in caption.group(1)


def test_intervals_of_latex_lead_from_the_number_to_both_ends(page: str, data: Path, run: Path):
    latex = (data.parent / "out" / "scores.tex").read_text()
    row = next(line for line in latex.splitlines() if line.startswith("wobbly & fog-3 &"))
    cells = row.removesuffix(r" \\").split(" & ")[2:]
    stored = written(run)["fog-3"]["metrics"]
    for metric, cell in zip(SHOWN_METRICS, cells, strict=False):
        found = re.fullmatch(r"\$([\d.]+)\^\{([+-][\d.]+)\*\}_\{([+-][\d.]+)\}\$", cell)
        assert found is not None
        value, up, down = (float(part) for part in found.groups())
        assert value + up == pytest.approx(stored[metric]["high"], abs=0.06)
        assert value + down == pytest.approx(stored[metric]["low"], abs=0.06)


def columns_of(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """The heads of the three tables beside a page."""
    heads = (folder / "scores.csv").read_text().splitlines()[0].split(",")
    markdown = next(line for line in (folder / "scores.md").read_text().splitlines() if line.startswith("|"))
    latex = [line for line in (folder / "scores.tex").read_text().splitlines() if line.endswith(r"\\")]
    lower = next(line for line in latex if "multicolumn" not in line)
    return heads, markdown.strip("| ").split(" | "), lower.removesuffix(r" \\").split(" & ")


def test_columns_are_chosen_and_ordered_in_every_table(data: Path, run: Path, tmp_path: Path):
    write_report([run], data, tmp_path / "r.html", pairs=0, columns=["auc@20", "failed", "rot_mean", "change"])
    heads, markdown, latex = columns_of(tmp_path)
    metrics = ["total.auc@20", "rotation.mean_deg", "total.auc@20 minus clean"]
    three = [[name, f"{name} low", f"{name} high"] for name in metrics]
    assert heads == ["model", "condition", *three[0], "failed", *three[1], *three[2]]
    assert markdown == ["model", "condition", "pose AUC@20 %", "failed", "rotation mean °", "pose AUC@20 minus clean"]
    assert latex == ["model", "condition", r"AUC@20 $\uparrow$", "failed", r"mean $\downarrow$", "minus clean"]
    entry = written(run)["fog-3"]
    row = next(row for row in csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text()))
               if row["condition"] == "fog-3")  # fmt: skip
    assert float(row["total.auc@20"]) == value_of(entry, "total.auc@20")
    assert float(row["total.auc@20 minus clean"]) == entry["change_from_clean"]["total.auc@20"]["value"]
    assert row["failed"] == "1"


def test_columns_that_are_not_there_or_named_twice_are_refused(data: Path, run: Path, tmp_path: Path):
    result = CliRunner().invoke(
        report, [str(run), str(data), "-o", str(tmp_path / "r.html"), "--columns", "rot_mean, dir_maen"]
    )
    assert isinstance(result.exception, InputError)
    assert "found 'dir_maen', expected names with commas between: auc@5" in str(result.exception)
    assert "did you mean dir_mean?" in str(result.exception)
    with pytest.raises(InputError, match=r"found auc@20 and total\.auc@20, which are the same column"):
        write_report([run], data, tmp_path / "r.html", columns=["auc@20", "total.auc@20"])
    assert not (tmp_path / "r.html").exists()


def test_the_best_run_is_bold_and_with_it_what_is_not_separated(data: Path, run: Path, tmp_path: Path):
    # One run is clearly better; two differ only by the noise of 24 pairs.
    runs = [
        make_run(tmp_path / "coarse", data, model="coarse", noise_deg=30.0),
        make_run(tmp_path / "fine", data, model="fine-", noise_deg=1.0),
        make_run(tmp_path / "similar", data, model="similar", noise_deg=1.05),
    ]
    text = write_report(runs, data, tmp_path / "r.html", columns=["rot_mean", "auc@20"])[0].read_text()
    errors = {}
    dataset = open_dataset(data)
    labels = Labels.of(dataset.labels("test"))
    clusters = draw_clusters(dataset.table("test", ("group_id",)).column("group_id").to_pylist())
    for folder in runs:
        found = ScoredRun(read_predictions(folder / "predictions.parquet"), labels, clusters, 0.05).errors("fog-3")
        errors[folder.name] = found.sampled(all_metrics()["rotation.mean_deg"], clusters)
    best = min(errors.values(), key=lambda one: one.point)
    tied = {name for name, one in errors.items() if one is best or contains_zero(difference(one, best).estimate)}
    assert {"fine", "similar"} == tied
    bold = {
        (run_name, condition)
        for run_name, condition, metric in re.findall(
            r'<tr data-run="([^"]*)" data-condition="([^"]*)".*?<td data-metric="(rotation.mean_deg)" class="best">',
            text.replace("</tr>", "</tr>\n"),
        )
    }
    assert {name for name, condition in bold if condition == "fog-3"} == {"fine-", "similar"}
    markdown, latex = ((tmp_path / name).read_text() for name in ("scores.md", "scores.tex"))
    for name, is_bold in (("fine-", True), ("similar", True), ("coarse", False)):
        assert bool(re.search(rf"\| {name} \| fog-3 \| \*\*[\d.]+\*\* \[", markdown)) is is_bold
        assert bool(re.search(rf"^{name} & fog-3 & \$\\mathbf", latex, re.MULTILINE)) is is_bold
    assert "- bold: the best of a condition, and every run whose paired difference" in markdown
    assert "Bold: the best of a condition, and every run whose paired difference" in latex
    assert "bold: the best of a condition" in page_words(text)


def contains_zero(found: Estimate) -> bool:
    return found.low is not None and found.high is not None and found.low <= 0.0 <= found.high


def test_without_intervals_the_best_number_alone_is_bold(tmp_path: Path):
    data = make_dataset(tmp_path / "data", groups=3)
    runs = [make_run(tmp_path / name, data, model=name, conditions=("clean",)) for name in ("a", "bb", "ccc")]
    write_report(runs, data, tmp_path / "r.html", columns=["rot_mean"])
    cells = re.findall(r"\| clean \| (\S+) \|", (tmp_path / "scores.md").read_text())
    bold = [cell for cell in cells if "*" in cell]
    assert len(cells) == 3
    assert [float(cell.strip("*")) for cell in bold] == [min(float(cell.strip("*")) for cell in cells)]


def test_page_tells_what_was_run_counted_and_left_out(page: str, run: Path):
    words = page_words(page)
    assert "5 other conditions" in words
    assert "avbench evaluate data --model wobbly" in words
    assert "recorded data" in words
    assert "simulated" not in words.lower()
    assert "left out are 2 with a baseline under 0.05 m" in words
    assert "clean: 1 pairs count as 180 degrees: the model raised on 1" in words
    assert "6 times: ValueError: no matches" in words
    assert "few effective groups: the interval is likely too short (12 groups)" in words


def test_plots_have_titles_and_all_their_marks(page: str):
    assert page.count("<svg") == page.count("</svg>")
    for condition in ("fog", "low light"):
        assert f"{condition}: pose AUC@20 % by severity" in page
    # Severities 0, 1, 3 and 5 of fog, and 0, 1 and 5 of low light, once for each of three metrics.
    assert len(re.findall(r"severity 3: \w+ \w+(@20)? [%°]", page)) == 3
    assert "severity 5, all corruptions" in page
    assert "NaN" not in page
    assert not [place for place in re.findall(r' (?:d|x|y|cx|cy)="([^"]*)"', page) if "nan" in place.lower()]


def test_worst_pairs_are_the_worst_and_failed_ones_come_last(data: Path, run: Path, tmp_path: Path):
    text = write_report([run], data, tmp_path / "r.html", pairs=20)[0].read_text()
    heads = re.findall(r"<h3>(\d+)\. ([^<]*)</h3>", text)
    assert [int(place) for place, _ in heads] == list(range(1, 21))
    errors = [float(words.split("°")[0]) for _, words in heads]
    assert errors == sorted(errors, reverse=True)
    assert text.count("<img ") == 40
    everything = write_report([run], data, tmp_path / "few.html", pairs=0)[0].read_text()
    assert "<img " not in everything
    assert "Worst pairs" not in everything


def test_a_worst_pair_shows_its_own_pictures_sounds_and_answers(tmp_path: Path):
    sounds = {f"audio_{view}": {"bytes": sound_bytes(seed, 3, 6000), "path": None} for seed, view in enumerate("ab")}
    data = make_dataset(tmp_path / "data", pairs=12, **sounds, audio_valid_stop_a=6000, audio_valid_stop_b=5500)
    gathered = gather([make_run(tmp_path / "run", data, conditions=("clean",))], data)
    inputs = {pair.pair_id: pair for pair in open_dataset(data).inputs("test")}
    labels = {label.pair_id: label for label in open_dataset(data).labels("test")}
    views = worst_pairs(gathered, count=12)
    assert len(views) == 12
    for view in views:
        pair = inputs[view.pair_id]
        assert view.recording_id == view.pair_id.rpartition(":")[0]
        assert view.picture_a == thumbnail(pair.image_a)
        assert view.picture_b == thumbnail(pair.image_b)
        turn = rotation_angle_deg(labels[view.pair_id].rotation_a_b)
        assert view.truth.rotation_deg == pytest.approx(float(turn), abs=1e-9)
        for found, clip, up in ((view.spectrum_a, pair.sound_a, pair.up_a), (view.spectrum_b, pair.sound_b, pair.up_b)):
            assert found.azimuth is not None
            np.testing.assert_array_equal(found.azimuth, direction_spectrum(clip, up).azimuth)


def test_a_pair_without_an_answer_says_why(data: Path, tmp_path: Path):
    silent = make_run(tmp_path / "run", data, conditions=("clean",), failed=24, message=HOSTILE)
    text = write_report([silent], data, tmp_path / "r.html")[0].read_text()
    assert "1. no answer" in text
    assert HOSTILE in page_words(text)


def test_names_and_messages_of_strangers_stay_text(data: Path, tmp_path: Path):
    nasty = make_run(tmp_path / "run", data, model=HOSTILE, message=HOSTILE, conditions=("clean", f"x-{HOSTILE}"))
    files = write_report([nasty], data, tmp_path / "r.html")
    text = files[0].read_text()
    assert text.count("<script>") == 1
    assert text.count("</script>") == 1
    assert text.count("</style>") == 1
    assert (HOSTILE, "clean", "pairs") in table_cells(text)
    rows = [line for line in files[3].read_text().splitlines() if line.endswith(r" \\") and "alert" in line]
    assert len(rows) == 2
    for row in rows:
        # Columns are parted by " & "; every other special character is escaped.
        cells = row.removesuffix(r" \\").split(" & ")
        assert len(cells) == 2 + len(SHOWN_METRICS) + 1
        names = "".join(cells[:2]).replace("$<$", "").replace("$>$", "")
        assert not re.search(r"(?<!\\)[%#_$&~^<>]", names)


def test_latex_escape_leaves_no_command():
    assert latex_escape("50 %_a\nb {x} \\y") == r"50 \%\_a b \{x\} \textbackslash{}y"


def test_simulated_data_is_called_so_everywhere(tmp_path: Path):
    data = make_dataset(tmp_path / "data", pose_source="simulated", up_source="simulated")
    run = make_run(tmp_path / "run", data, conditions=("clean",))
    files = write_report([run], data, tmp_path / "r.html")
    words = page_words(files[0].read_text())
    assert "All pairs are simulated" in words
    assert words.count("Split test of simulated data") >= 2
    assert ",simulated," in files[1].read_text()
    assert files[2].read_text().startswith("Split test of simulated data")
    assert r"\caption{Split test of simulated data" in files[3].read_text()


def test_several_runs_stand_side_by_side(data: Path, run: Path, tmp_path: Path):
    other = make_run(tmp_path / "other", data, model="steady", noise_deg=1.0)
    text = write_report([run, other], data, tmp_path / "r.html")[0].read_text()
    cells = table_cells(text)
    for folder, name in ((run, "wobbly"), (other, "steady")):
        for condition, entry in written(folder).items():
            assert cells[name, condition, "rotation.mean_deg"].startswith(
                f"{value_of(entry, 'rotation.mean_deg'):.2f} "
            )
    words = page_words(text)
    assert "Run against run" in words
    assert "steady against wobbly: 24 pairs in 12 groups" in words
    assert "wobbly, clean" in words
    assert "steady, severity 5, all corruptions" in words
    assert "below the line steady is better, above it wobbly" in words
    assert text.count("error of every pair, steady against wobbly</title>") == 3


def test_runs_of_one_model_are_told_apart(data: Path, run: Path, tmp_path: Path):
    again = make_run(tmp_path / "again", data)
    cells = table_cells(write_report([run, again], data, tmp_path / "r.html")[0].read_text())
    assert {name for name, _, _ in cells} == {"wobbly (run)", "wobbly (again)"}


def test_few_groups_give_numbers_without_intervals(tmp_path: Path):
    data = make_dataset(tmp_path / "data", groups=3)
    run = make_run(tmp_path / "run", data)
    text = write_report([run], data, tmp_path / "r.html")[0].read_text()
    assert table_cells(text)["wobbly", "clean", "rotation.mean_deg"].count("[") == 0
    assert "fewer than 10 effective groups: no interval (3 groups)" in page_words(text)


def test_pairs_without_sound_and_up_have_their_reason(tmp_path: Path):
    silent = dict.fromkeys(("audio_a", "audio_b", "audio_sample_rate_hz", "audio_channels", "array_kind"))
    silent |= {f"audio_valid_{end}_{view}": None for end in ("start", "stop") for view in "ab"}
    nothing = {"mic_positions_m": None, "up_a": None, "up_b": None, "up_source": None, "level_a_dbfs": None}
    data = make_dataset(tmp_path / "data", **silent, **nothing, level_b_dbfs=None)
    run = make_run(tmp_path / "run", data, conditions=("clean",))
    text = write_report([run], data, tmp_path / "r.html")[0].read_text()
    words = page_words(text)
    assert "frame a: no direction spectrum: the pair has no sound" in words
    assert "camera axes of frame a, up is not known" in words
    assert "<audio" not in text


def test_a_limited_run_is_scored_on_its_pairs_and_says_so(data: Path, tmp_path: Path):
    part = make_run(tmp_path / "part", data, limit=10)
    text = write_report([part], data, tmp_path / "r.html")[0].read_text()
    assert table_cells(text)["wobbly", "clean", "pairs"] == "10"
    assert "Only the first 10 pairs of the split were answered: no result to report." in page_words(text)


def test_the_threshold_that_a_run_was_scored_with_is_kept(data: Path, tmp_path: Path):
    strict = make_run(tmp_path / "strict", data, threshold_m=0.45)
    text = write_report([strict], data, tmp_path / "r.html")[0].read_text()
    counted = written(strict)["clean"]["counts"]["with_direction"]
    assert 0 < counted < 22
    assert table_cells(text)["wobbly", "clean", "with_direction"] == str(counted)
    assert "from a baseline of 0.45 m" in page_words(text)


def test_golden_mismatches_are_told_above_all_numbers(data: Path, tmp_path: Path):
    off = make_run(tmp_path / "off", data, golden_mismatches=["fog at severity 3: 12 here, 34 shipped"])
    words = page_words(write_report([off], data, tmp_path / "r.html")[0].read_text())
    assert words.index("fog at severity 3: 12 here, 34 shipped") < words.index("Scores")


PROBES = {
    "probes": [
        {
            "probe": probe,
            "kind": kind,
            "pairs": 20,
            "left_out": 4,
            "left_out_are": "without sound",
            "loss": {"rotation.mean_deg": {**LOSS, "value": value}},
            "harm": {"rotation.mean_deg": {**LOSS, "value": -value}} if kind == "lies" else None,
        }
        for probe, kind, value in (("mute", "gone", 2.5), ("mirrored", "lies", 7.25))
    ]
}


def test_listening_probes_are_told_as_losses_and_not_among_the_scores(data: Path, tmp_path: Path):
    run = make_run(tmp_path / "run", data, conditions=("clean", "probe-mute", "probe-mirrored"))
    (run / "probes.json").write_text(json.dumps(PROBES))
    text = write_report([run], data, tmp_path / "r.html")[0].read_text()
    assert {condition for _, condition, _ in table_cells(text)} == {"clean"}
    words = page_words(text)
    assert "mute gone 20 +2.50 [+1.0, +4.0]*" in words
    assert "mirrored lies 20 +7.25 [+1.0, +4.0]*" in words
    assert "-7.25" in words
    assert "mute: 4 pairs without sound are left out" in words
    (run / "probes.json").write_text(json.dumps({"probes": [{"probe": "telepathy"}]}))
    with pytest.raises(InputError, match=r"probes\.json: probes\[1\]\.probe: found 'telepathy', expected one of mute"):
        write_report([run], data, tmp_path / "r.html")


def test_probes_of_other_predictions_are_refused(data: Path, tmp_path: Path):
    run = make_run(tmp_path / "run", data, conditions=("clean", "probe-mute", "probe-mirrored"))
    own = read_predictions(run / "predictions.parquet").content_sha256()
    (run / "probes.json").write_text(json.dumps({"predictions_sha256": own, **PROBES}))
    assert "does not say of which predictions" not in page_words(
        write_report([run], data, tmp_path / "r.html")[0].read_text()
    )
    (run / "probes.json").write_text(json.dumps({"predictions_sha256": "0" * 64, **PROBES}))
    refused = (
        r"run/probes\.json: found the probes of other predictions, expected those of predictions\.parquet beside it"
    )
    with pytest.raises(InputError, match=refused):
        write_report([run], data, tmp_path / "r.html")
    # A file that does not say is shown with a note, unless the predictions have no such conditions.
    (run / "probes.json").write_text(json.dumps(PROBES))
    words = page_words(write_report([run], data, tmp_path / "r.html")[0].read_text())
    assert "wobbly: probes.json does not say of which predictions it is" in words
    unprobed = make_run(tmp_path / "unprobed", data, conditions=("clean", "probe-mute"))
    (unprobed / "probes.json").write_text(json.dumps(PROBES))
    with pytest.raises(InputError, match="the probes of other predictions"):
        write_report([unprobed], data, tmp_path / "r.html")


def test_a_run_without_clean_has_what_it_has(data: Path, tmp_path: Path):
    corrupted = make_run(tmp_path / "run", data, conditions=("fog-1", "fog-3", "mine"))
    text = write_report([corrupted], data, tmp_path / "r.html")[0].read_text()
    assert {condition for _, condition, _ in table_cells(text)} == {"fog-1", "fog-3", "mine"}
    words = page_words(text)
    assert "severity 3, all corruptions" in words
    assert "Other conditions" in words
    assert "Worst pairs" not in words


def test_runs_that_share_no_condition_are_called_so(data: Path, tmp_path: Path):
    first = make_run(tmp_path / "a", data, conditions=("clean", "fog-1"), model="one")
    other = make_run(tmp_path / "b", data, conditions=("fog-3", "low_light-5", "fog-5", "low_light-1"), model="two")
    said: list[str] = []
    page = write_report([first, other], data, tmp_path / "r.html", say=said.append)[0].read_text()
    words = "these runs share no condition (one: clean, fog-1; two: fog-3, low_light-5, fog-5, ...)"
    assert len(said) == 1
    assert said[0].startswith(words)
    assert words in page_words(page)
    said.clear()
    third = make_run(tmp_path / "c", data, conditions=("fog-1",), model="three")
    write_report([first, third], data, tmp_path / "r.html", say=said.append)
    assert said == []


def test_the_same_report_twice_is_the_same_file(data: Path, run: Path, tmp_path: Path):
    first, second = (write_report([run], data, tmp_path / name / "r.html") for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_what_cannot_stand_in_one_report_is_refused(data: Path, run: Path, tmp_path: Path):
    out = tmp_path / "r.html"
    with pytest.raises(InputError, match="predictions of a run"):
        write_report([tmp_path / "nowhere"], data, out)
    other_data = make_dataset(tmp_path / "other", pairs=12)
    with pytest.raises(InputError, match="predictions on the data set"):
        write_report([run], other_data, out)
    part = make_run(tmp_path / "part", data, limit=10)
    with pytest.raises(InputError, match="found limit 10, expected None"):
        write_report([run, part], data, out)
    strict = make_run(tmp_path / "strict", data, threshold_m=0.2)
    with pytest.raises(InputError, match=r"baseline threshold 0\.2"):
        write_report([run, strict], data, out)
    with pytest.raises(InputError, match="val"):
        write_report([run], data, out, split="val")
    assert not out.exists()


def test_a_score_of_other_predictions_is_refused(data: Path, tmp_path: Path):
    mixed = make_run(tmp_path / "mixed", data)
    stored = json.loads((mixed / "score.json").read_text())
    (mixed / "score.json").write_text(json.dumps({**stored, "predictions_sha256": "0" * 64}))
    with pytest.raises(InputError, match="the score of other predictions"):
        write_report([mixed], data, tmp_path / "r.html")
    (mixed / "score.json").write_text("{")
    with pytest.raises(InputError, match=r"score\.json: found no readable JSON"):
        write_report([mixed], data, tmp_path / "r.html")


def test_a_score_of_the_first_preview_is_still_read(data: Path, tmp_path: Path):
    """It had every error in a table of its own (`total`, `auc`, `20`) and its intervals beside them."""
    earlier = Path(__file__).parents[1] / "golden" / "score_of_first_preview.json"
    found = read_score_file(earlier)
    assert found is not None
    clean, fog = found.scores
    assert clean.baseline_threshold_m == 0.3
    assert fog.condition == "fog-3"
    assert clean.metrics["rotation.median_deg"].value == 2.5029005331960636
    assert clean.metrics["total.auc@20"].value == 75.55936190431203
    assert clean.metrics["total.auc@20"].pairs == 22
    assert clean.metrics["metric_translation.mean_m"].value == math.inf
    # A report on such a run takes its baseline threshold from it.
    run = make_run(tmp_path / "run", data, conditions=("clean", "fog-3"))
    stored = json.loads((run / "score.json").read_text())
    renewed = {**json.loads(earlier.read_text()), "predictions_sha256": stored["predictions_sha256"]}
    (run / "score.json").write_text(json.dumps(renewed))
    assert "from a baseline of 0.3 m" in page_words(write_report([run], data, tmp_path / "r.html")[0].read_text())
    renewed["scores"][1]["rotation"]["auc"]["20"] = 101.0
    (run / "score.json").write_text(json.dumps(renewed))
    with pytest.raises(
        InputError, match=r"scores\[2\]\.metrics\.rotation\.auc@20\.value: found 101\.0, expected 0 to 100"
    ):
        write_report([run], data, tmp_path / "r.html")


def test_predictions_of_others_need_neither_score_nor_manifest(data: Path, run: Path, tmp_path: Path):
    lone = tmp_path / "theirs.parquet"
    lone.write_bytes((run / "predictions.parquet").read_bytes())
    text = write_report([lone], data, tmp_path / "r.html")[0].read_text()
    assert table_cells(text)["wobbly", "clean", "pairs"] == "24"


def test_the_verb_writes_the_files_and_names_them(data: Path, run: Path, tmp_path: Path):
    out = tmp_path / "page.html"
    result = CliRunner().invoke(report, [str(run), str(data), "-o", str(out), "--pairs", "2"])
    assert result.exit_code == 0, result.output
    assert out.is_file()
    for name in ("scores.csv", "scores.md", "scores.tex"):
        assert str(tmp_path / name) in result.output
        assert (tmp_path / name).is_file()
