"""Spreading recordings over processes: each is written once, none is left out."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avbench.preprocessing.simulate import generate as module
from avbench.preprocessing.simulate.world import RecordingSettings


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 5, 6, 14])
def test_every_recording_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, count: int
) -> None:
    written: list[str] = []
    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(workers))
    monkeypatch.setattr(module, "write_recording", lambda folder, settings: written.append(settings.name))
    tasks = [(tmp_path, RecordingSettings(seed=0, split="", index=index)) for index in range(count)]
    names = [settings.name for _, settings in tasks]
    assert Counter(module.generate(tasks, jobs)) == Counter(names)
    assert Counter(written) == Counter(names)
