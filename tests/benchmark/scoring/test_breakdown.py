"""Strata from the schema, their bins, and scores and differences per bin against a known truth."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.scoring.bootstrap import IntervalNote, draw_clusters
from avbench.benchmark.scoring.breakdown import SOUND_STRATA, break_down, where_better
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.metric import find_metrics
from avbench.benchmark.scoring.strata import (
    FIXED_EDGES,
    MOST_CATEGORIES,
    BinKind,
    cut_strata,
    find_strata,
    needed_columns,
    strata_columns,
)
from avbench.benchmark.tables.comparisons import where_tables
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.format.schema import COLUMN_BY_NAME, COLUMNS, Role


def errors_of(rotation: np.ndarray) -> ErrorTable:
    nothing = np.full(len(rotation), np.nan)
    return ErrorTable("clean", rotation, nothing, nothing, nothing, np.ones(len(rotation), dtype=bool))


def cut(name: str, *columns: list[object]):
    sources = find_strata([name])
    table = pa.table({column: pa.array(values) for column, values in zip(sources[0].columns, columns, strict=True)})
    found = cut_strata(table, sources)
    return found[0] if found else None


def members(stratum) -> dict[str, list[int]]:
    return {one.label: np.flatnonzero(one.members).tolist() for one in stratum.bins}


def test_the_strata_are_those_of_the_schema_and_nothing_is_forgotten() -> None:
    found = strata_columns()
    covered = set(needed_columns(found.values()))
    left = [column for column in COLUMNS if column.name not in covered]
    # What is left says who or when a pair is, is its calibration, its answer, or picture and sound themselves.
    assert {column.name for column in left} == {
        *("pair_id", "recording_id", "group_id", "time_a_ns", "time_b_ns", "image_a", "image_b"),
        *("width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px", "audio_a", "audio_b", "mic_positions_m"),
        *(f"audio_valid_{end}_{view}" for end in ("start", "stop") for view in "ab"),
        *("up_a", "up_b", "rotation_a_b", "translation_a_b_m"),
    }
    for stratum in found.values():
        assert stratum.derived == (COLUMN_BY_NAME[stratum.columns[0]].role is not Role.INPUT)
    assert found["level_dbfs"].columns == ("level_a_dbfs", "level_b_dbfs")
    assert found["rotation_deg"].derived
    assert not found["gap_s"].derived


def test_what_has_fixed_edges_and_where_sound_may_help_are_strata() -> None:
    assert FIXED_EDGES.keys() <= strata_columns().keys()
    assert set(SOUND_STRATA) <= strata_columns().keys()
    assert all(list(edges) == sorted(set(edges)) for edges in FIXED_EDGES.values())
    with pytest.raises(InputError, match=r"did you mean brightness\?"):
        find_strata(["brightnes"])
    assert len(find_strata(())) == len(strata_columns())


def test_an_edge_belongs_to_the_bin_above_and_nothing_known_is_a_bin() -> None:
    stratum = cut("baseline_m", [0.049, 0.05, 0.3, 5.0, None])
    assert stratum.kind is BinKind.FIXED
    assert members(stratum) == {
        "under 0.05 m": [0],
        "0.05 to 0.2 m": [1],
        "0.2 to 0.5 m": [2],
        "1 and more m": [3],
        "not known": [4],
    }
    assert [(one.low, one.high) for one in stratum.bins] == [
        (None, 0.05),
        (0.05, 0.2),
        (0.2, 0.5),
        (1.0, None),
        (None,) * 2,
    ]


def test_a_pair_is_as_dark_as_the_darker_of_its_frames() -> None:
    stratum = cut("brightness", [200.0, 10.0, 200.0], [20.0, 200.0, 200.0])
    assert members(stratum) == {"under 16": [1], "16 to 32": [0], "128 and more": [2]}
    # One view that is not known could be the darker one.
    stratum = cut("level_dbfs", [-20.0, -20.0, None], [-20.0, None, -70.0])
    assert members(stratum) == {"-30 and more dBFS": [0], "not known": [1, 2]}


def test_quartiles_where_no_edges_are_fixed() -> None:
    stratum = cut("sharpness", [float(i) for i in range(100)], [1000.0] * 100)
    assert stratum.kind is BinKind.QUANTILES
    assert [int(one.members.sum()) for one in stratum.bins] == [25, 25, 25, 25]
    # The quartiles of 0 to 99 are 24.75, 49.5 and 74.25.
    assert [one.high for one in stratum.bins] == [24.75, 49.5, 74.25, None]
    # Half of the values are one value: the quartiles that are equal are one edge.
    stratum = cut("pose_quality", [1.0] * 50 + [2.0] * 50)
    assert [int(one.members.sum()) for one in stratum.bins] == [50, 50]


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=50),
    st.sampled_from(["sync_offset_ms", "gap_s"]),
)
def test_every_pair_is_in_exactly_one_bin(values: list[float | None], name: str) -> None:
    stratum = cut(name, values)
    if stratum is not None:
        assert np.sum([one.members for one in stratum.bins], axis=0).tolist() == [1] * len(values)
        assert all(one.members.any() for one in stratum.bins)
        for one in stratum.bins:
            inside = [value for value, member in zip(values, one.members, strict=True) if member]
            assert all(one.low is None or value >= one.low for value in inside if value is not None)
            assert all(one.high is None or value < one.high for value in inside if value is not None)


def test_names_are_bins_unless_they_are_too_many_or_all_the_same() -> None:
    stratum = cut("scale", ["metric", "unknown", "metric", "rotation_only"])
    assert stratum.kind is BinKind.CATEGORIES
    assert members(stratum) == {"metric": [0, 2], "rotation_only": [3], "unknown": [1]}
    assert members(cut("audio_channels", [7, 2, None, 7])) == {"2": [1], "7": [0, 3], "not known": [2]}
    assert cut("source", [f"recorder {i}" for i in range(MOST_CATEGORIES + 1)]) is None
    assert cut("source", ["aria"] * 5) is None
    assert cut("gap_s", [1.0] * 5) is None


def test_scores_per_bin_by_hand() -> None:
    turned = np.array([1.0, 2.0, 6.0, 30.0] * 12)
    stratum = cut("rotation_deg", [2.0, 7.0, 7.0, 50.0] * 12)
    clusters = draw_clusters([f"g{i // 4}" for i in range(48)])
    scores = break_down(errors_of(turned), [stratum], clusters, find_metrics(["rotation.mean_deg", "total.auc@20"]))
    found = {one.bin.label: one.estimates["rotation.mean_deg"] for one in scores[0].scores}
    assert {label: (one.value, one.pairs, one.groups) for label, one in found.items()} == {
        "under 5 deg": (1.0, 12, 12),
        "5 to 10 deg": (4.0, 24, 12),
        "20 and more deg": (30.0, 12, 12),
    }
    # The same in all twelve groups, of which nothing follows for groups that were not met.
    assert found["5 to 10 deg"].note is IntervalNote.NOT_MET
    assert found["5 to 10 deg"].low == pytest.approx(4.0 * 0.025 ** (1 / 12))
    assert scores[0].scores[0].estimates["total.auc@20"].note is IntervalNote.NOTHING_SCORED
    json.dumps(scores[0].to_json(), allow_nan=False)
    assert scores[0].to_json()["derived_from_label"]


def test_a_bin_needs_enough_groups_of_its_own() -> None:
    # 30 groups, but only 5 of them have dark pairs.
    stratum = cut("brightness", [10.0 if i < 10 else 200.0 for i in range(60)], [255.0] * 60)
    clusters = draw_clusters([f"g{i // 2:02d}" for i in range(60)])
    dark, bright = break_down(errors_of(np.arange(60.0)), [stratum], clusters)[0].scores
    assert dark.estimates["rotation.mean_deg"].note is IntervalNote.TOO_FEW_GROUPS
    assert dark.estimates["rotation.mean_deg"].value == 4.5
    assert bright.estimates["rotation.mean_deg"].low is not None


def test_where_sound_helps_is_found_where_it_does_and_nowhere_else() -> None:
    random = np.random.default_rng(3)
    count = 1200
    brightness = random.uniform(0, 255, count)
    gap = random.uniform(0, 3, count)
    shared = random.exponential(3, count)
    # Both see alike in the light; in the dark, the one that cannot hear is 4 degrees worse.
    a = shared + random.normal(2, 0.5, count)
    b = shared + random.normal(2, 0.5, count) + np.where(brightness < 32, 4.0, 0.0)
    sources = find_strata(["brightness", "gap_s"])
    values = pa.array(brightness)
    table = pa.table({"brightness_a": values, "brightness_b": values, "gap_s": gap})
    strata = cut_strata(table, sources)
    clusters = draw_clusters([f"g{i % 100}" for i in range(count)])
    found = where_better(errors_of(a), errors_of(b), strata, clusters, find_metrics(["rotation.mean_deg"]))
    by_light, by_gap = found
    assert [one.bin.label for one in by_light.bins] == ["under 16", "16 to 32", "32 to 64", "64 to 128", "128 and more"]
    for number, one in enumerate(by_light.bins):
        estimate = one.difference.estimate
        assert estimate.value == pytest.approx(-4.0 if number < 2 else 0.0, abs=0.3)
        assert estimate.value == pytest.approx(one.a.value - one.b.value)
        assert (estimate.high < 0) == (number < 2)
    assert by_light.contrast is not None
    assert by_light.contrast.difference.estimate.value == pytest.approx(-4.0, abs=0.3)
    assert by_light.contrast.difference.estimate.high < -3
    # Along the gap, sound helps equally everywhere: each bin shows the average, the ends do not differ.
    assert all(one.difference.estimate.high < 0 for one in by_gap.bins)
    assert by_gap.contrast is not None
    assert by_gap.contrast.difference.estimate.low < 0 < by_gap.contrast.difference.estimate.high
    written = json.loads(json.dumps([one.to_json() for one in found], allow_nan=False))
    assert written[0]["contrast"]["low_bin"] == "under 16"
    assert sum(one["members"] for one in written[0]["bins"]) == count
    table_of_bins = where_tables(found, "hears", "sees")[0]
    assert len(table_of_bins.rows) == len(by_light.bins) + len(by_gap.bins) + 2
    assert all(len(cells) == len(table_of_bins.headers) for cells in table_of_bins.rows)


def test_the_contrast_leaves_out_bins_with_too_few_groups_and_names_have_none() -> None:
    # Three very dark pairs of one place would otherwise stand for the dark.
    brightness = [5.0] * 3 + [20.0] * 60 + [200.0] * 60
    clusters = draw_clusters(["dark"] * 3 + [f"g{i % 20}" for i in range(120)])
    a, b = np.zeros(123), np.array([100.0] * 3 + [2.0] * 60 + [1.0] * 60)
    stratum = cut("brightness", brightness, brightness)
    contrast = where_better(errors_of(a), errors_of(b), [stratum], clusters)[0].contrast
    assert contrast is not None
    assert (contrast.low.label, contrast.high.label) == ("16 to 32", "128 and more")
    assert contrast.difference.estimate.value == pytest.approx(-1.0)
    names = cut("scale", ["metric", "unknown"] * 60 + ["metric"] * 3)
    assert where_better(errors_of(a), errors_of(b), [names], clusters)[0].contrast is None


def test_other_conditions_are_refused() -> None:
    a = errors_of(np.zeros(3))
    b = ErrorTable("fog-3", *(np.zeros(3) for _ in range(4)), np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="clean and fog-3"):
        where_better(a, b, [], draw_clusters(["a", "b", "c"]))
