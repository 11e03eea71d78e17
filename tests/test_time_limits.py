"""A model that hangs: its turn fails in time, by the subscription's clock, and says why."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._answers.clock import SubscriptionClock
from rxvoice._answers.limits import Watch, limits
from rxvoice._boundary import Handled
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Transcript
from rxvoice.errors import ConfigError, ModelTimeout, RxvoiceError
from rxvoice.events import TurnFailed
from rxvoice.stage_error import StageError
from rxvoice.turn import Turn, TurnWriter

WAIT = 30
SOUND = np.full(8, 0.5, np.float32)


def turn(id: int = 1) -> Turn:
    return Turn.of(np.zeros(4, np.float32), id=id)


def transcript(id: int = 1) -> Transcript:
    return Transcript(turn(id), "hi")


def reply(id: int = 1) -> Reply:
    return Reply(transcript(id), text="Yes.", delta="Yes.", final=True)


SLOTS = [
    pytest.param(vox.transcribe, turn, "yes", id="transcribe"),
    pytest.param(vox.respond, transcript, "yes", id="respond"),
    pytest.param(vox.synthesize, reply, SOUND, id="synthesize"),
]


DEFAULTS = [*SLOTS, pytest.param(vox.speak, lambda _: "Yes.", SOUND, id="speak")]


class Timed:
    """Collects what an operator emits in virtual time, with the second at which it came."""

    def __init__(self, operator: Any) -> None:
        self.clock = TestScheduler()
        self.source: Subject[Any] = Subject()
        self.seen: list[tuple[float, Any]] = []
        self.life = self.source.pipe(operator).subscribe(
            self.note, self.note, lambda: self.note("over"), scheduler=self.clock
        )

    def note(self, element: Any) -> None:
        self.seen.append((round(self.clock.clock, 6), element))

    def until(self, seconds: float) -> list[tuple[float, str]]:
        self.clock.advance_to(seconds)
        return self.brief()

    def brief(self) -> list[tuple[float, str]]:
        brief: list[tuple[float, str]] = []
        for at, it in self.seen:
            if isinstance(it, TurnFailed):
                brief.append((at, str(it.error)))
            elif isinstance(it, str):
                brief.append((at, it))
            elif it.final:
                brief.append((at, f"{it.turn.id} ok"))
        return brief


@pytest.mark.parametrize(("operator", "element", "answer"), SLOTS)
def test_an_observable_that_never_answers(operator: Any, element: Any, answer: Any) -> None:
    answers: list[Any] = [rx.never(), rx.of(answer)]
    timed = Timed(operator(lambda _: answers.pop(0), timeout_ms=500))
    timed.source.on_next(element(1))
    timed.source.on_next(element(2))
    timed.source.on_completed()
    assert timed.until(0.4) == []
    name = operator.__name__
    failed = f"{name} (turn 1) failed: ModelTimeout: the model gave nothing for 0.5 s"
    assert timed.until(9) == [(0.5, f"{failed} (timeout_ms=500)"), (0.5, "2 ok"), (0.5, "over")]


@pytest.mark.parametrize(("operator", "element", "answer"), DEFAULTS)
def test_the_default_is_half_a_minute(operator: Any, element: Any, answer: Any) -> None:
    timed = Timed(operator(lambda _: rx.never()))
    timed.source.on_next(element(1))
    (failed,) = timed.until(100)
    assert failed[0] == 30


@pytest.mark.parametrize(("operator", "element", "answer"), DEFAULTS)
def test_and_five_minutes_in_all(operator: Any, element: Any, answer: Any) -> None:
    timed = Timed(operator(lambda _: rx.interval(20).pipe(ops.map(lambda _: answer))))
    timed.source.on_next(element(1))
    timed.clock.advance_to(1_000)
    at, failed = timed.seen[-1]
    assert (at, type(failed)) == (300, TurnFailed)


@pytest.mark.parametrize(("operator", "element", "answer"), SLOTS)
def test_none_is_none(operator: Any, element: Any, answer: Any) -> None:
    timed = Timed(operator(lambda _: rx.never(), timeout_ms=None, total_timeout_ms=None))
    timed.source.on_next(element(1))
    assert timed.until(1_000_000) == []


def test_the_error_is_a_timeout_with_a_cause() -> None:
    timed = Timed(vox.respond(lambda _: rx.never(), timeout_ms=500))
    timed.source.on_next(transcript())
    timed.until(1)
    ((_, failed),) = timed.seen
    assert isinstance(failed.error, StageError)
    cause = failed.error.cause
    assert isinstance(cause, ModelTimeout)
    assert isinstance(cause, TimeoutError)
    assert isinstance(cause, RxvoiceError)
    assert cause.seconds == pytest.approx(0.5)


def test_with_errors_raise_the_stream_ends() -> None:
    timed = Timed(vox.respond(lambda _: rx.never(), timeout_ms=500, errors="raise"))
    timed.source.on_next(transcript())
    timed.clock.advance_to(1)
    ((at, error),) = timed.seen
    assert at == 0.5
    assert isinstance(error, StageError)


def test_silence_is_counted_from_piece_to_piece() -> None:
    """An answer that goes on is not cut, however long it takes in all."""

    def pieces(_: str) -> Observable[str]:
        return rx.timer(0.4, 0.4).pipe(ops.take(5), ops.map(str), ops.concat(rx.never()))

    timed = Timed(vox.respond(pieces, timeout_ms=500))
    timed.source.on_next(transcript())
    (failed,) = timed.until(100)
    assert failed[0] == pytest.approx(5 * 0.4 + 0.5)


def test_a_step_without_text_is_a_sign_of_life() -> None:
    timed = Timed(vox.respond(lambda _: rx.timer(0.4, 0.4).pipe(ops.map(lambda _: ""))))
    timed.source.on_next(transcript())
    assert timed.until(100) == []


def test_in_total() -> None:
    """An answer that goes on for ever fails too."""
    babble = vox.respond(
        lambda _: rx.interval(0.4).pipe(ops.map(str)), timeout_ms=500, total_timeout_ms=3_000
    )
    timed = Timed(babble)
    timed.source.on_next(transcript())
    (failed,) = timed.until(100)
    what = "respond (turn 1) failed: ModelTimeout: the model was not done after 3 s"
    assert failed == (3.0, f"{what} (total_timeout_ms=3000)")


def test_a_late_piece_is_not_delivered() -> None:
    timed = Timed(vox.respond(lambda _: rx.timer(0.7).pipe(ops.map(str)), timeout_ms=500))
    timed.source.on_next(transcript())
    timed.until(100)
    assert [type(it) for _, it in timed.seen] == [TurnFailed]


def test_one_timer_for_all_the_pieces_of_an_answer() -> None:
    timed = Timed(
        vox.respond(lambda _: rx.interval(0.001).pipe(ops.take(900), ops.map(str)), timeout_ms=500)
    )
    armed: list[float] = []
    schedule = timed.clock.schedule_relative

    def counting(duetime: Any, action: Any, state: Any = None) -> Any:
        if getattr(action, "__qualname__", "").startswith("SubscriptionClock.after"):
            armed.append(duetime)
        return schedule(duetime, action, state)

    timed.clock.schedule_relative = counting  # type: ignore[method-assign]
    timed.source.on_next(transcript())
    assert timed.until(100) == [(0.9, "1 ok")]
    assert len(armed) <= 3


# On a worker


class Hangs:
    """A model whose first answer hangs at a step, until it is released."""

    def __init__(self, after: int = 0) -> None:
        self.after = after
        self.hangs, self.released = threading.Event(), threading.Event()
        self.asked = 0

    def __call__(self, _: object) -> Iterator[str]:
        self.asked += 1
        first = self.asked == 1
        for n in range(3):
            if first and n == self.after:
                self.hangs.set()
                assert self.released.wait(WAIT)
            yield "x"


@pytest.mark.parametrize("home", [True, False])
@pytest.mark.parametrize("after", [0, 1])
def test_a_worker_that_hangs(after: int, home: bool) -> None:
    """Its turn and those that wait for it fail; the worker and everything else go on."""
    worker = EventLoopScheduler()
    conversation = EventLoopScheduler() if home else None
    model = Hangs(after)
    seen: list[Any] = []
    failed, done = threading.Semaphore(0), threading.Event()

    def note(element: Any) -> None:
        seen.append(element)
        if isinstance(element, TurnFailed):
            failed.release()
        elif element.final:
            done.set()

    source: Subject[Any] = Subject()
    source.pipe(vox.respond(model, worker=worker, timeout_ms=30)).subscribe(
        note, scheduler=conversation
    )
    source.on_next(transcript(1))
    source.on_next(transcript(2))
    assert failed.acquire(timeout=WAIT)
    assert failed.acquire(timeout=WAIT), "it waits for the worker"
    model.released.set()
    idle = threading.Event()
    worker.schedule(lambda *_: worker.schedule(lambda *_: idle.set()))
    assert idle.wait(WAIT)
    # Time counts from here: a worker that is slow to begin is late, too.
    source.on_next(transcript(3))
    assert done.wait(WAIT) or failed.acquire(blocking=False)
    worker.dispose()
    if conversation is not None:
        conversation.dispose()
    ends = [it.turn.id for it in seen if isinstance(it, TurnFailed) or it.final]
    assert ends == [1, 2, 3]


class Room:
    """A sink that has no room until it is told."""

    def __init__(self) -> None:
        self.queued_ms = 10_000
        self.played: Subject[int] = Subject()


def test_what_waits_for_room_in_the_loudspeaker_is_not_silence() -> None:
    clock = TestScheduler()
    sink: Any = Room()
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    worker = rxv.paced(clock, sink)
    source.pipe(vox.synthesize(lambda _: iter([SOUND]), worker=worker, timeout_ms=500)).subscribe(
        seen.append, scheduler=clock
    )
    source.on_next(reply())
    clock.advance_to(60)
    assert seen == []
    sink.queued_ms = 0
    sink.played.on_next(1)
    clock.advance_to(61)
    assert [it.final for it in seen] == [False, True]


# A recogniser that listens while the user speaks


class Session:
    def __init__(self, log: list[str], hangs_at: int) -> None:
        self.log = log
        self.hangs_at = hangs_at
        self.fed = 0
        self.done = False

    def feed(self, samples: Any) -> None:
        self.fed += 1

    def step(self) -> list[str]:
        return [f"{self.fed} "]

    def close(self) -> None:
        self.done = True


class Streaming:
    def __init__(self, session: Any) -> None:
        self.session = session

    def transcribe_turn(self, audio: Any) -> str:
        raise AssertionError


def test_a_user_who_goes_on_speaking_is_no_silent_recogniser() -> None:
    worker = clock = TestScheduler()
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    stt: Any = Streaming(lambda: Session([], 0))
    source.pipe(
        vox.transcribe(stt, worker=worker, timeout_ms=500, total_timeout_ms=2_000)
    ).subscribe(seen.append, scheduler=clock)
    writer = TurnWriter(1, 0, 16_000)
    source.on_next(writer.turn)
    chunk = AudioChunk(np.zeros(512, np.float32), 16_000, 0, speech=True)
    for second in range(100):
        clock.advance_to(second)
        writer.append(chunk)
    clock.advance_to(200)
    writer.close("source", 100)
    clock.advance_to(300)
    assert not any(isinstance(it, TurnFailed) for it in seen)
    assert seen[-1].final


def test_one_that_is_never_done_fails_in_total() -> None:
    class Never(Session):
        def close(self) -> None:
            clock.advance_by(0)

        def step(self) -> list[str]:
            if self.fed == 1:
                clock._clock += 0.1  # type: ignore[operator]
            return []

    clock = TestScheduler()
    seen: list[Any] = []
    stt: Any = Streaming(lambda: Never([], 0))
    rx.of(turn(1)).pipe(vox.transcribe(stt, total_timeout_ms=1_000)).subscribe(
        seen.append, scheduler=clock
    )
    clock.start()
    (failed,) = seen
    assert "was not done after" in str(failed.error)


def test_the_question_that_takes_too_long_is_the_one_that_fails() -> None:
    """A recording has a line for each that a streaming recogniser is asked."""
    clock: Any = TestScheduler()
    told: list[str] = []

    class Recording:
        asked = 0

        def ask(self, stage: str, turn: Turn, text: str | None, handled: Handled) -> Handled:
            self.asked += 1
            number = self.asked

            def fail(error: BaseException) -> None:
                told.append(f"{number} {error}")
                handled.fail(error)

            return Handled(handled.take, handled.end, fail)

    class SlowAtTheThird(Session):
        def step(self) -> list[str]:
            if self.fed == 3:
                clock._clock += 0.75
            return []

    clock.boundary = Recording()
    source: Subject[Any] = Subject()
    stt: Any = Streaming(lambda: SlowAtTheThird([], 0))
    source.pipe(vox.transcribe(stt, timeout_ms=500)).subscribe(scheduler=clock)
    writer = TurnWriter(1, 0, 16_000)
    source.on_next(writer.turn)
    for _ in range(3):
        writer.append(AudioChunk(np.zeros(512, np.float32), 16_000, 0, speech=True))
    assert told == ["3 the model gave nothing for 0.75 s (timeout_ms=500)"]


# In place


def test_a_call_in_place_is_too_late_when_it_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(_: str) -> str:
        now[0] += 31
        return "too late"

    seen: list[Any] = []
    rx.of(transcript()).pipe(vox.respond(slow)).subscribe(seen.append)
    (failed,) = seen
    assert str(failed.error.cause) == "the model gave nothing for 31 s (timeout_ms=30000)"


def test_between_two_pieces_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    closed: list[bool] = []

    def babble(_: str) -> Iterator[str]:
        try:
            while True:
                now[0] += 1
                yield "x"
        finally:
            closed.append(True)

    seen: list[Any] = []
    rx.of(transcript()).pipe(vox.respond(babble, total_timeout_ms=5_000)).subscribe(seen.append)
    assert closed == [True]
    assert len(seen) == 5
    assert "not done after 5 s (total_timeout_ms=5000)" in str(seen[-1].error)


def test_what_a_model_raises_late_is_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(_: str) -> str:
        now[0] += 31
        raise ValueError("no network")

    seen: list[Any] = []
    rx.of(transcript()).pipe(vox.respond(slow)).subscribe(seen.append)
    assert "ValueError: no network" in str(seen[0].error)


@pytest.mark.parametrize("virtual", [False, True])
def test_an_async_answer_that_is_waited_for_in_place(virtual: bool) -> None:
    """Virtual time does not pass while somebody waits, so real time counts."""
    ended = threading.Event()

    async def hangs(_: str) -> AsyncIterator[str]:
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            ended.set()

    seen: list[Any] = []
    source: Subject[Any] = Subject()
    source.pipe(vox.respond(hangs, timeout_ms=30)).subscribe(
        seen.append, scheduler=TestScheduler() if virtual else None
    )
    source.on_next(transcript())
    assert ended.wait(WAIT)
    assert [type(it) for it in seen] == [Reply, TurnFailed]
    assert "timeout_ms=30)" in str(seen[1].error)


def test_an_async_answer_that_does_not_close_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from rxvoice._answers import tasks

    monkeypatch.setattr(tasks, "CLOSING_S", 0.02)
    release: list[Any] = []

    async def hangs(_: str) -> AsyncIterator[str]:
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            gate = asyncio.Event()
            release.append((asyncio.get_running_loop(), gate))
            await gate.wait()

    seen: list[Any] = []
    rx.of(transcript()).pipe(vox.respond(hangs, timeout_ms=20)).subscribe(seen.append)
    assert [type(it) for it in seen] == [Reply, TurnFailed]
    assert "takes longer than 0.02 s to be closed" in caplog.text
    loop, gate = release[0]
    loop.call_soon_threadsafe(gate.set)


def test_without_a_scheduler_a_thread_for_timers_tells() -> None:
    seen: list[Any] = []
    failed = threading.Event()
    source: Subject[Any] = Subject()
    answers: list[Any] = [rx.never(), "yes"]
    source.pipe(vox.respond(lambda _: answers.pop(0), timeout_ms=20)).subscribe(
        lambda it: (seen.append(it), failed.set())
    )
    source.on_next(transcript(1))
    assert failed.wait(WAIT)
    source.on_next(transcript(2))
    assert [it.turn.id for it in seen] == [1, 2, 2]


# A policy that answers later


def spoken(policy: Any, **options: Any) -> list[Any]:
    """How turns end in speech and then 2 s of silence, three times."""
    chunks = ([_chunk(True)] + [_chunk(False)] * 20) * 3
    ends: list[Any] = []
    rx.from_iterable(chunks).pipe(
        vox.turn_window(policy, **options),
        ops.flat_map(lambda it: it.pipe(ops.materialize(), ops.last(), ops.map(lambda _: it))),
    ).subscribe(ends.append)
    return ends


def _chunk(speech: bool) -> AudioChunk:
    return AudioChunk(np.zeros(1600, np.float32), 16_000, 0, speech=speech)


def test_a_policy_that_never_answers_fails_its_turn() -> None:
    failed = [it for it in spoken(lambda *_: rx.never(), timeout_ms=500) if it.ended_by is None]
    assert len(failed) == 3
    errors: list[Any] = []
    failed[0].subscribe(on_error=errors.append)
    assert str(errors[0]) == (
        "turn_window (turn 1) failed: ModelTimeout: the policy gave no answer for 0.5 s of "
        "silence (timeout_ms=500)"
    )


def test_a_policy_that_says_no_has_answered() -> None:
    def no(observer: Any, scheduler: Any = None) -> Any:
        observer.on_next(False)
        return lambda: None

    (ended,) = spoken(lambda *_: Observable(no), timeout_ms=500)
    assert ended.ended_by == "source"


def test_a_policy_may_take_its_time() -> None:
    (ended,) = spoken(lambda *_: rx.never(), timeout_ms=None)
    assert ended.ended_by == "source"


# The arguments


@pytest.mark.parametrize("name", ["timeout_ms", "total_timeout_ms"])
@pytest.mark.parametrize("value", [0, -1, "1", True, float("nan"), float("inf")])
@pytest.mark.parametrize("operator", [vox.transcribe, vox.respond, vox.synthesize])
def test_bad_limits(operator: Any, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{operator.__name__} {name} must be at least 1 ms"):
        operator(lambda _: "", **{name: value})


@pytest.mark.parametrize("value", [0, "1", True])
def test_a_bad_limit_of_a_policy(value: Any) -> None:
    with pytest.raises(ConfigError, match="turn_window timeout_ms must be at least 1 ms"):
        vox.turn_window(timeout_ms=value)


# The watch alone


def watched(**options: Any) -> tuple[Watch, TestScheduler, list[ModelTimeout]]:
    from reactivex.disposable import CompositeDisposable

    clock = TestScheduler()
    late: list[ModelTimeout] = []
    limit = limits("it", options.get("timeout_ms", 500), options.get("total_timeout_ms"))
    return Watch(limit, SubscriptionClock(clock), CompositeDisposable(), late.append), clock, late


def test_nothing_is_late_that_was_not_asked_for() -> None:
    watch, clock, late = watched()
    watch.asked()
    watch.arm()
    clock.advance_to(0.3)
    assert watch.came()
    clock.advance_to(100)
    watch.asked()
    watch.arm()
    clock.advance_to(100.4)
    assert late == []
    clock.advance_to(100.5)
    assert [str(it) for it in late] == ["the model gave nothing for 0.5 s (timeout_ms=500)"]
    assert not watch.came(), "it is told once"
    clock.advance_to(1000)
    assert len(late) == 1


def test_a_late_one_is_told_by_whoever_sees_it_first() -> None:
    watch, clock, late = watched()
    watch.asked()
    clock.advance_to(0.6)
    assert not watch.came()
    watch.expire()
    assert len(late) == 1


def test_disposed_of_it_tells_nothing() -> None:
    watch, clock, late = watched()
    watch.asked()
    watch.arm()
    watch.dispose()
    clock.advance_to(100)
    watch.expire()
    assert late == []
