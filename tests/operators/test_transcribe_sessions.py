"""A recognition session is closed whatever becomes of its turn, once, on the thread that fed it."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from operators_kit import Pushed
from reactivex import Subject
from reactivex.scheduler import EventLoopScheduler
from reactivex.testing import TestScheduler

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Transcript
from rxvoice.events import Dropped
from rxvoice.testing.fakes import FakeTranscriber
from rxvoice.turn import TurnWriter

WAIT_S = 60
BOOM = RuntimeError("unplugged")


def chunk(n: int = 0) -> AudioChunk:
    return AudioChunk(np.full(4, n / 16, np.float32), start=4 * n, speech=True)


class Session:
    def __init__(self, stt: Listener) -> None:
        self.stt = stt
        self.fed = 0
        self.closed: list[threading.Thread] = []
        self.steps = 0

    @property
    def done(self) -> bool:
        return bool(self.closed) and self.steps > self.fed

    def feed(self, samples: Any) -> None:
        assert not self.closed
        self.fed += 1

    def step(self) -> str | None:
        self.steps += 1
        if self.steps == self.stt.fails_at:
            raise BOOM
        self.stt.during(self)
        return f"{self.steps}"

    def close(self) -> None:
        self.closed.append(threading.current_thread())
        if self.stt.close_fails:
            raise BOOM


class Listener:
    """A recogniser that only listens, and has no ``transcribe_turn``."""

    def __init__(self, fails_at: int = 0, *, close_fails: bool = False) -> None:
        self.fails_at = fails_at
        self.close_fails = close_fails
        self.sessions: list[Session] = []
        self.during: Callable[[Session], None] = lambda _: None

    def session(self) -> Session:
        self.sessions.append(Session(self))
        return self.sessions[-1]

    @property
    def closed(self) -> list[int]:
        return [len(it.closed) for it in self.sessions]


class Run(Pushed):
    operator = staticmethod(vox.transcribe)


def begun(stt: Listener, **options: Any) -> tuple[Run, TurnWriter]:
    writer = TurnWriter(1, 0, 16_000)
    run = Run(stt, **options).push(writer.turn)
    writer.append(chunk(1))
    writer.append(chunk(2))
    return run, writer


def test_a_recogniser_needs_no_transcribe_turn() -> None:
    stt = Listener()
    run, writer = begun(stt)
    writer.close("policy", 2)
    assert [it.text for it in run.seen if it.final] == ["3"]
    assert stt.closed == [1]


def test_what_is_heard_is_emitted_though_nothing_is_left_to_do() -> None:
    class Idle(Session):
        done = True

    class Quick(Listener):
        def session(self) -> Session:
            return Idle(self)

    run, writer = begun(Quick())
    assert [it.text for it in run.seen] == ["1", "2"]
    writer.close("policy", 2)
    assert [it.text for it in run.seen if it.final] == ["2"]


def test_half_a_character_at_the_end_becomes_one_that_can_be_written() -> None:
    class Halved(Session):
        def step(self) -> str | None:
            self.steps += 1
            return "ok \ud83d"

    class Half(Listener):
        def session(self) -> Session:
            return Halved(self)

    run, writer = begun(Half())
    writer.close("policy", 2)
    assert [it.text for it in run.seen if it.final] == ["ok \ufffd"]


def test_a_text_that_stays_is_emitted_once() -> None:
    class Same(Session):
        def step(self) -> str | None:
            self.steps += 1
            return "hello"

    class Repeating(Listener):
        def session(self) -> Session:
            return Same(self)

    run, _ = begun(Repeating())
    assert [it.text for it in run.seen] == ["hello"]


def ended(run: Run, writer: TurnWriter, how: str) -> None:
    match how:
        case "over":
            writer.close("policy", 2)
        case "discarded":
            writer.close("discarded", 2)
        case "failed":
            writer.fail(BOOM)
        case "disposed":
            run.life.dispose()
        case "source failed":
            run.source.on_error(BOOM)
        case "disposed while another waits":
            run.push(TurnWriter(2, 8, 16_000).turn)
            run.life.dispose()


HOWS = [
    "over",
    "discarded",
    "failed",
    "disposed",
    "source failed",
    "disposed while another waits",
]


@pytest.mark.parametrize("how", HOWS)
def test_it_is_closed_once(how: str) -> None:
    stt = Listener()
    run, writer = begun(stt)
    ended(run, writer, how)
    assert stt.closed == [1]


@pytest.mark.parametrize("how", HOWS)
def test_on_a_worker_it_is_closed_there(how: str) -> None:
    stt = Listener()
    worker, home = TestScheduler(), TestScheduler()

    def both() -> None:
        for _ in range(4):
            worker.start()
            home.start()

    run, writer = begun(stt, worker=worker, scheduler=home)
    both()
    ended(run, writer, how)
    if how != "over":
        assert stt.closed == [0]
    both()
    assert stt.closed == [1]


@pytest.mark.parametrize("at", [1, 2])
def test_a_session_that_fails_is_closed(at: int) -> None:
    stt = Listener(fails_at=at)
    run, writer = begun(stt)
    writer.close("policy", 2)
    assert stt.closed == [1]
    assert run.end == []


def test_a_session_that_fails_after_its_close_is_not_closed_again() -> None:
    stt = Listener(fails_at=3)
    _, writer = begun(stt)
    writer.close("policy", 2)
    assert stt.closed == [1]


def test_disposal_from_within_a_partial() -> None:
    stt = Listener()
    writer = TurnWriter(1, 0, 16_000)
    run = Run(stt)
    run.push(writer.turn)
    stt.during = lambda _: run.life.dispose()
    writer.append(chunk(1))
    writer.append(chunk(2))
    assert (stt.closed, stt.sessions[0].fed) == ([1], 1)


def test_disposal_as_a_session_begins_for_a_turn_that_is_over() -> None:
    class Ending(Listener):
        def session(self) -> Session:
            run.life.dispose()
            return super().session()

    stt, worker = Ending(), TestScheduler()
    run = Run(stt, worker=worker, scheduler=TestScheduler())
    writer = TurnWriter(1, 0, 16_000)
    writer.close("app", 0)
    run.push(writer.turn)
    worker.start()
    assert stt.closed == [1]


def test_disposal_from_another_thread_waits_for_the_step_in_progress() -> None:
    stt = Listener()
    run, writer = begun(stt)
    closing = threading.Thread(target=run.life.dispose)

    def during(session: Session) -> None:
        closing.start()
        closing.join(0.05)
        assert not session.closed

    stt.during = during
    writer.append(chunk(3))
    closing.join(WAIT_S)
    assert stt.closed == [1]


def test_disposal_by_another_thread_just_before_the_session_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stt = Listener()
    writer = TurnWriter(1, 0, 16_000)
    run = Run(stt)

    class Late:
        """The lock, to which the disposing thread came first."""

        def __init__(self) -> None:
            self._lock = threading.RLock()
            self._first = True

        def __enter__(self) -> None:
            if self._first:
                self._first = False
                run.life.dispose()
            self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            self._lock.release()

    module = sys.modules["rxvoice.operators.transcribe"]  # the name is the function's, too
    monkeypatch.setattr(module, "RLock", Late)
    run.push(writer.turn)
    writer.append(chunk(1))
    assert stt.sessions == []


def test_a_worker_that_is_gone_does_not_keep_it_open() -> None:
    stt = Listener()
    worker = EventLoopScheduler()
    home = TestScheduler()
    run, _ = begun(stt, worker=worker, scheduler=home)
    done = threading.Event()
    worker.schedule(lambda *_: done.set())
    assert done.wait(WAIT_S)
    worker.dispose()
    run.life.dispose()
    assert stt.closed == [1]


def test_a_worker_that_takes_no_more_does_not_keep_it_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: object) -> None:
        raise RuntimeError("Event loop is closed")

    stt, worker = Listener(), TestScheduler()
    run, _ = begun(stt, worker=worker, scheduler=TestScheduler())
    worker.start()
    monkeypatch.setattr(worker, "schedule", closed)
    run.life.dispose()
    assert stt.closed == [1]


def test_a_close_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    stt = Listener(close_fails=True)
    with caplog.at_level(logging.ERROR, "rxvoice"):
        run, _ = begun(stt)
        run.life.dispose()
    (record,) = caplog.records
    assert record.message == "a recogniser raised when it was told to stop listening"


def test_a_session_is_not_begun_for_a_turn_that_was_discarded_while_it_waited() -> None:
    stt = Listener()
    run, writer = begun(stt)
    other = TurnWriter(2, 8, 16_000)
    run.push(other.turn)
    other.append(chunk(3))
    other.close("discarded", 3)
    writer.close("policy", 3)
    assert len(stt.sessions) == 1
    *_, final, dropped = run.seen
    assert isinstance(final, Transcript)
    assert dropped == Dropped(other.turn, "discarded")


@pytest.mark.parametrize("errors", ["event", "raise"])
def test_a_turn_that_was_discarded_is_no_error_and_makes_no_transcript(errors: str) -> None:
    writer = TurnWriter(1, 0, 16_000)
    stt = FakeTranscriber("yes")
    run = Run(stt, errors=errors).push(writer.turn)
    writer.append(chunk(1))
    writer.close("discarded", 1)
    run.push(end=True)
    assert run.seen == [Dropped(writer.turn, "discarded")]
    assert run.end == ["completed"]
    assert stt.given == []


def test_what_a_subscriber_raises_at_a_discarded_turn_does_not_make_it_deaf() -> None:
    stt = FakeTranscriber("yes")
    run = Run(stt)
    run.life.dispose()
    left = [BOOM]

    def heard(_: object) -> None:
        if left:
            raise left.pop()

    run.source.pipe(vox.transcribe(stt)).subscribe(heard)
    one, other = TurnWriter(1, 0, 16_000), TurnWriter(2, 4, 16_000)
    run.push(one.turn)
    with pytest.raises(RuntimeError, match="unplugged"):
        one.close("discarded", 1)
    run.push(other.turn)
    other.append(chunk(1))
    other.close("policy", 1)
    assert len(stt.given) == 1


def test_a_session_that_was_not_begun_is_not_closed(caplog: pytest.LogCaptureFixture) -> None:
    class Stt:
        def session(self) -> Any:
            raise AssertionError("no sound has come")

    source: Subject[Any] = Subject()
    life = source.pipe(vox.transcribe(Stt())).subscribe()
    source.on_next(TurnWriter(1, 0, 16_000).turn)
    life.dispose()
    assert caplog.records == []
