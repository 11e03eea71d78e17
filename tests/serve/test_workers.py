"""Threads that wait for servers: each session's work in order, many sessions at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Barrier, Event, current_thread

import pytest
from reactivex.internal import DisposedException

from rxvoice._check import check_worker
from rxvoice.serve._workers import StageWorkers, WaitingThreads

WAIT = 60


@pytest.fixture
def threads() -> Iterator[WaitingThreads]:
    threads = WaitingThreads(4)
    yield threads
    threads.shutdown()


def test_the_actions_of_a_session_run_in_order(threads: WaitingThreads) -> None:
    worker = threads.worker()
    check_worker("respond", worker)
    ran: list[int] = []
    over = Event()
    begun, go_on = Event(), Event()

    def hold(*_: object) -> None:
        begun.set()
        go_on.wait(WAIT)

    worker.schedule(hold)
    assert begun.wait(WAIT)
    for number in range(100):
        worker.schedule(lambda _, state: ran.append(state or 0), number)
    worker.schedule(lambda *_: over.set())
    go_on.set()
    assert over.wait(WAIT)
    assert ran == list(range(100))


def test_several_sessions_wait_at_once(threads: WaitingThreads) -> None:
    all_wait = Barrier(5)
    for _ in range(4):
        threads.worker().schedule(lambda *_: all_wait.wait(WAIT) and None)
    all_wait.wait(WAIT)  # it would break if one of them had to wait for another


def test_what_raises_ends_nothing_else(
    threads: WaitingThreads, caplog: pytest.LogCaptureFixture
) -> None:
    worker = threads.worker()
    over = Event()

    def fail(*_: object) -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR, "rxvoice"):
        worker.schedule(fail)
        worker.schedule(lambda *_: over.set())
        assert over.wait(WAIT)
    assert "a step of a session raised" in caplog.text


def test_a_timer_runs_there_too_and_an_action_can_be_taken_back(threads: WaitingThreads) -> None:
    worker = threads.worker()
    names: list[str] = []
    over = Event()

    def late(*_: object) -> None:
        names.append(current_thread().name)
        over.set()

    taken_back = worker.schedule_relative(3600, lambda *_: names.append("never"))
    taken_back.dispose()
    worker.schedule_relative(0.01, late)
    assert over.wait(WAIT)
    assert names[0].startswith("rxvoice-waiting")


def test_after_the_shutdown_an_action_is_refused() -> None:
    threads = WaitingThreads(1)
    worker = threads.worker()
    threads.shutdown()
    closed: list[bool] = []

    def pieces() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    waiting = pieces()
    next(waiting)
    with pytest.raises(DisposedException, match="the server takes no more work"):
        worker.schedule(lambda *_: None, waiting)
    assert closed == [True]


def test_each_session_has_workers_of_its_own(threads: WaitingThreads) -> None:
    workers = StageWorkers(make_text=threads.worker)
    assert workers.listening is None
    assert workers.speech is None
    assert workers.text is not workers.text
