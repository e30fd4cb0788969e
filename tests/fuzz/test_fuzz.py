"""2,000 damaged files through the commands that read them: no traceback, no hang, no signal.

`pytest -m fuzz` runs all. A mutant that fails is kept in `fuzz-failures/` with its kind and number, and

    FUZZ_KIND="board.json" FUZZ_NUMBER=17 pytest -m fuzz tests/fuzz/test_fuzz.py::test_one_mutant_alone -s

runs it alone.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from fuzz.harness import Result, replay, run_commands, run_recordings, shares, whole_files
from fuzz.targets import NOTHING_READ, make_whole_files, whole_file
from fuzz.worker import BY_KIND, mutated, run_command

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(1800)]

MUTANTS = int(os.environ.get("FUZZ_MUTANTS", "2000"))
FAILURES = Path("fuzz-failures")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")

    def run(arguments: Sequence[str], where: Path) -> None:
        verdict = run_command(arguments, where)
        assert verdict.outcome == "accepted", verdict.said

    make_whole_files(folder, run)
    return folder


def test_no_damaged_file_ends_in_a_traceback_a_hang_or_a_signal(base: Path, tmp_path: Path) -> None:
    whole = whole_files(base, tmp_path)
    assert {kind: verdict for kind, verdict in whole.items() if verdict.outcome != "accepted"} == {}
    requests = [(kind, number) for kind, count in shares(MUTANTS).items() for number in range(count)]
    results = [
        *run_recordings(base, tmp_path, [one for one in requests if BY_KIND[one[0]].recording]),
        *run_commands(base, tmp_path, [one for one in requests if not BY_KIND[one[0]].recording]),
    ]
    assert len(results) == MUTANTS
    unexplained = []
    reasons: Counter[tuple[str, str, str]] = Counter()
    for result in results:
        if result.outcome == "accepted":
            same = result.said == whole[result.kind].said
            reason = NOTHING_READ if same else BY_KIND[result.kind].accepted
            if not reason:
                unexplained.append(result)
            reasons[result.kind, "accepted", reason or "NOT EXPLAINED"] += 1
        else:
            reasons[result.kind, result.outcome, "its worker died" if "worker process died" in result.said else ""] += 1
    for (kind, outcome, reason), count in sorted(reasons.items()):
        print(f"{count:5} {kind:22} {outcome}{': ' if reason else ''}{reason}")
    failed = [one for one in results if one.outcome not in ("accepted", "refused")] + unexplained
    keep(base, failed)
    totals = Counter(result.outcome for result in results)
    print(", ".join(f"{count} {outcome}" for outcome, count in totals.most_common()))
    assert not failed, "\n\n".join(f"{one.kind} {one.number}: {one.outcome}\n{one.said}" for one in failed[:5])


def keep(base: Path, failed: Sequence[Result]) -> None:
    """The mutants that failed, with what they did."""
    shutil.rmtree(FAILURES, ignore_errors=True)
    for one in failed:
        target = BY_KIND[one.kind]
        whole = whole_file(base, target)
        name, data = mutated(target, one.number, whole.read_bytes())
        folder = FAILURES / f"{one.kind}-{one.number}"
        folder.mkdir(parents=True)
        (folder / whole.name).write_bytes(data)
        (folder / "said.txt").write_text(f"{one.kind} {one.number} {name}: {one.outcome}\n{one.said}\n", "utf-8")


@pytest.mark.skipif("FUZZ_KIND" not in os.environ, reason="names no mutant")
def test_one_mutant_alone(base: Path, tmp_path: Path) -> None:
    result = replay(base, tmp_path, os.environ["FUZZ_KIND"], int(os.environ["FUZZ_NUMBER"]))
    print(f"{result.outcome}: {result.said}")
    assert result.outcome in ("accepted", "refused")
