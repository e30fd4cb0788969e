"""Long tasks beside each other."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from avbench.benchmark.base.side_by_side import Check, side_by_side

LONG_S = 30.0


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(jobs: int) -> None:
    def task(number: int) -> Callable[[Check], int]:
        return lambda check: (check(), number)[1]

    assert side_by_side([task(number) for number in range(7)], jobs) == list(range(7))
    assert side_by_side([], jobs) == []


def test_two_tasks_run_at_once_and_no_third() -> None:
    both = threading.Barrier(2, timeout=LONG_S)
    lock, running, most = threading.Lock(), 0, 0

    def task(_: Check) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        # Alone, a task would wait here in vain.
        both.wait()
        with lock:
            running -= 1
        both.wait()
        return threading.get_ident()

    assert len(set(side_by_side([task] * 6, 2))) == 2
    assert most == 2


def test_one_job_works_in_the_caller_s_thread() -> None:
    assert side_by_side([lambda _: threading.get_ident()], 1) == [threading.get_ident()]


def test_a_failure_ends_the_tasks_beside_it_and_begins_no_other() -> None:
    begun: list[str] = []
    under_way, failed = threading.Event(), threading.Event()

    def long(check: Check) -> None:
        begun.append("long")
        under_way.set()
        assert failed.wait(LONG_S)
        while True:
            check()

    def fails(_: Check) -> None:
        begun.append("fails")
        assert under_way.wait(LONG_S)
        failed.set()
        raise KeyError("what happened")

    def never(_: Check) -> None:
        begun.append("never")

    with pytest.raises(KeyError, match="what happened"):
        side_by_side([long, fails, never, never], 2)
    assert sorted(begun) == ["fails", "long"]


def test_an_interrupted_caller_ends_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way, ended = threading.Event(), threading.Event()

    def long(check: Check) -> None:
        under_way.set()
        try:
            while True:
                check()
        finally:
            ended.set()

    def interrupted(*_: object, **__: object) -> None:
        assert under_way.wait(LONG_S)
        raise KeyboardInterrupt

    monkeypatch.setattr("avbench.benchmark.base.side_by_side.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        side_by_side([long], 2)
    assert ended.is_set()
