"""What a bundle says of its training: the same for equal data, settings and weights, whatever it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from avbench.benchmark.data.origin import ORIGIN_COLUMNS, simulated_pairs
from avbench.benchmark.models.backbones.reloc3r import WEIGHTS_LICENCE
from avbench.benchmark.models.learned.bundle import BackboneKind
from avbench.benchmark.models.learned.bundle_files import describe_bundle
from avbench.benchmark.training.loop import StageResult
from avbench.benchmark.training.stages.encoders import TRAIN_SPLIT, VALIDATION_SPLIT, Splits, TrainRequest


def training_facts(request: TrainRequest, splits: Splits, stages: Mapping[str, StageResult]) -> dict[str, Any]:
    """The facts of a run as JSON values.

    Numbers of pairs, groups and simulated pairs are given for what trained `encoders`, what trained `heads`, and
    `validation`; what the run did not train is not among them.

    Args:
        request: What was asked for.
        splits: The pairs.
        stages: Everything that was trained, by name.

    Raises:
        InputError: A shard of the data set is damaged.
    """
    columns = ("group_id", "licence", "source", *ORIGIN_COLUMNS)
    train, validation = (splits.dataset.table(split, columns) for split in (TRAIN_SPLIT, VALIDATION_SPLIT))
    own_backbone = request.model.backbone is BackboneKind.RELOC3R
    used: dict[str, pa.Table] = {}
    if request.listens or request.trains_backbone:
        used["encoders"] = train.take(splits.division.encoders)
    if request.config.heads_of(request.model.name):
        used["heads"] = train.take(splits.division.heads)
    used["validation"] = validation
    return {
        "model": str(request.model),
        "data": splits.dataset.fingerprint,
        "data_name": splits.dataset.folder.resolve().name,
        "data_licences": _values(used, "licence"),
        "data_sources": _values(used, "source"),
        "pairs": {part: table.num_rows for part, table in used.items()},
        "groups": {part: len(np.unique(table.column("group_id"))) for part, table in used.items()},
        "simulated_pairs": {part: simulated_pairs(table) for part, table in used.items()},
        "licence": WEIGHTS_LICENCE if own_backbone else "Apache-2.0",
        "config": asdict(request.config),
        "validation": {name: dict(one.history[one.best_epoch].validation) for name, one in stages.items()},
        "taken_backbone": _taken_backbone(request.backbone_weights) if not own_backbone else None,
    }


def _taken_backbone(bundle: Path | None) -> dict[str, Any] | None:
    """What trained the backbone that was taken from another bundle as it is; None where it was trained here."""
    if bundle is None:
        return None
    content = describe_bundle(bundle).content
    facts = content["facts"]
    return facts.get("taken_backbone") or {
        "sha256": content["backbone"]["sha256"],
        "data": facts["data"],
        "pairs": facts["pairs"]["encoders"],
        "simulated_pairs": facts["simulated_pairs"]["encoders"],
        "validation": facts["validation"].get("vision encoder", {}),
    }


def _values(tables: Mapping[str, pa.Table], name: str) -> list[str]:
    """The different values of a column, sorted."""
    return sorted({value for table in tables.values() for value in table.column(name).unique().to_pylist()})
