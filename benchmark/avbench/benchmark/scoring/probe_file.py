"""What `probes.json` must hold to be read back: what a run lost under every listening probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from avbench.benchmark.conditions.probes.probe import Probe, ProbeKind
from avbench.benchmark.predictions.result_files import read_result
from avbench.benchmark.scoring.bootstrap import Difference, Estimate, IntervalNote
from avbench.preprocessing.base.structure import Count, Unbounded


@dataclass(frozen=True)
class DifferenceRecord:
    """`statistics.Difference` as it is stored in `probes.json`."""

    value: Unbounded | None
    low: Unbounded | None
    high: Unbounded | None
    groups: Count
    pairs: Count
    note: IntervalNote
    standard_error: Unbounded | None
    smallest_detectable: Unbounded | None
    p_value: Unbounded | None
    family_p_value: Unbounded | None = None
    effective_groups: Unbounded | None = None
    largest_group_share: Unbounded | None = None

    def difference(self) -> Difference:
        """The difference that was stored."""
        value = float("nan") if self.value is None else self.value
        estimate = Estimate(
            value,
            self.low,
            self.high,
            self.groups,
            self.pairs,
            self.note,
            self.effective_groups,
            self.largest_group_share,
        )
        return Difference(estimate, self.standard_error, self.smallest_detectable, self.p_value, self.family_p_value)


@dataclass(frozen=True)
class ProbeRecord:
    """`probe_scoring.ProbeLoss` as it is stored."""

    probe: Probe
    kind: ProbeKind
    pairs: Count
    left_out: Count
    left_out_are: str | None
    loss: Mapping[str, DifferenceRecord]
    harm: Mapping[str, DifferenceRecord] | None


@dataclass(frozen=True)
class ProbesFile:
    """What is read of `probes.json`; without probes where there is no such file.

    Attributes:
        probes: What was lost under every probe.
        predictions_sha256: Of which predictions (`Predictions.content_sha256`); None in files of earlier versions,
            which do not say.
    """

    probes: tuple[ProbeRecord, ...] = ()
    predictions_sha256: str | None = None


def read_probes_file(path: Path) -> ProbesFile:
    """Read `probes.json`; one without probes where there is none.

    Raises:
        InputError: It cannot be read, or is not what `avbench evaluate --probes` writes; the field is named.
    """
    return read_result(path, ProbesFile) or ProbesFile()
