"""`rxv.live`: its thread, its ends, its disposal, and delivery to an app."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler import EventLoopScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler, AsyncIOThreadSafeScheduler
from reactivex.scheduler.mainloop import QtScheduler, TkinterScheduler
from reactivex.testing import TestScheduler

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice._live.live import live
from rxvoice._threads.loop import Loop
from rxvoice.errors import ConfigError
from rxvoice.events import Level, Notice, Partial, ReplyDelta, Transcribed
from rxvoice.testing import FakeResponder, FakeSink, FakeSynthesizer, FakeTranscriber

WAIT_S = 60
NAME = "rxvoice-conversation"
BOOM = RuntimeError("boom")
TURN = rxv.Turn.of(np.zeros(4, np.float32))


def conversations() -> list[threading.Thread]:
    return [it for it in threading.enumerate() if it.name == NAME]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    for thread in conversations():
        thread.join(WAIT_S)
    assert conversations() == []


class Source(Observable[Any]):
    """A source that any thread may push, and that notes when it is disposed of."""

    def __init__(self) -> None:
        super().__init__()
        self.observer: Any = None
        self.scheduler: Any = None
        self.subscribed = threading.Event()
        self.let_go = threading.Event()

    def _subscribe_core(self, observer: Any, scheduler: Any = None) -> Any:
        self.observer, self.scheduler = observer, scheduler
        self.thread = threading.current_thread().name
        self.subscribed.set()
        return Disposable(self.let_go.set)

    def on_thread(self, action: Any) -> None:
        """Run an action on the conversation thread, and wait for it."""
        done = threading.Event()
        self.scheduler.schedule(lambda *_: (action(), done.set()))
        assert done.wait(WAIT_S)

    def push(self, *elements: Any) -> None:
        for element in elements:
            self.on_thread(lambda element=element: self.observer.on_next(element))


class Seen:
    """What a subscriber of live() saw, and on which threads."""

    def __init__(self, source: Observable[Any], react: Any = None, **options: Any) -> None:
        self.elements: list[Any] = []
        self.threads: set[str] = set()
        self.end: list[Any] = []
        self.over = threading.Event()
        self.react = react or (lambda element: None)
        self.life = live(source, **options).subscribe(
            self.on_next, self.on_error, self.on_completed
        )

    def on_next(self, element: Any) -> None:
        self.elements.append(element)
        self.threads.add(threading.current_thread().name)
        self.react(element)

    def on_error(self, error: Exception) -> None:
        self.end.append(error)
        self.over.set()

    def on_completed(self) -> None:
        self.end.append("completed")
        self.over.set()

    def wait(self) -> Seen:
        assert self.over.wait(WAIT_S)
        return self


def begun(react: Any = None, **options: Any) -> tuple[Source, Seen]:
    source = Source()
    seen = Seen(source, react, **options)
    assert source.subscribed.wait(WAIT_S)
    return source, seen


# The conversation thread


def test_the_pipe_is_subscribed_to_and_heard_on_a_thread_of_its_own() -> None:
    source, seen = begun()
    source.push(1, 2)
    source.on_thread(source.observer.on_completed)
    seen.wait()
    assert source.thread == NAME
    assert isinstance(source.scheduler, Loop)
    assert (seen.elements, seen.threads, seen.end) == ([1, 2], {NAME}, ["completed"])
    assert source.let_go.wait(WAIT_S)


def test_each_subscription_has_its_own() -> None:
    source = Source()
    observable = live(source)
    lives = []
    for _ in range(2):
        lives.append(observable.subscribe())
        assert source.subscribed.wait(WAIT_S)
        source.subscribed.clear()
    assert len(conversations()) == 2
    for life in lives:
        life.dispose()


def test_what_comes_from_another_thread_is_delivered_on_the_same_one() -> None:
    source, seen = begun()
    for n in range(5):
        source.observer.on_next(n)
    source.observer.on_completed()
    seen.wait()
    assert (seen.elements, seen.threads, seen.end) == ([*range(5)], {NAME}, ["completed"])


def test_a_whole_conversation() -> None:
    voice = np.full(16_000, 0.25, np.float32)
    sink = FakeSink()
    seen = Seen(
        rxv.sources.array(np.concatenate([voice, np.zeros(16_000, np.float32)]), 16_000).pipe(
            vox.chunk(512),
            vox.vad(lambda samples: bool(samples[0])),
            vox.turn_window(rxv.silence(480)),
            vox.transcribe(FakeTranscriber("hi", after_ms=1)),
            vox.respond(FakeResponder("Hello.")),
            vox.synthesize(FakeSynthesizer()),
            vox.play(sink),
        )
    ).wait()
    assert seen.end == ["completed"]
    assert [e.assistant_text for e in seen.elements] == ["Hello."]
    assert len(sink.samples) == 60
    assert seen.threads == {NAME}


# Ends


def test_an_error_of_the_pipe() -> None:
    _, seen = None, Seen(rx.throw(BOOM)).wait()
    assert seen.end == [BOOM]


def test_a_pipe_that_raises_when_it_is_subscribed_to() -> None:
    def subscribe(*_: object) -> Any:
        raise BOOM

    assert Seen(Observable(subscribe)).wait().end == [BOOM]


def test_what_is_raised_on_the_conversation_thread_ends_it_and_is_told() -> None:
    source, seen = begun()

    def raises(*_: object) -> None:
        raise BOOM

    source.scheduler.schedule(raises)
    assert seen.wait().end == [BOOM]
    assert source.let_go.wait(WAIT_S)


def test_a_thread_that_is_told_to_exit_ends_it_and_is_told() -> None:
    source, seen = begun()
    source.scheduler.schedule(lambda *_: sys.exit(3))
    (error,) = seen.wait().end
    assert isinstance(error.__cause__, SystemExit)


@pytest.mark.parametrize("deliver", [False, True])
def test_what_the_subscriber_raises_is_logged_and_ends_nothing(
    deliver: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def raises_once(element: object) -> None:
        if element == 1:
            raise BOOM

    app = EventLoopScheduler() if deliver else None
    with caplog.at_level(logging.ERROR, "rxvoice"):
        source, seen = begun(raises_once, deliver_on=app)
        source.push(1, 2)
        source.on_thread(source.observer.on_completed)
        seen.wait()
    assert (seen.elements, seen.end) == ([1, 2], ["completed"])
    assert "boom" in caplog.text
    if app:
        app.dispose()


def test_an_error_that_nobody_handles_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "rxvoice"):
        live(rx.throw(BOOM)).subscribe(print)
        for thread in conversations():
            thread.join(WAIT_S)
    assert "boom" in caplog.text


# Disposal


def test_disposal_from_another_thread_lets_go_of_everything() -> None:
    source, seen = begun()
    source.push(1)
    seen.life.dispose()
    assert source.let_go.is_set()
    for thread in conversations():
        thread.join(WAIT_S)
    source.observer.on_next(2)
    assert (seen.elements, seen.end) == ([1], [])


@pytest.mark.parametrize("deliver", [False, True])
def test_disposal_from_within_on_next(deliver: bool) -> None:
    app = EventLoopScheduler() if deliver else None
    source, seen = begun(lambda _: seen.life.dispose(), deliver_on=app)
    source.on_thread(lambda: [source.observer.on_next(n) for n in (1, 2)])
    assert source.let_go.wait(WAIT_S)
    for thread in conversations():
        thread.join(WAIT_S)
    assert seen.elements == [1]
    if app:
        app.dispose()


def test_disposal_does_not_wait_for_a_thread_that_is_busy() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def busy(_: object) -> None:
        entered.set()
        assert go_on.wait(WAIT_S)

    source, seen = begun(busy)
    source.scheduler.schedule(lambda *_: source.observer.on_next(1))
    assert entered.wait(WAIT_S)
    seen.life.dispose()
    assert source.let_go.is_set()
    go_on.set()


def test_disposal_before_the_pipe_was_subscribed_to() -> None:
    entered, go_on = threading.Event(), threading.Event()
    source = Source()

    def late(observer: Any, scheduler: Any = None) -> Any:
        entered.set()
        assert go_on.wait(WAIT_S)
        return source.subscribe(observer, scheduler=scheduler)

    seen = Seen(Observable(late))
    assert entered.wait(WAIT_S)
    seen.life.dispose()
    go_on.set()
    assert source.let_go.wait(WAIT_S)


def test_what_is_scheduled_after_the_end_is_dropped_without_a_word() -> None:
    source, seen = begun()
    seen.life.dispose()
    for thread in conversations():
        thread.join(WAIT_S)
    payload = np.zeros(10)
    gone = weakref.ref(payload)
    late = source.scheduler.schedule(lambda *_: seen.elements.append("late"), payload)
    del payload
    gc.collect()
    assert gone() is None
    assert seen.elements == []
    late.dispose()


# Delivery to an app


def virtual() -> tuple[TestScheduler, Source, Seen]:
    app = TestScheduler()
    source, seen = begun(deliver_on=app, max_events=4)
    return app, source, seen


def test_an_app_is_told_on_its_own_thread() -> None:
    app, source, seen = virtual()
    source.push(1, 2)
    assert seen.elements == []
    app.advance_by(1)
    assert (seen.elements, seen.threads) == ([1, 2], {threading.current_thread().name})
    source.on_thread(source.observer.on_completed)
    source.let_go.clear()
    assert seen.end == []
    app.advance_by(1)
    assert seen.end == ["completed"]


LIGHT = [
    Level(0.1, 0.1, 100),
    Partial(TURN, "hel"),
    ReplyDelta(TURN, "Good"),
]


@pytest.mark.parametrize("light", LIGHT, ids=["level", "partial", "delta"])
def test_what_a_later_event_makes_up_for_is_dropped_first(light: Any) -> None:
    app, source, seen = virtual()
    kept = Transcribed(TURN, "hello")
    source.push(kept, light, 1, light, 2, 3)
    app.advance_by(1)
    told, *rest = seen.elements
    assert isinstance(told, Notice)
    assert told.message == "the app did not keep up: 2 of its events were dropped"
    assert told.detail == {"dropped": 2, "total": 2}
    assert rest == [kept, 1, 2, 3]
    seen.life.dispose()


def test_then_the_oldest_of_whatever_else_and_it_is_told_each_time() -> None:
    app, source, seen = virtual()
    source.push(*range(6))
    app.advance_by(1)
    source.push(*range(6, 11))
    app.advance_by(1)
    told = [e.detail for e in seen.elements if isinstance(e, Notice)]
    assert told == [{"dropped": 2, "total": 2}, {"dropped": 1, "total": 3}]
    assert [e for e in seen.elements if isinstance(e, int)] == [2, 3, 4, 5, 7, 8, 9, 10]
    seen.life.dispose()


def test_order_is_kept_between_both_kinds() -> None:
    app, source, seen = virtual()
    given = [LIGHT[0], 1, LIGHT[1], 2]
    source.push(*given)
    app.advance_by(1)
    assert seen.elements == given
    seen.life.dispose()


def test_an_app_that_stops_reading_makes_nobody_wait_and_no_memory_grow() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def stuck(_: object) -> None:
        entered.set()
        assert go_on.wait(WAIT_S)

    app = EventLoopScheduler()
    source, seen = begun(stuck, deliver_on=app, max_events=10)
    source.push(0)
    assert entered.wait(WAIT_S)
    payload = np.zeros(1000, np.float32)
    gone = weakref.ref(payload)
    source.push(payload)
    del payload
    source.on_thread(lambda: [source.observer.on_next(n) for n in range(1, 5001)])
    gc.collect()
    assert gone() is None
    go_on.set()
    source.on_thread(source.observer.on_completed)
    seen.wait()
    assert seen.elements[1].detail == {"dropped": 4991, "total": 4991}
    assert seen.elements[2:] == [*range(4991, 5001)]
    app.dispose()


def test_disposal_lets_go_of_what_waits_for_the_app() -> None:
    app, source, seen = virtual()
    payload = np.zeros(1000, np.float32)
    gone = weakref.ref(payload)
    source.push(payload)
    del payload
    seen.life.dispose()
    gc.collect()
    assert gone() is None
    app.advance_by(1)
    assert seen.elements == []


def test_an_app_whose_scheduler_is_gone_ends_the_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = EventLoopScheduler()
    source, _ = begun(deliver_on=app)
    app.dispose()
    with caplog.at_level(logging.ERROR, "rxvoice"):
        source.scheduler.schedule(lambda *_: source.observer.on_next(1))
        assert source.let_go.wait(WAIT_S)
        for thread in conversations():
            thread.join(WAIT_S)
    assert "live() cannot deliver" in caplog.text


def test_an_idle_asyncio_loop_is_woken() -> None:
    async def app() -> list[Any]:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        elements: list[Any] = []
        source = Source()
        life = live(source, deliver_on=AsyncIOThreadSafeScheduler(loop)).subscribe(
            elements.append, over.set_exception, lambda: over.set_result(None)
        )
        await asyncio.to_thread(source.subscribed.wait, WAIT_S)
        source.push(1, 2)
        source.scheduler.schedule(lambda *_: source.observer.on_completed())
        await asyncio.wait_for(over, WAIT_S)
        life.dispose()
        return elements

    assert asyncio.run(app()) == [1, 2]


@pytest.mark.parametrize(
    ("scheduler", "wanted"),
    [
        (AsyncIOScheduler(None), "AsyncIOThreadSafeScheduler"),  # type: ignore[arg-type]
        (QtScheduler(None), "rxv.qt.scheduler"),
        (TkinterScheduler(None), "rxv.tk.scheduler"),
    ],
)
def test_schedulers_that_another_thread_may_not_call(scheduler: Any, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        live(rx.empty(), deliver_on=scheduler)


@pytest.mark.parametrize("max_events", [0, -1, 1.5, None])
def test_bad_max_events(max_events: Any) -> None:
    with pytest.raises(ConfigError, match=r"live max_events must be .* got"):
        live(rx.empty(), max_events=max_events)


# A program


def test_run_waits_for_the_end_and_gives_the_last_element() -> None:
    assert live(rx.of(1, 2, 3)).run() == 3
    assert live(rx.empty()).run() is None
    with pytest.raises(RuntimeError, match="boom"):
        live(rx.throw(BOOM)).run()
    assert conversations() == []


PROGRAM = """
import sys, threading
import reactivex as rx
from reactivex import operators as ops
from reactivex.disposable import Disposable
import numpy as np
from rxvoice import operators as vox
from rxvoice._live.live import live
from rxvoice.chunks import AudioChunk

