"""`run.json`: how a run was made, for a stranger who wants to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avbench.benchmark.base.interpreter import Interpreter
from avbench.benchmark.base.provenance import git_state, machine
from avbench.benchmark.evaluation.plan import EvaluationPlan
from avbench.benchmark.running.run import Run, RunSettings


def run_document(
    run: Run, settings: RunSettings, plan: EvaluationPlan, command: Sequence[str], interpreter: Interpreter | None
) -> dict[str, Any]:
    """The manifest of a run as JSON values.

    Args:
        run: What came of it.
        settings: How the model was run.
        plan: Under which conditions.
        command: What was typed.
        interpreter: The interpreter that the model ran with, None for this one.
    """
    in_process = settings.timeout_s is None and interpreter is None
    return {
        "command": list(command),
        **plan.to_json(),
        "golden_mismatches": run.settings["golden_mismatches"],
        "settings": run.settings,
        "harness": {
            "batch_size": settings.batch_size,
            "workers": settings.threads,
            "timeout_s": settings.timeout_s,
            "model_in_its_own_process": not in_process,
        },
        "batch_size_changes": [change.to_json() for change in run.batch_changes],
        "conditions_not_seen_by_the_model": dict(run.same_as or {}),
        "git": git_state(),
        "machine": {**machine(), "device": run.device_name},
        "model_environment": _environment(run, interpreter),
        "pairs": run.pairs,
        "resumed_pairs": run.resumed_pairs,
        "predictions_sha256": run.predictions.content_sha256(),
        "seconds": {phase: round(seconds, 3) for phase, seconds in run.seconds.items()},
        "peak_memory_mib": round(run.peak_memory_mib, 1),
        "model_peak_memory_mib": round(run.model_peak_memory_mib, 1),
    }


def _environment(run: Run, interpreter: Interpreter | None) -> dict[str, Any] | None:
    """What the model ran with, None where that is what `machine` and the packages of `settings` say."""
    if interpreter is None or run.environment is None:
        return None
    return {
        "interpreter": str(interpreter.path),
        "python": run.environment.python,
        "imported_packages": dict(run.environment.imported),
        "installed_packages": dict(run.environment.installed),
    }
