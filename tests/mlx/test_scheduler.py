"""The model thread: its order in virtual time, then the thread itself."""

from __future__ import annotations

import gc
import logging
import os
import random
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.internal import DisposedException
from reactivex.scheduler import CatchScheduler
from reactivex.testing import TestScheduler
from thorough import some

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._answers.deliver import deliver
from rxvoice._threads.ready import Ready, Step
from rxvoice.elements import Transcript
from rxvoice.errors import ConfigError
from rxvoice.mlx.scheduler import MlxScheduler
from rxvoice.offline import llm
from rxvoice.turn import Turn

NAME = "rxvoice-mlx"


def await_(event: threading.Event) -> None:
    assert event.wait(30), "it never happened"


# The queue: no thread, no clock.


class Table:
    """A queue whose steps write their names down, and a clock set by hand."""

    def __init__(self, *priorities: int, patience: int = 4) -> None:
        self.ready = Ready(patience)
        self.lanes = [self.ready.lane(priority) for priority in priorities]
        self.now = 0.0
        self.ran: list[str] = []

    def add(self, name: str, lane: int = 0, *, after: float = 0.0) -> Step:
        step = Step(lambda: self.ran.append(name))
        self.ready.add(self.lanes[lane], step, self.now, after)
        return step

    def job(self, name: str, lane: int = 0) -> None:
        """One that goes on for ever."""

        def action() -> None:
            self.ran.append(name)
            self.ready.add(self.lanes[lane], Step(action), self.now)

        self.ready.add(self.lanes[lane], Step(action), self.now)

    def run(self, steps: int = 1_000_000) -> str:
        while steps and (step := self.ready.take(self.now)) is not None:
            step.run()
            steps -= 1
        return "".join(self.ran)


def test_a_lane_is_first_in_first_out() -> None:
    table = Table(0)
    for name in "abc":
        table.add(name)
    assert table.run() == "abc"
    assert table.ready.take(0.0) is None


def test_jobs_of_a_lane_take_turns() -> None:
    table = Table(0)
    for name in "abc":
        table.job(name)
    assert table.run(8) == "abcabcab"


def test_the_highest_lane_goes_first_whenever_it_was_made() -> None:
    table = Table(0, 20, 10)
    for name, lane in (("t", 0), ("l", 2), ("s", 1), ("S", 1)):
        table.add(name, lane)
    assert table.run() == "sSlt"


def test_lanes_of_one_priority_keep_the_order_they_were_made_in() -> None:
    table = Table(0, 0)
    table.add("b", 1)
    table.add("a", 0)
    assert table.run() == "ab"


@pytest.mark.parametrize(
    ("patience", "wanted"),
    [(1, "slstslstslst"), (2, "sslsstsslsst"), (4, "sssslsssstssssl")],
)
def test_no_lane_starves(patience: int, wanted: str) -> None:
    table = Table(20, 10, 0, patience=patience)
    for lane, name in enumerate("slt"):
        table.job(name, lane)
    assert table.run(len(wanted)) == wanted


def test_an_idle_lane_saves_nothing_up() -> None:
    table = Table(1, 0, patience=3)
    table.job("a")
    assert table.run(50) == "a" * 50
    table.job("b", 1)
    assert table.run(9)[50:] == "aaabaaaba"


def test_who_has_just_come_has_not_waited_long() -> None:
    table = Table(2, 1, 0, patience=2)
    table.add("l", 1)
    table.add("t", 2)
    table.job("s")
    assert table.run(6) == "sslsst"
    table.add("T", 2)
    table.run(1)
    table.add("L", 1)
    assert table.run(5)[6:] == "ssTssL"


def test_a_lane_alone_counts_as_passing_nobody_over() -> None:
    table = Table(1, 0, patience=2)
    for _ in range(5):
        table.add("a")
    assert table.run(5) == "aaaaa"
    table.add("b", 1)
    table.add("a")
    assert table.run()[5:] == "ab"