def microphone(observer, scheduler=None):
    life = Disposable(lambda: print("closed", flush=True))
    n = 0
    def block(*_):
        nonlocal n
        observer.on_next(AudioChunk(np.zeros(160, np.float32), 16_000, 160 * n))
        n += 1
        if not life.is_disposed:
            scheduler.schedule_relative(0.01, block)
    scheduler.schedule(block)
    return life

pipe = rx.Observable(microphone).pipe(
    vox.record(sys.argv[1]), ops.do_action(lambda chunk: print("heard", flush=True))
)
last = live(pipe).run()
print("after", type(last).__name__, [t.name for t in threading.enumerate()], flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_ctrl_c_ends_a_program_cleanly(tmp_path: Any) -> None:
    path = tmp_path / "mic.wav"
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stderr
        for _ in range(2):  # with the second, the first has been delivered
            assert child.stdout.readline() == "heard\n"
        os.kill(child.pid, signal.SIGINT)
        said = child.stdout.read().splitlines()
        errors = child.stderr.read()
    assert [line for line in said if line != "heard"] == [
        "closed",
        "after AudioChunk ['MainThread']",
    ]
    assert errors == ""
    assert child.returncode == 0
    assert path.stat().st_size >= 44 + 320


# The loop by itself


def test_the_loop_goes_on_after_an_action_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    loop, done = Loop("test-loop"), threading.Event()

    def raises(*_: object) -> None:
        raise BOOM

    with caplog.at_level(logging.ERROR, "rxvoice"):
        loop.schedule(raises)
        loop.schedule(lambda *_: done.set())
        assert done.wait(WAIT_S)
    loop.dispose()
    assert loop.join(WAIT_S)
    assert "an action on the thread 'test-loop' raised" in caplog.text


def test_the_loop_lets_go_at_once_of_a_timer_that_is_cancelled() -> None:
    loop = Loop("test-loop")
    payload = np.zeros(10)
    gone = weakref.ref(payload)
    timer = loop.schedule_relative(1000, lambda *_: None, payload)
    del payload
    assert gone() is not None
    timer.dispose()
    gc.collect()
    assert gone() is None
    loop.dispose()
    assert loop.join(WAIT_S)


def test_the_loop_keeps_order_and_time() -> None:
    loop, done = Loop("test-loop"), threading.Event()
    ran: list[int] = []

    def first(*_: object) -> None:
        for delay, n in ((0.02, 4), (0.01, 3), (0, 1), (0, 2)):
            loop.schedule_relative(delay, lambda _, k: ran.append(k), n)
        loop.schedule_absolute(loop.now + loop.to_timedelta(0.04), lambda *_: done.set())

    loop.schedule(first)
    assert done.wait(WAIT_S)
    loop.dispose()
    assert ran == [1, 2, 3, 4]


def test_what_the_loop_still_has_is_dropped_with_it_and_generators_are_closed() -> None:
    loop = Loop("test-loop")
    closed, go_on, entered = threading.Event(), threading.Event(), threading.Event()

    def pieces() -> Any:
        try:
            yield 1
        finally:
            closed.set()

    generator = pieces()
    next(generator)

    def busy(*_: object) -> None:
        entered.set()
        assert go_on.wait(WAIT_S)

    loop.schedule(busy)
    assert entered.wait(WAIT_S)
    loop.schedule(lambda *_: pytest.fail("ran"), generator)
    loop.dispose()
    go_on.set()
    assert closed.wait(WAIT_S)
    assert loop.join(WAIT_S)


def test_a_loop_that_was_given_nothing_has_no_thread() -> None:
    loop = Loop("test-loop")
    assert loop.join(0)
    loop.dispose()
    assert not [it for it in threading.enumerate() if it.name == "test-loop"]


def test_operators_of_rxpy_keep_time_on_it() -> None:
    subject: Subject[int] = Subject()
    pipe = rx.merge(rx.timer(0.01), subject).pipe(ops.take(1), ops.delay(0.01))
    assert live(pipe).run() == 0
