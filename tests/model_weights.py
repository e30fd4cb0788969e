"""Which weights the tests of the learned models run with."""

from __future__ import annotations

import os
from pathlib import Path

from avbench.benchmark.models.learned.bundle_files import BUNDLE_NAME, SHIPPED

WEIGHTS_VARIABLE = "AVBENCH_TEST_WEIGHTS"


def trained_weights() -> Path | None:
    """The bundle that the environment names, else the shipped one, None where there is neither."""
    named = os.environ.get(WEIGHTS_VARIABLE)
    if named:
        return Path(named).resolve()
    return SHIPPED if (SHIPPED / BUNDLE_NAME).is_file() else None