@pytest.mark.parametrize("patience", [1, 3, 8])
@pytest.mark.parametrize("lanes", [2, 3, 7])
def test_the_bound_on_starving_holds_whatever_comes(lanes: int, patience: int) -> None:
    rng = random.Random(lanes * 100 + patience)
    table = Table(*range(lanes, 0, -1), patience=patience)
    waiting = [0] * lanes
    unserved = [0] * lanes
    out_of_order = 0
    for _ in range(5_000):
        for lane in range(lanes):
            # The highest are the busiest, and every now and then one falls silent.
            while waiting[lane] < 3 and rng.random() < 0.9 - 0.1 * lane:
                table.add(str(lane), lane)
                waiting[lane] += 1
        if not any(waiting):
            continue
        step = table.ready.take(0.0)
        assert step is not None
        step.run()
        lane = int(table.ran[-1])
        highest = next(i for i in range(lanes) if waiting[i])
        out_of_order = out_of_order + 1 if lane != highest else 0
        assert out_of_order <= 1
        waiting[lane] -= 1
        for other in range(lanes):
            unserved[other] = unserved[other] + 1 if waiting[other] and other != lane else 0
        assert max(unserved) < lanes * (patience + 1)


def test_a_timer_joins_the_back_of_its_lane_when_it_is_due() -> None:
    table = Table(0)
    table.add("c", after=0.3)
    table.add("b", after=0.2)
    table.add("B", after=0.2)
    table.add("a")
    assert table.run() == "a"
    assert table.ready.until_due(0.0) == 0.2
    table.now = 0.25
    table.add("d")  # after those that were due before it came
    assert table.run() == "abBd"
    assert table.ready.until_due(0.25) == pytest.approx(0.05)
    table.now = 0.3
    assert table.ready.until_due(0.5) == 0.0
    assert table.run() == "abBdc"
    assert table.ready.until_due(0.3) is None


def test_a_timer_that_is_due_obeys_priorities() -> None:
    table = Table(1, 0)
    table.add("t", 1)
    table.add("s", 0, after=0.1)
    table.now = 0.1
    assert table.run() == "st"


def test_a_disposed_step_never_runs_nor_counts() -> None:
    table = Table(1, 0, patience=1)
    first, second = table.add("a"), table.add("b", 1)
    late = table.add("c", after=0.1)
    for step in (first, second, late):
        step.dispose()
        step.dispose()
    assert table.ready.until_due(0.0) is None
    table.now = 1.0
    table.add("d", 1)
    assert table.run() == "d"
    assert [lane.taken for lane in table.lanes] == [0, 1]


def test_a_disposed_step_lets_go_of_what_it_holds() -> None:
    class Payload:
        pass

    ready = Ready(4)
    lane = ready.lane(0)
    for delay in (0.0, 100.0):
        payload = Payload()
        gone = weakref.ref(payload)
        step = Step(lambda payload=payload: None, payload)
        del payload
        ready.add(lane, step, 0.0, delay)
        assert gone() is not None
        step.dispose()
        assert gone() is None


def test_disposed_timers_do_not_pile_up() -> None:
    ready = Ready(4)
    lane = ready.lane(0)
    for _ in range(10_000):
        step = Step(lambda: None)
        ready.add(lane, step, 0.0, 100.0)
        step.dispose()
    assert len(ready._timers) <= 64
    kept = [Step(lambda: None) for _ in range(1000)]
    for step in kept:
        ready.add(lane, step, 0.0, 100.0)
    assert ready.clear() == kept


def test_what_an_action_returns_is_disposed_with_its_step() -> None:
    seen: list[str] = []
    step = Step(lambda: Disposable(lambda: seen.append("before")))
    step.run()
    step.dispose()
    itself: list[Step] = []

    def action() -> Disposable:
        itself[0].dispose()
        return Disposable(lambda: seen.append("during"))

    itself.append(Step(action))
    itself[0].run()
    assert seen == ["before", "during"]


def test_a_step_runs_once() -> None:
    table = Table(0)
    step = table.add("a")
    step.run()
    step.run()
    assert table.run() == "a"


