"""Run A against run B, from their files."""

from __future__ import annotations

from collections.abc import Sequence

from avbench.benchmark.conditions.probes.probe import PREFIX
from avbench.benchmark.data.dataset import LABEL_COLUMNS, PairDataset, labels_of
from avbench.benchmark.predictions.file import check_known
from avbench.benchmark.predictions.saved_run import DEFAULT_SPLIT, SavedRun
from avbench.benchmark.scoring.bootstrap import draw_clusters
from avbench.benchmark.scoring.breakdown import SOUND_STRATA, StratumDifference, where_better
from avbench.benchmark.scoring.comparison import Comparison, compare_runs, shared_conditions
from avbench.benchmark.scoring.label_noise import LabelSigma
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import find_metrics
from avbench.benchmark.scoring.score import ScoredRun, threshold_or_default
from avbench.benchmark.scoring.strata import StratumColumns, cut_strata, find_strata, needed_columns
from avbench.preprocessing.base.errors import InputError

WHERE_METRICS = ("rotation.mean_deg", "direction.mean_deg")
"""What is shown along a stratum where no metrics are named."""

SOUND_WORD, ALL_WORD = "sound", "all"


def compare_saved(
    dataset: PairDataset,
    a: SavedRun,
    b: SavedRun,
    *,
    split: str,
    names: tuple[str, str],
    conditions: Sequence[str],
    metrics: Sequence[str],
    strata: Sequence[str],
    baseline_threshold_m: float | None,
) -> tuple[Comparison, list[StratumDifference], list[str]]:
    """Compare two runs on the pairs of a split.

    Args:
        dataset: The data set that both ran on.
        a: Run A.
        b: Run B, the baseline.
        split: The split.
        names: What the runs are called.
        conditions: Which conditions; none for all that both answered but listening probes.
        metrics: Names of the metrics; none for the headlines.
        strata: Along which strata; "sound" stands for those along which sound may help, "all" for every one.
        baseline_threshold_m: Shortest metric baseline with a direction, None for the specification's.

    Returns:
        The comparison, the differences along the strata, and the names of strata that could not be cut.

    Raises:
        InputError: The runs share no condition or saw different things under one name, or a name is not known.
    """
    chosen = find_metrics(metrics)
    sources = chosen_strata(strata)
    # Rows of a probe mix pairs to which it can be applied with others; `evaluate` writes their own result.
    answered_a, answered_b = (
        [name for name in run.predictions.conditions if name in conditions or not name.startswith(PREFIX)]
        for run in (a, b)
    )
    shared, left_out = shared_conditions(answered_a, answered_b, conditions)
    _refuse_other_recipes(a, b, shared)
    columns = [*LABEL_COLUMNS, "group_id", "pose_source", "pose_sigma_deg", *needed_columns(sources)]
    table = dataset.table(split, list(dict.fromkeys(columns)))
    for run in (a, b):
        check_known(run.predictions, table.column("pair_id").to_pylist())
    # A run that was asked for fewer pairs decides: the others are not missing, they were never asked for.
    limits = [limit for limit in (a.limit, b.limit) if limit is not None]
    limit = min(limits) if limits else None
    table = table.slice(0, limit)
    labels = Labels.of(labels_of(table, f"{dataset.folder}: split {split}"))
    clusters = draw_clusters(table.column("group_id").to_pylist())
    threshold_m = threshold_or_default(baseline_threshold_m)
    scored = [ScoredRun(run.predictions, labels, clusters, threshold_m) for run in (a, b)]
    errors_a, errors_b = ([run.errors(name) for name in shared] for run in scored)
    sigma = LabelSigma.of(table.column("pose_sigma_deg").to_pylist(), table.column("direction_sigma_deg").to_pylist())
    found = compare_runs(
        errors_a,
        errors_b,
        clusters,
        names=names,
        metrics=chosen,
        sigma=sigma,
        left_out=() if conditions else left_out,
        pose_sources=sorted(set(table.column("pose_source").to_pylist())),
    )
    cut = cut_strata(table, sources)
    along = find_metrics(metrics or WHERE_METRICS)
    where = [
        difference
        for one, other in list(zip(errors_a, errors_b, strict=True))[: len(conditions) or 1]
        for difference in where_better(one, other, cut, clusters, along)
    ]
    done = {stratum.source.name for stratum in cut}
    return found, where, [source.name for source in sources if source.name not in done]


def common_split(a: SavedRun, b: SavedRun) -> str:
    """The split that two runs are of.

    Raises:
        InputError: They are of different splits.
    """
    if a.split is not None and b.split is not None and a.split != b.split:
        raise InputError(
            b.path,
            found=f"predictions of the split {b.split}",
            expected=f"{a.split}, as in {a.path}",
            hint="evaluate both models on the same split",
        )
    return a.split or b.split or DEFAULT_SPLIT


def chosen_strata(names: Sequence[str]) -> tuple[StratumColumns, ...]:
    """Strata by name.

    Raises:
        InputError: There is no such stratum.
    """
    if not names:
        return ()
    if ALL_WORD in names:
        return find_strata(())
    spelled = [one for name in names for one in (SOUND_STRATA if name == SOUND_WORD else (name,))]
    return find_strata(list(dict.fromkeys(spelled)))


def _refuse_other_recipes(a: SavedRun, b: SavedRun, conditions: Sequence[str]) -> None:
    for name in conditions:
        seen_a, seen_b = a.recipes.get(name), b.recipes.get(name)
        if seen_a is not None and seen_b is not None and seen_a != seen_b:
            raise InputError(
                f"{b.path}: condition {name}",
                found=f"recipe {seen_b}",
                expected=f"{seen_a}, as in {a.path}",
                hint="the two saw different pictures or sounds under this name: run one of them again",
            )
