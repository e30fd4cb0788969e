"""What a study of binaural pre-training found, as tables, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avbench.benchmark.audio.grid import wrap_deg
from avbench.benchmark.scoring.bootstrap import Estimate, json_number
from avbench.benchmark.tables.scores import estimate_text, interval_notes, text_table
from avbench.benchmark.training.study.binaural_evaluation import DifferenceGain, HeldOutSplit, ProbeErrors
from avbench.benchmark.training.study.binaural_study import BinauralStudy
from avbench.preprocessing.base.atomic import atomic_path, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPORT_VERSION = 1
JSON_NAME, PICTURE_NAME = "binaural.json", "binaural.png"

_SECTORS = 12
_COLOURS = {"binaural": "C0", "monaural": "C1"}


def report_text(study: BinauralStudy) -> str:
    """The tables and notes for a terminal."""
    differences, probes = [], []
    for one in study.splits:
        for name, difference in _differences(one).items():
            figures = [estimate_text(difference.l1, 4), estimate_text(difference.zero_l1, 4)]
            differences.append([one.split, name, *figures, estimate_text(difference.gain_percent), str(one.pairs)])
        for name, probe in _probes(one).items():
            figures = [estimate_text(probe.binaural_deg), estimate_text(probe.monaural_deg)]
            probes.append([one.split, name, *figures, estimate_text(probe.gain_percent), str(2 * one.pairs)])
    headers = ["split", "mix of", "L1", "no difference", "% below", "pairs"]
    lines = [
        f"simulated; {study.pairs} training pairs of {study.rooms} rooms; {study.parameters} parameters",
        "",
        "L1 of the predicted left-right difference, against predicting none",
        text_table(headers, differences),
        "",
        "azimuth of the strongest source, median error of a linear probe in degrees (90 is chance where distinguished)",
        text_table(["split", "front and back", "binaural", "monaural", "% below", "frames"], probes),
    ]
    notes = [*study.notes, *interval_notes(_estimates(study.splits))]
    return "\n".join([*lines, "", *(f"note: {note}" for note in notes)] if notes else lines)


def write_report(folder: Path, study: BinauralStudy) -> tuple[Path, Path]:
    """Write OUT/binaural.json and OUT/binaural.png, and return their paths.

    Raises:
        AvbenchError: A file cannot be written.
    """
    numbers, picture = folder / JSON_NAME, folder / PICTURE_NAME
    write_text(numbers, json.dumps(report_json(study), indent=1, allow_nan=False) + "\n")
    _draw(picture, study)
    return numbers, picture


def report_json(study: BinauralStudy) -> dict[str, Any]:
    """The study as JSON values. Epochs are counted from 1, azimuths in level axes, right positive."""
    return {
        "version": REPORT_VERSION,
        "data": study.data,
        "origin": "simulated",
        "settings": dict(study.settings),
        "parameters": study.parameters,
        "train": {"pairs": study.pairs, "rooms": study.rooms},
        "epochs": {
            name: [
                {"epoch": one.epoch + 1, "train_loss": one.train_loss, "validation": dict(one.validation)}
                for one in history
            ]
            for name, history in study.histories.items()
        },
        "splits": {
            split.split: {
                "pairs": split.pairs,
                "rooms": split.rooms,
                "difference": {name: _difference_json(found) for name, found in _differences(split).items()},
                "azimuth_probe": {name: _probe_json(found) for name, found in _probes(split).items()},
                "azimuth_probe_by_sector": _sectors(split),
            }
            for split in study.splits
        },
        "notes": list(study.notes),
    }


def _differences(split: HeldOutSplit) -> dict[str, DifferenceGain]:
    return {"own view": split.own_view, "other view": split.other_view, "both, mean": split.both_views}


def _probes(split: HeldOutSplit) -> dict[str, ProbeErrors]:
    return {"distinguished": split.azimuth, "as one": split.folded_azimuth}


def _estimates(splits: Sequence[HeldOutSplit]) -> list[Estimate]:
    gains = [found.gain_percent for one in splits for found in _differences(one).values()]
    return gains + [found.gain_percent for one in splits for found in _probes(one).values()]


def _estimate_json(found: Estimate) -> dict[str, Any]:
    ends = {"value": json_number(found.value), "low": json_number(found.low), "high": json_number(found.high)}
    return {**ends, "rooms": found.groups, "note": str(found.note)}


def _difference_json(found: DifferenceGain) -> dict[str, Any]:
    return {
        "l1": _estimate_json(found.l1),
        "no_difference_l1": _estimate_json(found.zero_l1),
        "below_no_difference_percent": _estimate_json(found.gain_percent),
    }


def _probe_json(found: ProbeErrors) -> dict[str, Any]:
    return {
        "binaural_median_error_deg": _estimate_json(found.binaural_deg),
        "monaural_median_error_deg": _estimate_json(found.monaural_deg),
        "below_monaural_percent": _estimate_json(found.gain_percent),
    }


def _sectors(split: HeldOutSplit) -> list[dict[str, Any]]:
    """Median errors by sector of the true azimuth, from -180 degrees on; sectors without a frame are left out."""
    width = 360.0 / _SECTORS
    number = np.floor((wrap_deg(split.true_azimuth_deg) + 180.0) / width).astype(np.int64) % _SECTORS
    return [
        {
            "centre_deg": -180.0 + (sector + 0.5) * width,
            "frames": int((number == sector).sum()),
            "binaural_median_error_deg": float(np.median(split.binaural_error_deg[number == sector])),
            "monaural_median_error_deg": float(np.median(split.monaural_error_deg[number == sector])),
        }
        for sector in range(_SECTORS)
        if (number == sector).any()
    ]


def _draw(path: Path, study: BinauralStudy) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0 + 5.0 * len(study.splits), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 1 + len(study.splits), squeeze=False)[0]
    _draw_losses(panels[0], study)
    for panel, split in zip(panels[1:], study.splits, strict=True):
        _draw_probe(panel, split)
    figure.suptitle(f"binaural pre-training, simulated rooms ({study.pairs} pairs of {study.rooms} rooms)")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw_losses(panel: Axes, study: BinauralStudy) -> None:
    for name, history in study.histories.items():
        epochs = [one.epoch + 1 for one in history]
        training, validation = [one.train_loss for one in history], [one.validation["loss"] for one in history]
        panel.plot(epochs, training, label=f"{name}, training", color=_COLOURS[name], linestyle="--")
        panel.plot(epochs, validation, label=f"{name}, validation", color=_COLOURS[name], marker=".")
    panel.set_xlabel("epoch")
    panel.set_ylabel("L1 of the difference, own and other view")
    panel.legend(frameon=False, fontsize=8)
    panel.grid(alpha=0.2)


def _draw_probe(panel: Axes, split: HeldOutSplit) -> None:
    sectors = _sectors(split)
    centres = [sector["centre_deg"] for sector in sectors]
    for name, colour in _COLOURS.items():
        errors = [sector[f"{name}_median_error_deg"] for sector in sectors]
        panel.plot(centres, errors, label=name, color=colour, marker="o")
    panel.axhline(90.0, color="0.6", linestyle=":", linewidth=1.0, label="chance")
    panel.set_xlim(-180.0, 180.0)
    panel.set_xticks(range(-180, 181, 90))
    panel.set_ylim(bottom=0.0)
    panel.set_xlabel("azimuth of the strongest source, degrees (0 ahead, 90 right)")
    panel.set_ylabel("median probe error, degrees")
    panel.set_title(f"{split.split}: {split.rooms} rooms", fontsize=10)
    panel.legend(frameon=False, fontsize=8)
    panel.grid(alpha=0.2)