def test_the_longest_wait_of_each_lane() -> None:
    table = Table(1, 0)
    table.add("s")
    table.add("t", 1)
    table.now = 0.2
    table.run(1)
    table.add("S", after=0.1)
    table.now = 0.5
    table.run()
    # A timer waits from when it was due: 0.3.
    assert [lane.longest_wait for lane in table.lanes] == pytest.approx([0.2, 0.5])


def test_clear_takes_all_that_waits_and_closes_generators_when_dropped() -> None:
    closed: list[str] = []

    def generator() -> Iterator[None]:
        try:
            yield
        finally:
            closed.append("closed")

    ready = Ready(4)
    lane = ready.lane(0)
    going = generator()
    next(going)
    gone = Step(lambda: None)
    ready.add(lane, gone, 0.0)
    gone.dispose()
    ready.add(lane, Step(lambda: None, going), 0.0)
    ready.add(lane, Step(lambda: None, "state"), 0.0, 5.0)
    steps = ready.clear()
    assert len(steps) == 2
    assert ready.take(9.0) is None
    assert ready.until_due(0.0) is None
    for step in steps:
        step.drop()
    assert closed == ["closed"]
    assert all(step.is_over for step in steps)


# The thread.


class Hold:
    """An action that keeps the thread busy until it is released, so that what comes has to wait."""

    def __init__(self, then: Callable[[], object] = int) -> None:
        self.entered, self.released = threading.Event(), threading.Event()
        self.then = then

    def __call__(self, *_: object) -> None:
        self.entered.set()
        await_(self.released)
        self.then()

    def on(self, scheduler: rx.abc.SchedulerBase) -> Hold:
        scheduler.schedule(self)
        await_(self.entered)
        return self

    def release(self) -> None:
        self.released.set()


def gated(scheduler: rx.abc.SchedulerBase) -> Callable[[], None]:
    return Hold().on(scheduler).release


def drained(scheduler: rx.abc.SchedulerBase) -> None:
    """Wait until all that is in this lane, and in those above, has run."""
    done = threading.Event()
    scheduler.schedule(lambda *_: done.set())
    await_(done)


def model_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


@pytest.fixture
def scheduler() -> Iterator[MlxScheduler]:
    assert not model_threads()
    with MlxScheduler() as scheduler:
        yield scheduler
    for thread in model_threads():  # a busy machine may exceed the 2 s that the end waits for it
        thread.join(60)
    assert not model_threads()


def test_one_thread_from_the_first_use_to_shutdown(scheduler: MlxScheduler) -> None:
    assert not model_threads()
    seen: list[threading.Thread] = []
    for lane in (scheduler, scheduler.speech, scheduler.lane(-5)):
        lane.schedule(lambda *_: seen.append(threading.current_thread()))
    drained(scheduler.lane(-5))
    assert model_threads() == list(set(seen)) != [threading.current_thread()]
    assert len(seen) == 3
    assert seen[0].name == NAME
    scheduler.shutdown()
    assert not model_threads()


def test_the_three_lanes(scheduler: MlxScheduler) -> None:
    release = gated(scheduler)
    seen: list[str] = []
    for name in ("scheduler", "text", "listening", "speech"):
        lane = scheduler if name == "scheduler" else getattr(scheduler, name)
        lane.schedule(lambda _, name: seen.append(name), name)
    release()
    drained(scheduler)
    assert seen == ["speech", "listening", "scheduler", "text"]
    assert scheduler.lane(20) is scheduler.speech
    assert [scheduler.listening.priority, scheduler.text.priority] == [10, 0]
    assert scheduler.speech.steps == 1
    assert scheduler.text.steps == 4
    waits = [lane.longest_wait_ms for lane in (scheduler.speech, scheduler.text)]
    assert 0 < waits[0] < waits[1] == scheduler.longest_wait_ms


@pytest.mark.parametrize("priority", [1.5, True, "speech", None])
def test_a_priority_is_an_integer(priority: Any) -> None:
    with pytest.raises(ConfigError, match="a lane's priority must be an integer, got"):
        MlxScheduler().lane(priority)


