"""What can be evaluated and measured, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from avbench.benchmark.scoring.metric import all_metrics

if TYPE_CHECKING:
    import pandas as pd


def models() -> pd.DataFrame:
    """The models that `evaluate` knows by name: `name`, `description`, `modalities`, `needs`, `licence`, ...

    Raises:
        AvbenchError: An installed package offers something that is no model.
    """
    import pandas as pd

    from avbench.benchmark.models.registry import list_models

    rows: list[Mapping[str, Any]] = [
        {
            "name": entry.name,
            "description": entry.description,
            "modalities": sorted(str(modality) for modality in entry.modalities),
            "needs": list(entry.needs),
            "parameters": entry.parameters,
            "weights": entry.weights,
            "licence": entry.licence,
            "citation": entry.citation,
        }
        for entry in list_models()
    ]
    return pd.DataFrame(rows).set_index("name")


def metrics() -> pd.DataFrame:
    """The metrics by name: `unit`, and whether more is better."""
    import pandas as pd

    rows = [
        {"name": metric.name, "unit": metric.unit, "higher_is_better": metric.higher_is_better}
        for metric in all_metrics().values()
    ]
    return pd.DataFrame(rows).set_index("name")