@pytest.mark.parametrize("patience", [0, -1, 1.5])
def test_patience_is_at_least_one(patience: Any) -> None:
    with pytest.raises(ConfigError, match=r"patience must be .* steps, got"):
        MlxScheduler(patience=patience)


def test_an_action_is_given_its_lane_and_its_state(scheduler: MlxScheduler) -> None:
    seen: list[Any] = []
    scheduler.speech.schedule(lambda *given: seen.append(given), "state")
    scheduler.schedule(lambda *given: seen.append(given))
    drained(scheduler)
    assert seen == [(scheduler.speech, "state"), (scheduler.text, None)]


def test_scheduled_from_its_own_thread(scheduler: MlxScheduler) -> None:
    seen: list[str] = []
    done = threading.Event()

    def outer(lane: rx.abc.SchedulerBase, _: object = None) -> None:
        for name in "bc":
            lane.schedule(lambda _, name: seen.append(name), name)
        scheduler.speech.schedule(lambda *_: seen.append("speech"))
        seen.append("a")  # never nested
        lane.schedule(lambda *_: done.set())

    scheduler.schedule(outer)
    await_(done)
    assert seen == ["a", "speech", "b", "c"]


def test_a_thousand_jobs_from_eight_threads_keep_the_order_of_each(scheduler: MlxScheduler) -> None:
    seen: list[tuple[int, int]] = []
    lanes = [scheduler.speech, scheduler.listening, scheduler.text, scheduler]
    start = threading.Barrier(8)

    def submit(index: int) -> None:
        start.wait(30)
        for number in range(125):
            lanes[index % 4].schedule(lambda *_, job=(index, number): seen.append(job))

    threads = [threading.Thread(target=submit, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drained(scheduler)
    assert len(seen) == 1000
    for index in range(8):
        assert [number for thread, number in seen if thread == index] == list(range(125))


def test_timers_in_order(scheduler: MlxScheduler) -> None:
    seen: list[str] = []
    done = threading.Event()
    release = gated(scheduler)
    scheduler.schedule_relative(0.03, lambda *_: done.set())
    scheduler.schedule_relative(0.02, lambda *_: seen.append("c"))
    scheduler.schedule_relative(timedelta(milliseconds=10), lambda *_: seen.append("b"))
    late = datetime.now(UTC) - timedelta(seconds=9)
    scheduler.schedule_absolute(late, lambda *_: seen.append("late"))
    scheduler.schedule_relative(-1, lambda *_: seen.append("a"))
    scheduler.schedule_absolute(
        datetime.now(UTC) + timedelta(hours=9), lambda *_: seen.append("not today")
    )
    scheduler.schedule_relative(0.001, lambda *_: seen.append("cancelled")).dispose()
    release()
    await_(done)
    assert seen == ["late", "a", "b", "c"]
    assert len(model_threads()) == 1


def test_a_timer_wakes_a_thread_that_waits_for_a_later_one(scheduler: MlxScheduler) -> None:
    done = threading.Event()
    scheduler.schedule_relative(float("inf"), lambda *_: None)
    drained(scheduler)
    scheduler.schedule_relative(0.001, lambda *_: done.set())
    await_(done)


def test_periodic_work_and_rx_operators(scheduler: MlxScheduler) -> None:
    seen: list[Any] = []
    done = threading.Event()
    rx.interval(0.001, scheduler=scheduler.listening).pipe(ops.take(3)).subscribe(
        lambda tick: seen.append((tick, threading.current_thread().name)), on_completed=done.set
    )
    await_(done)
    assert seen == [(0, NAME), (1, NAME), (2, NAME)]


def test_an_exception_is_logged_and_the_thread_goes_on(
    scheduler: MlxScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    class Stop(BaseException):
        pass

    def raising(error: BaseException) -> None:
        raise error

    for error in (ValueError("no weights"), Stop("now"), SystemExit(3), GeneratorExit()):
        scheduler.schedule(lambda _, error: raising(error), error)
    thread = []
    scheduler.schedule(lambda *_: thread.append(threading.current_thread()))
    drained(scheduler)
    assert thread == model_threads()
    logged = [record for record in caplog.records if record.name == "rxvoice"]
    assert [record.levelno for record in logged] == [logging.ERROR] * 4
    assert logged[0].getMessage() == "a step on the thread 'rxvoice-mlx' raised"
    assert [str(record.exc_info[1]) for record in logged if record.exc_info][:2] == [
        "no weights",
        "now",
    ]


def test_a_catch_scheduler_over_it_is_told(scheduler: MlxScheduler) -> None:
    told: list[Exception] = []
    boom = RuntimeError("out of memory")

    def handler(error: Exception) -> bool:
        told.append(error)
        return True

    def action(*_: object) -> None:
        raise boom

    CatchScheduler(scheduler, handler).schedule(action)
    drained(scheduler)
    assert told == [boom]


def test_the_default_stream_is_put_back_after_each_step(scheduler: MlxScheduler) -> None:
    seen: list[str] = []

    def look(*_: object) -> None:
        seen.append(repr(mx.default_stream(mx.default_device())))

    def leave_another(*_: object) -> None:
        mx.set_default_stream(mx.new_stream(mx.default_device()))
        look()

    scheduler.schedule(look)
    scheduler.schedule(leave_another)
    scheduler.schedule(look)
    drained(scheduler)
    assert seen[0] == seen[2] != seen[1]


# Shutdown.


def test_shutdown_is_idempotent_and_final() -> None:
    scheduler = MlxScheduler("spare")
    drained(scheduler)
    scheduler.shutdown()
    scheduler.shutdown()
    scheduler.dispose()
    with scheduler:
        pass
    for lane in (scheduler, scheduler.speech):
        with pytest.raises(DisposedException, match=r"'spare' was shut down .* make a new one"):
            lane.schedule(lambda *_: None)
    with pytest.raises(DisposedException):
        scheduler.schedule_relative(1, lambda *_: None)


def test_shutdown_before_any_use() -> None:
    scheduler = MlxScheduler()
    scheduler.shutdown()
    with pytest.raises(DisposedException):
        scheduler.schedule(lambda *_: None)
    assert not model_threads()


def test_shutdown_from_many_threads_at_once(scheduler: MlxScheduler) -> None:
    release = gated(scheduler)
    threads = [threading.Thread(target=scheduler.shutdown) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert all(thread.is_alive() for thread in threads)
    release()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    for model_thread in model_threads():  # as above
        model_thread.join(60)
    assert not model_threads()


def test_shutdown_from_its_own_thread(scheduler: MlxScheduler) -> None:
    seen: list[str] = []

    def end(lane: rx.abc.SchedulerBase, _: object = None) -> None:
        scheduler.shutdown()
        seen.append("goes on")
        lane.schedule(lambda *_: seen.append("too late"))

    release = gated(scheduler)
    scheduler.schedule(end)
    scheduler.schedule(lambda *_: seen.append("queued"))
    thread = model_threads()[0]
    release()
    thread.join(30)
    assert not thread.is_alive()
    assert seen == ["goes on"]


def test_shutdown_takes_no_further_step_and_lets_go_of_all() -> None:
    class Payload:
        pass

    payload = Payload()
    gone = weakref.ref(payload)
    seen: list[str] = []
    scheduler = MlxScheduler()
    hold = Hold(scheduler.shutdown).on(scheduler)
    scheduler.schedule(lambda _, payload: seen.append("queued"), payload)
    scheduler.speech.schedule_relative(0.001, lambda _, payload: seen.append("timer"), payload)
    scheduler.schedule_relative(3600, lambda _, payload: seen.append("late"), payload)
    del payload
    hold.release()
    scheduler.shutdown()
    assert seen == []
    assert gone() is None
    itself = weakref.ref(scheduler)
    del scheduler, hold
    gc.collect()
    assert itself() is None


class Spoken:
    """A generator that notes who steps and who closes it, and its delivery on a worker."""

    def __init__(self, worker: MlxScheduler, hold: Hold) -> None:
        self.worker = worker
        self.steps: list[str] = []
        self.closed: list[str] = []
        self.seen: list[Any] = []
        self.life = CompositeDisposable()
        self.hold = hold
        deliver(
            self.pieces,
            self.seen.append,
            lambda: self.seen.append("end"),
            self.seen.append,
            life=self.life,
            worker=worker,
            scheduler=None,
        )

    def pieces(self) -> Iterator[int]:
        try:
            while True:
                self.steps.append(threading.current_thread().name)
                if len(self.steps) == 3:
                    self.hold()
                yield len(self.steps)
        finally:
            self.closed.append(threading.current_thread().name)


def test_a_disposed_life_takes_no_further_step_and_is_closed_there(
    scheduler: MlxScheduler,
) -> None:
    spoken = Spoken(scheduler, Hold())
    await_(spoken.hold.entered)
    spoken.life.dispose()
    assert spoken.closed == []
    spoken.hold.release()
    drained(scheduler)  # after the closing, which the step in progress put in the queue
    drained(scheduler)
    assert spoken.steps == [NAME] * 3
    assert spoken.seen == [1, 2]
    assert spoken.closed == [NAME]
    scheduler.shutdown()
    assert spoken.closed == [NAME]


@pytest.mark.parametrize("disposed", [False, True])
@pytest.mark.parametrize("waits", ["in a step", "in the queue"])
def test_shutdown_closes_generators_on_its_thread_once(disposed: bool, waits: str) -> None:
    scheduler = MlxScheduler()
    hold = Hold(scheduler.shutdown)
    spoken = Spoken(scheduler, hold if waits == "in a step" else Hold())
    await_(spoken.hold.entered)
    if waits == "in the queue":
        scheduler.speech.schedule(hold)
        spoken.hold.release()
        await_(hold.entered)
    if disposed:
        spoken.life.dispose()
    hold.release()
    scheduler.shutdown()
    assert spoken.steps == [NAME] * 3
    assert spoken.closed == [NAME]
    assert "end" not in spoken.seen


def test_shutdown_closes_what_a_closing_generator_leaves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scheduler = MlxScheduler()
    closed: list[str] = []

    def inner() -> Iterator[None]:
        try:
            yield
        finally:
            closed.append("inner")

    def outer() -> Iterator[None]:
        try:
            yield
        finally:
            going = inner()
            next(going)
            scheduler.schedule(lambda *_: closed.append("ran"), going)
            raise ValueError("while closing")

    going = outer()
    next(going)
    scheduler.schedule_relative(3600, lambda *_: None, going)
    scheduler.shutdown()
    assert closed == ["inner"]
    assert "closing a job on the thread 'rxvoice-mlx' raised" in caplog.text


# The operators.


def letters(text: str) -> Iterator[str]:
    yield from f"you said {text}. And so on"


def voice(text: str) -> Iterator[rxv.Samples]:
    for char in text:
        yield np.full(24, ord(char) / 256, np.float32)


class Listening:
    """A recogniser that gives a letter a step."""

    def __init__(self) -> None:
        self.left = list("hello")
        self.closed = False

    @property
    def done(self) -> bool:
        return self.closed and not self.left

    def feed(self, samples: rxv.Samples, /) -> None:
        pass

    def step(self) -> list[str]:
        return [self.left.pop(0)] if self.left else []

    def close(self) -> None:
        self.closed = True

    def transcribe_turn(self, audio: rxv.Samples, /) -> str:
        raise AssertionError("it streams")


class Recogniser(Listening):
    def session(self) -> Listening:
        return Listening()


def conversation(
    stt: Any, listening: Any, text: Any, speech: Any
) -> tuple[list[Any], threading.Event, Any]:
    seen: list[Any] = []
    done = threading.Event()
    life = (
        rx.of(*(Turn.of(np.zeros(512, np.float32), id=id) for id in (1, 2, 3)))
        .pipe(
            vox.transcribe(stt, worker=listening),
            vox.respond(letters, worker=text),
            vox.synthesize(voice, worker=speech),
        )
        .subscribe(
            lambda it: seen.append((it.turn.id, it.text, it.final, it.samples.tolist())),
            on_error=seen.append,
            on_completed=done.set,
        )
    )
    return seen, done, life


@pytest.mark.parametrize("stt", [lambda audio: "hello", Recogniser()], ids=["whole", "streaming"])
def test_operators_give_the_same_on_it_as_in_virtual_time(
    scheduler: MlxScheduler, stt: Any
) -> None:
    virtual = TestScheduler()
    wanted, done, _ = conversation(stt, virtual, virtual, virtual)
    virtual.start()
    assert done.is_set()
    assert [it[0] for it in wanted if it[2]] == [1, 2, 3]

    lanes = (scheduler.listening, scheduler.text, scheduler.speech)
    for workers in (lanes, (scheduler,) * 3):
        seen, done, _ = conversation(stt, *workers)
        await_(done)
        assert seen == wanted


def asked(talk: Any, question: str, worker: Any, note: Callable[[str], None]) -> list[str]:
    said: list[str] = []

    def piece(reply: Any) -> None:
        said.append(reply.text if reply.final else reply.delta)
        note("end" if reply.final else question)

    transcript = Transcript(Turn.of(np.zeros(4, np.float32)), question, True)
    rx.of(transcript).pipe(vox.respond(talk, worker=worker)).subscribe(piece, on_error=note)
    return said


@pytest.mark.models
def test_two_language_models_take_turns_token_by_token(scheduler: MlxScheduler) -> None:
    questions = ["How far away is the moon?", "What can you talk about?"]
    alone = ["".join(llm().respond(question)) for question in questions]
    order: list[str] = []
    ends = threading.Semaphore(0)

    def note(what: str) -> None:
        order.append(what)
        if what not in questions:
            ends.release()

    release = gated(scheduler)
    answers = [asked(llm(), question, scheduler, note) for question in questions]
    release()
    for _ in answers:
        assert ends.acquire(timeout=60)
    assert ["".join(said[:-1]) for said in answers] == alone
    assert [said[-1] for said in answers] == alone
    together = 2 * min(order.count(question) for question in questions)
    assert together > 20
    assert order[:together] == questions * (together // 2)


# The interpreter's exit.

EXIT = """
import sys, threading
from itertools import count
import mlx.core as mx, numpy as np, reactivex as rx
from rxvoice import operators as vox
from rxvoice.elements import Transcript
from rxvoice.mlx.scheduler import MlxScheduler
from rxvoice.turn import Turn

running = threading.Semaphore(0)

def words(text):
    a = mx.random.normal((256, 256))
    try:
        for n in count():
            a = mx.softmax(a @ a)
            mx.eval(a)
            running.release()
            yield str(n)
    finally:
        print(f"closed on {threading.current_thread().name}", flush=True)

scheduler = MlxScheduler()
rx.of(Transcript(Turn.of(np.zeros(4, np.float32)), "hi", True)).pipe(
    vox.respond(words, worker=scheduler)
).subscribe(scheduler=scheduler)
scheduler.speech.schedule_relative(3600, lambda *_: None)
for _ in range(5):
    running.acquire()
sys.exit(int(sys.argv[1]))
"""


def leave(code: int) -> tuple[int, str, str]:
    left = subprocess.run(
        [sys.executable, "-c", EXIT, str(code)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    return left.returncode, left.stdout, left.stderr


@pytest.mark.parametrize("code", [0, 3])
def test_the_interpreter_exits_with_work_in_flight(code: int) -> None:
    assert leave(code) == (code, "closed on rxvoice-mlx\n", "")


@pytest.mark.slow
def test_the_interpreter_always_exits_with_work_in_flight() -> None:
    for _ in some(range(20), 3):
        assert leave(0) == (0, "closed on rxvoice-mlx\n", "")
