"""Corners of asking a model: limits to the very moment, stuck threads, pauses, odd answers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler import EventLoopScheduler
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler
from reactivex.testing import TestScheduler

from rxvoice._answers import tasks
from rxvoice._answers.clock import SubscriptionClock
from rxvoice._answers.deliver import deliver
from rxvoice._answers.limits import TimeLimits, Watch, limits
from rxvoice._answers.observables import closing
from rxvoice._answers.pauses import Waiting
from rxvoice._answers.pieces import close, close_async, pieces_of
from rxvoice._answers.shapes import sound
from rxvoice._answers.slow_call import SlowCall
from rxvoice._answers.stuck import SharedThread, doing
from rxvoice._threads.async_loop import adopt
from rxvoice.errors import AudioFormatError, ConfigError, ModelThreadStuck

PATIENCE = 20.0


class Timers:
    """A clock that is set by hand, and notes each timer."""

    def __init__(self) -> None:
        self.time = 0.0
        self.set: list[tuple[float, Callable[[], None], Disposable]] = []
        self.on_set: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.time

    def after(self, seconds: float, action: Callable[[], None]) -> Disposable:
        timer = Disposable()
        self.set.append((seconds, action, timer))
        self.on_set()
        return timer

    def ring(self, time: float) -> None:
        """The last timer is due."""
        self.time = time
        self.set[-1][1]()


class Watched:
    """A watch, and what it has told."""

    def __init__(self, silence: float = 1.0, total: float = float("inf")) -> None:
        self.clock = Timers()
        self.life = CompositeDisposable()
        self.late: list[BaseException] = []
        given: Any = self.clock
        self.watch = Watch(TimeLimits(silence, total), given, self.life, self.late.append)

    def ask(self, at: float, **options: Any) -> None:
        self.clock.time = at
        self.watch.asked(**options)

    def came(self, at: float, **options: Any) -> bool:
        self.clock.time = at
        return self.watch.came(**options)


# Limits


def test_what_is_left_is_the_shorter_of_both_limits() -> None:
    limit = TimeLimits(3.0, 10.0)
    assert [limit.left(1, 2), limit.left(1, 9), limit.left(4, 4), limit.left(0, 0)] == [2, 1, -1, 3]


@pytest.mark.parametrize(
    ("silence", "total", "message", "seconds"),
    [
        (0.5, 9.0, "the model gave nothing for 0.75 s (timeout_ms=500)", 0.75),
        (9.0, 0.5, "the model was not done after 1.25 s (total_timeout_ms=500)", 1.25),
        (0.5, 1.0, "the model gave nothing for 0.75 s (timeout_ms=500)", 0.75),  # both by as much
    ],
)
def test_the_limit_that_was_exceeded_by_more_is_named(
    silence: float, total: float, message: str, seconds: float
) -> None:
    error = TimeLimits(silence, total).exceeded(0.75, 1.25)
    assert (str(error), error.seconds) == (message, seconds)


def test_limits_are_a_millisecond_or_more() -> None:
    assert limits("respond", 1, 1) == TimeLimits(0.001, 0.001)
    assert limits("respond", None, 2000) == TimeLimits(float("inf"), 2.0)
    for given, name in (((0.5, None), "timeout_ms"), ((None, 0), "total_timeout_ms")):
        with pytest.raises(ConfigError, match=rf"^respond {name} must be at least 1 ms, or None,"):
            limits("respond", *given)


@pytest.mark.parametrize(("at", "in_time"), [(0.99, True), (1.0, False), (1.01, False)])
@pytest.mark.parametrize("which", ["silence", "total"])
def test_a_step_in_time_comes_before_its_limit(which: str, at: float, in_time: bool) -> None:
    watched = Watched(**({"silence": 9.0} | {which: 1.0}))
    watched.ask(0)
    watched.watch.asked()
    assert watched.came(at) is in_time
    assert len(watched.late) == (not in_time)
    assert watched.came(at) is in_time
    assert len(watched.late) == (not in_time), "it is told once"


def test_the_time_between_two_steps_that_nobody_asks_for_is_not_counted() -> None:
    watched = Watched(silence=1.0, total=1.5)
    watched.ask(5)
    assert watched.came(5.75)
    watched.ask(100)
    assert watched.watch.left() == 0.75
    assert watched.came(100.7)
    watched.ask(200)
    assert not watched.came(200.05)


def test_the_silence_before_a_second_step_that_is_asked_for_begins_with_the_first() -> None:
    watched = Watched()
    watched.ask(0)
    watched.ask(0.5)
    assert watched.watch.left() == 0.5
    assert watched.came(0.75)
    assert watched.watch.left() == 1.0
    watched.clock.time = 1.5
    assert watched.watch.left() == 0.25


def test_an_error_that_comes_late_is_delivered() -> None:
    watched = Watched()
    watched.ask(0)
    assert watched.came(5, raised=True)
    assert watched.late == []


def test_one_timer_at_a_time() -> None:
    watched = Watched()
    watched.watch.arm()
    assert watched.clock.set == [], "nothing is asked for"
    watched.ask(0)
    watched.watch.arm()
    watched.watch.arm()
    assert [seconds for seconds, *_ in watched.clock.set] == [1.0]
    watched.came(0.5)
    watched.ask(0.75)
    watched.clock.ring(1.0)
    assert [seconds for seconds, *_ in watched.clock.set] == [1.0, 0.75]
    assert watched.late == []


def test_without_a_limit_no_timer() -> None:
    watched = Watched(silence=float("inf"))
    watched.ask(0)
    watched.watch.arm()
    assert watched.clock.set == []
    assert len(watched.life) == 0


@pytest.mark.parametrize(("at", "late"), [(0.9999995, True), (0.99, False), (1.0, True)])
def test_a_timer_that_comes_early_by_rounding_is_in_time(at: float, late: bool) -> None:
    watched = Watched()
    watched.ask(0)
    watched.watch.arm()
    watched.clock.ring(at)
    assert [str(it) for it in watched.late] == [
        "the model gave nothing for 1 s (timeout_ms=1000)"
    ] * late
    assert len(watched.clock.set) == 1 + (not late)


def test_in_total_too_late_by_the_timer() -> None:
    watched = Watched(total=1.5)
    watched.ask(0)
    watched.came(0.75)
    watched.ask(10)
    watched.watch.arm()
    watched.clock.ring(10.75)
    assert [str(it) for it in watched.late] == [
        "the model was not done after 1.5 s (total_timeout_ms=1500)"
    ]


def test_the_life_of_the_answer_ends_its_timer() -> None:
    watched = Watched()
    watched.ask(0)
    watched.watch.arm()
    watched.life.dispose()
    assert watched.clock.set[0][2].is_disposed
    watched.clock.ring(1.0)
    assert watched.late == []


def test_a_timer_that_is_set_while_the_life_ends_is_ended_too() -> None:
    watched = Watched()
    watched.ask(0)
    watched.clock.on_set = watched.watch.dispose
    watched.watch.arm()
    assert watched.clock.set[0][2].is_disposed


def test_who_is_told_may_change_until_it_is_over() -> None:
    watched = Watched()
    second: list[BaseException] = []
    third: list[BaseException] = []
    watched.ask(0)
    watched.watch.tell(second.append)
    watched.watch.expire()
    watched.watch.tell(third.append)
    watched.watch.expire()
    watched.watch.arm()
    assert watched.clock.set == []
    assert (watched.late, len(second), third) == ([], 1, [])


def test_a_stuck_worker_fails_what_it_is_asked_and_nothing_else() -> None:
    stuck = ModelThreadStuck("stuck", 1.0)
    watched = Watched()
    watched.watch.expire(stuck)
    watched.ask(0, away=True)
    watched.watch.expire(stuck)
    assert watched.late == []
    watched.came(0.5)
    watched.ask(0.5)
    watched.watch.expire(stuck)
    watched.watch.expire(stuck)
    assert watched.late == [stuck]


def test_a_watch_that_is_over_holds_nobody() -> None:
    class Teller:
        def tell(self, error: BaseException) -> None: ...

    watched, teller = Watched(), Teller()
    watched.watch.tell(teller.tell)
    watched.watch.dispose()
    told = weakref.ref(teller)
    del teller
    gc.collect()
    assert told() is None


@pytest.mark.parametrize("pauses", [False, True])
def test_the_time_that_a_piece_takes_downstream_is_not_the_models(pauses: bool) -> None:
    watched, home = Watched(), TestScheduler()
    seen: list[Any] = []

    def ask() -> Iterator[str]:
        yield "a"
        if pauses:
            yield Waiting(rx.empty())
        yield "b"

    def slowly(piece: str) -> None:
        if piece:
            seen.append(piece)
            watched.clock.time += 5

    deliver(
        ask,
        slowly,
        lambda: seen.append("end"),
        seen.append,
        life=watched.life,
        worker=None,
        scheduler=home,
        watch=watched.watch,
    )
    home.start()
    assert seen == ["a", "b", "end"]
    assert watched.late == []


async def others_end() -> None:
    """Wait for the other tasks of the event loop."""
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0)


def on_a_loop(watched: Watched, ask: Any, *handlers: Any) -> None:
    """Deliver an async answer on the event loop of this thread."""

    async def main() -> None:
        life, watch = watched.life, watched.watch
        deliver(ask, *handlers, life=life, worker=None, scheduler=None, watch=watch)
        await others_end()

    asyncio.run(main())


def test_an_async_answer_has_a_timer_for_each_step_that_needs_one() -> None:
    watched = Watched()

    async def respond() -> AsyncIterator[str]:
        for piece in "ab":
            yield piece

    def rings(piece: str) -> None:
        watched.clock.ring(watched.clock.time + 0.5)  # nothing is asked for now

    on_a_loop(watched, respond, rings, lambda: None, watched.late.append)
    assert [seconds for seconds, *_ in watched.clock.set] == [1.0, 1.0, 1.0]
    assert watched.late == []


@pytest.mark.parametrize("raises", [False, True])
def test_what_an_async_model_gives_after_it_was_too_late_is_not_told(raises: bool) -> None:
    watched = Watched()
    seen: list[Any] = []

    async def respond() -> str:
        watched.watch.expire()
        if raises:
            raise ValueError("too late")
        return "too late"

    on_a_loop(watched, respond, seen.append, lambda: seen.append("end"), seen.append)
    assert seen == []
    assert len(watched.late) == 1


def test_who_waits_in_place_waits_for_as_long_as_there_is_time() -> None:
    watched = Watched()
    waited: list[float] = []

    class Noting:
        def get(self, *, timeout: float) -> Any:
            waited.append(timeout)

        def put(self, action: object) -> None: ...

    def wait() -> None:
        inbox = tasks._WaitingThread(watched.life, watched.watch)
        inbox._actions = Noting()  # type: ignore[assignment]
        inbox.run()

    watched.ask(0)
    for now in (0.0, 0.25, 5.0):
        watched.clock.time = now
        wait()
    watched.life.dispose()
    wait()
    assert waited == [1.0, 0.75, 0.0, tasks.CLOSING_S]


def test_in_place_a_model_is_not_asked_further_than_was_delivered() -> None:
    made: list[str] = []
    seen: list[tuple[str, list[str]]] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def respond() -> AsyncIterator[str]:
        loops.append(asyncio.get_running_loop())
        for piece in "ab":
            made.append(piece)
            yield piece

    def slowly(piece: str) -> None:
        for _ in range(3):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loops[0]).result(PATIENCE)
        seen.append((piece, made.copy()))

    deliver(
        respond,
        slowly,
        lambda: None,
        lambda error: None,
        life=CompositeDisposable(),
        worker=None,
        scheduler=None,
    )
    assert seen == [("a", ["a"]), ("b", ["a", "b"])]


def test_time_is_that_of_the_scheduler_unless_the_system_may_set_it_back() -> None:
    worker, virtual = EventLoopScheduler(), TestScheduler()
    assert SubscriptionClock(None).now is time.monotonic
    assert SubscriptionClock(worker).now is time.monotonic
    clock = SubscriptionClock(virtual)
    virtual.advance_to(3.0)
    assert clock.now() == 3.0


# A shared thread


def shared(limit_s: float = 5.0) -> tuple[SharedThread, Timers, list[Any]]:
    clock = Timers()
    given: Any = clock
    thread = SharedThread("models", limit_s, given)
    told: list[Any] = []
    thread.follow(lambda error, notice: told.append((error, notice)))
    return thread, clock, told


def test_a_thread_that_gets_stuck_again_is_told_again(caplog: pytest.LogCaptureFixture) -> None:
    thread, clock, told = shared()
    for begins in (0.0, 100.0):
        clock.time = begins
        thread.begin()
        clock.ring(begins + 5)
        clock.time = begins + 6
        thread.end()
    assert [notice.message for _, notice in told] == [
        "the model thread 'models' is stuck in an action that was scheduled on it since 5 s",
        "the model thread 'models' goes on: an action that was scheduled on it took 6 s",
    ] * 2
    assert [error and error.seconds for error, _ in told] == [5.0, None, 5.0, None]
    assert [notice.detail for _, notice in told] == [told[0][0]] * 2 + [told[2][0]] * 2
    assert [it.getMessage() for it in caplog.records] == [notice.message for _, notice in told]
    assert len(clock.set) == 2


def test_a_shared_thread_without_a_limit_has_no_timer() -> None:
    thread, clock, _ = shared(float("inf"))
    thread.begin()
    assert clock.set == []


def test_a_shared_thread_has_one_timer_at_most() -> None:
    thread, clock, told = shared()
    for _ in range(2):
        thread.begin()
        thread.end()
    clock.time = 4.5
    thread.begin()
    assert len(clock.set) == 1
    clock.ring(5.0)
    assert [seconds for seconds, *_ in clock.set] == [5.0, 4.5]
    thread.end()
    clock.time = 9.0
    thread.begin()
    clock.ring(9.5)
    assert [seconds for seconds, *_ in clock.set] == [5.0, 4.5, 4.5]
    thread.end()
    clock.ring(14.0)
    assert len(clock.set) == 3, "nothing is in progress"
    thread.begin()
    assert len(clock.set) == 4
    clock.ring(18.5)
    thread.begin()
    assert len(clock.set) == 5
    assert told == []


def test_a_thread_is_not_stuck_before_its_limit_nor_between_two_steps() -> None:
    thread, clock, _ = shared()
    assert thread.stuck is None
    assert thread.busy_with() == "an action that was scheduled on it"
    thread.begin()
    clock.time = 7.0
    assert thread.stuck is None, "nobody has looked"
    clock.ring(7.5)
    assert str(thread.stuck).endswith("since 7.5 s")
    thread.end()
    assert thread.stuck is None


def test_a_conversation_that_raises_when_it_is_told_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    thread, clock, told = shared()

    def raising(*_: object) -> None:
        raise ValueError("no")

    thread.follow(raising)
    left: list[object] = []
    thread.follow(lambda *it: left.append(it)).dispose()
    thread.begin()
    clock.ring(5.0)
    assert len(told) == 1
    assert left == []
    (record,) = (it for it in caplog.records if it.exc_info)
    assert record.getMessage().startswith("a conversation raised when it was told that the model t")


def test_what_a_thread_does_is_told_by_whoever_does_it() -> None:
    thread, clock, told = shared()
    thread.begin()
    doing[threading.get_ident()] = lambda: "respond (turn 3)"
    try:
        assert thread.busy_with() == "respond (turn 3)"
        clock.ring(5.0)
    finally:
        del doing[threading.get_ident()]
    assert "is stuck in respond (turn 3) since 5 s" in told[0][1].message


@pytest.mark.parametrize("room", [True, False])
def test_each_step_on_a_worker_says_what_it_is(room: bool) -> None:
    """Also one that waited for room, and nothing does once it is over."""
    noted: list[str] = []
    worker, home = TestScheduler(), TestScheduler()

    def note() -> str:
        noted.append(doing[threading.get_ident()]())
        return "x"

    def ask() -> Iterator[str]:
        note()
        return (note() for _ in range(4))

    seen: list[Any] = []
    deliver(
        ask,
        seen.append,
        lambda: seen.append("end"),
        seen.append,
        life=CompositeDisposable(),
        worker=worker,
        scheduler=None if room else home,
        what=lambda: "respond (turn 3)",
    )
    while "end" not in seen:
        worker.start()
        assert threading.get_ident() not in doing
        home.start()
    assert noted == ["respond (turn 3)"] * 5
    assert seen == ["x"] * 4 + ["end"]


# Pauses


def paused(until: Observable[Any], seen: list[Any], **options: Any) -> CompositeDisposable:
    """An answer that pauses between "a" and "b"."""
    life = CompositeDisposable()
    end_at = options.pop("end_at", None)

    def ask() -> Iterator[str]:
        yield "a"
        yield Waiting(until)
        yield "b"

    def on_piece(piece: str) -> None:
        seen.append(piece)
        if len(seen) == end_at:
            life.dispose()

    options = {"worker": None, "scheduler": None} | options
    deliver(ask, on_piece, lambda: seen.append("end"), seen.append, life=life, **options)
    return life


def test_a_pause_at_whose_announcement_the_answer_ends_is_not_begun() -> None:
    begun: list[Any] = []
    until = rx.defer(lambda scheduler: begun.append(scheduler) or rx.empty())
    seen: list[Any] = []
    paused(until, seen, scheduler=TestScheduler(), end_at=2)
    assert seen == ["a", ""]
    assert begun == []


def test_a_pause_that_fails_is_over() -> None:
    seen: list[Any] = []
    clock = TestScheduler()
    life = paused(rx.throw(OSError("no")), seen, scheduler=clock)
    clock.start()
    assert seen == ["a", "", "b", "end"]
    assert len(life) == 0, "nothing is left of the pause"


@pytest.mark.parametrize("given", ["worker", "both", "virtual"])
def test_a_pause_is_subscribed_to_with_the_scheduler_that_its_answer_has(given: str) -> None:
    begun: list[Any] = []
    until = rx.defer(lambda scheduler: begun.append(scheduler) or rx.never())
    virtual, loop = TestScheduler(), EventLoopScheduler()
    place = {
        "worker": {"worker": virtual},
        "both": {"worker": virtual, "scheduler": loop},
        "virtual": {"scheduler": virtual},
    }[given]
    came: list[Any] = []
    life = paused(until, came, **place)
    virtual.start()
    if given == "both":
        done = threading.Event()
        loop.schedule(lambda *_: done.set())
        assert done.wait(PATIENCE)
        virtual.start()
    life.dispose()
    loop.dispose()
    assert begun == [loop if given == "both" else virtual]


def test_a_stuck_worker_does_not_fail_an_answer_that_pauses() -> None:
    thread, clock, _ = shared()
    worker: Any = TestScheduler()
    worker.shared_thread = thread
    seen: list[Any] = []
    until: Subject[Any] = Subject()
    paused(until, seen, worker=worker)
    worker.start()
    thread.begin()  # with another conversation's step
    clock.ring(5.0)
    thread.end()
    until.on_completed()
    worker.start()
    assert seen == ["a", "", "b", "end"]


def test_after_a_pause_an_answer_goes_on_where_its_scheduler_is() -> None:
    """Also if the thread that asked runs an event loop."""
    home, seen, done = EventLoopScheduler(), list[Any](), threading.Event()
    until: Subject[Any] = Subject()
    threads: list[int] = []

    async def main() -> None:
        def ask() -> Iterator[str]:
            yield Waiting(until)
            threads.append(threading.get_ident())
            yield "b"

        deliver(
            ask,
            seen.append,
            done.set,
            seen.append,
            life=CompositeDisposable(),
            worker=None,
            scheduler=home,
        )
        until.on_completed()
        assert done.wait(PATIENCE)

    asyncio.run(main())
    home.dispose()
    assert seen == ["", "b"]
    assert threads != [threading.get_ident()]


# Observables


def test_an_observable_whose_piece_is_none_is_let_go_of() -> None:
    pieces: Subject[Any] = Subject()
    seen: list[Any] = []
    deliver(
        lambda: pieces,
        seen.append,
        lambda: seen.append("end"),
        lambda error: seen.append(type(error)),
        life=CompositeDisposable(),
        worker=None,
        scheduler=None,
        convert=int,
    )
    pieces.on_next("1")
    pieces.on_next("x")
    assert not pieces.observers
    pieces.on_next("2")
    assert seen == [1, ValueError]


def test_a_call_that_is_interrupted_while_somebody_waits_for_it_is_given_up() -> None:
    open_calls: list[str] = []

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert open_calls == ["begun"]
            raise KeyboardInterrupt

    def later() -> Observable[Any]:
        open_calls.append("begun")
        return Observable(lambda *_: Disposable(open_calls.clear))

    call = SlowCall(later)
    call._over = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        call.result()
    assert open_calls == []


# Closing


@pytest.mark.parametrize("kind", ["generator", "async", "observable"])
@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_what_a_model_raises_as_it_is_closed(
    kind: str, raised: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """A Ctrl-C on the main thread ends the program; all else is logged."""

    def generator() -> Iterator[str]:
        try:
            yield "a"
        finally:
            raise raised("no")

    async def async_generator() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            raise raised("no")

    def dispose() -> None:
        raise raised("no")

    def run() -> None:
        if kind == "observable":
            closing(Disposable(dispose)).dispose()
            return
        if kind == "generator":
            pieces = generator()
            next(pieces)
            close(pieces)
            return

        given = async_generator()
        step = given.__anext__()
        with pytest.raises(StopIteration):
            step.__await__().send(None)
        ending = close_async(given, None)  # type: ignore[arg-type]
        with contextlib.suppress(StopIteration):
            ending.send(None)

    if raised is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            run()
        assert caplog.messages == []
    else:
        run()
        assert caplog.messages == ["a model raised while its answer was closed"]


def test_a_generator_within_an_answer_is_closed_with_it() -> None:
    closed: list[str] = []

    def generator() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("closed")

    given = generator()
    pieces = pieces_of(given, str.upper)
    assert isinstance(pieces, Iterator)
    assert next(pieces) == "A"
    close(pieces)
    assert closed == ["closed"], "before the garbage collector would"


def test_an_awaitable_that_gives_another_is_one_piece_to_be_refused() -> None:
    async def nested() -> Any:
        return coroutine

    async def inner() -> str:
        return "x"

    async def main() -> list[str]:
        pieces: Any = pieces_of(nested(), lambda it: str(it is coroutine))
        return [piece async for piece in pieces]

    coroutine = inner()
    try:
        assert asyncio.run(main()) == ["True"]
    finally:
        coroutine.close()


def test_an_answer_that_is_awaited_may_come_in_pieces_which_are_closed() -> None:
    closed: list[str] = []

    def generator() -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("generator")

    async def async_generator() -> AsyncIterator[str]:
        try:
            yield "c"
            yield "d"
        finally:
            closed.append("async")

    async def main() -> list[str]:
        taken: list[str] = []
        for kind in (generator, async_generator):
            given = kind()

            async def answer(given: Any = given) -> Any:
                return given

            pieces: Any = pieces_of(answer(), str.upper)
            taken.append(await anext(pieces))
            await pieces.aclose()
            assert len(closed) == len(taken)
        return taken

    assert asyncio.run(main()) == ["A", "C"]
    assert closed == ["generator", "async"]


def test_who_waits_in_place_for_an_answer_that_does_not_close_leaves_it_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No limit of time would wake the thread: disposing of the answer does."""
    monkeypatch.setattr(tasks, "CLOSING_S", 0.02)
    began, release = threading.Event(), []

    async def hangs() -> AsyncIterator[str]:
        try:
            began.set()
            await asyncio.Event().wait()
            yield "x"
        finally:
            gate = asyncio.Event()
            release.append((asyncio.get_running_loop(), gate))
            await gate.wait()

    life = CompositeDisposable()
    seen: list[Any] = []

    def work() -> None:
        deliver(
            hangs,
            seen.append,
            lambda: seen.append("end"),
            seen.append,
            life=life,
            worker=None,
            scheduler=None,
        )

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert began.wait(PATIENCE)
    life.dispose()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert seen == []
    assert caplog.messages == ["a model takes longer than 0.02 s to be closed"]
    loop, gate = release[0]
    loop.call_soon_threadsafe(gate.set)


def test_who_waits_in_place_for_an_answer_goes_on_once_it_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also if its life ends with it: nothing is left to wait for."""

    async def respond() -> str:
        return "a"

    life = CompositeDisposable()
    seen: list[Any] = []
    deliver(
        respond,
        seen.append,
        life.dispose,
        seen.append,
        life=life,
        worker=None,
        scheduler=None,
    )
    assert seen == ["a"]
    assert caplog.messages == []


def test_who_waits_in_place_for_an_answer_that_never_begins_is_told_in_time() -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        return "a"

    life = CompositeDisposable()
    seen: list[Any] = []

    def late(error: BaseException) -> None:
        seen.append(str(error))
        life.dispose()

    deliver(
        hangs,
        seen.append,
        lambda: seen.append("end"),
        seen.append,
        life=life,
        worker=None,
        scheduler=None,
        watch=Watch(TimeLimits(0.02), SubscriptionClock(None), life, late),
    )
    assert seen == ["the model gave nothing for 0.02 s (timeout_ms=20)"]


@pytest.mark.parametrize("in_place", [False, True])
def test_an_answer_whose_loop_is_closed_is_not_timed_nor_waited_for(in_place: bool) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    watched = Watched()
    scheduler = TestScheduler() if in_place else AsyncIOThreadSafeScheduler(loop)
    adopt(scheduler, loop)
    seen: list[Any] = []

    async def respond() -> str:
        return "a"

    deliver(
        respond,
        seen.append,
        lambda: seen.append("end"),
        lambda error: seen.append(str(error)),
        life=watched.life,
        worker=None,
        scheduler=scheduler,
        watch=watched.watch,
    )
    assert seen == ["the event loop of the app is closed"]
    assert watched.clock.set == []


def test_an_answer_that_is_over_tells_no_scheduler_which_may_be_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    home, life = EventLoopScheduler(), CompositeDisposable()
    began = threading.Event()
    seen: list[Any] = []
    running: list[asyncio.Task[Any]] = []

    async def hangs() -> AsyncIterator[str]:
        task = asyncio.current_task()
        assert task is not None
        running.append(task)
        began.set()
        await asyncio.Event().wait()
        yield "a"

    deliver(
        hangs,
        seen.append,
        lambda: seen.append("end"),
        seen.append,
        life=life,
        worker=None,
        scheduler=home,
    )
    assert began.wait(PATIENCE)
    home.dispose()
    life.dispose()
    over = asyncio.run_coroutine_threadsafe(asyncio.wait(running), running[0].get_loop())
    over.result(PATIENCE)
    assert seen == []
    assert caplog.messages == []


def test_a_ctrl_c_amid_an_async_answer_on_the_main_thread_ends_the_program_as_well() -> None:
    seen: list[Any] = []

    async def respond() -> str:
        raise KeyboardInterrupt

    async def main() -> None:
        deliver(
            respond,
            seen.append,
            lambda: seen.append("end"),
            lambda error: seen.append(type(error)),
            life=CompositeDisposable(),
            worker=None,
            scheduler=None,
        )
        await others_end()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert seen == [KeyboardInterrupt]


def test_what_a_model_raises_as_it_is_cancelled_is_nobodys_error() -> None:
    """Its answer is over, and the event loop of the app is not told of an error either."""
    told: list[Any] = []
    seen: list[Any] = []

    async def respond() -> AsyncIterator[str]:
        try:
            yield "a"
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("the connection was lost") from None

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        life = CompositeDisposable()
        deliver(
            respond,
            seen.append,
            lambda: seen.append("end"),
            seen.append,
            life=life,
            worker=None,
            scheduler=None,
        )
        while not seen:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        life.dispose()
        await others_end()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert seen == ["a"]
    assert told == []


# Odd sounds


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"shape": (3,)}, "got a test_answers_corners.Odd of unknown dtype, shape (3,)"),
        ({"dtype": "float32"}, "got <test_answers_corners.Odd object at "),
        ({"shape": (2, 3), "dtype": "float32"}, "wanted mono samples of shape (n,), got shape (2"),
        ({"shape": (3,), "dtype": "int16"}, "got int16: convert with np.asarray(samples, np.float"),
    ],
)
def test_a_sound_of_which_something_is_not_known(attributes: dict[str, Any], message: str) -> None:
    class Odd: ...

    Odd.__qualname__, Odd.__module__ = "Odd", "test_answers_corners"
    odd = Odd()
    for name, value in attributes.items():
        setattr(odd, name, value)
    with pytest.raises(AudioFormatError) as raised:
        sound(odd, 24_000)
    assert message in str(raised.value)


def test_a_result_at_another_rate_is_refused_and_one_at_its_own_is_taken() -> None:
    class Result:
        audio = np.zeros(3, np.float32)
        sample_rate = 24_000

    assert len(sound(Result(), 24_000).samples) == 3
    with pytest.raises(AudioFormatError, match=r"wanted sound at 16000 Hz.*at 24000"):
        sound(Result(), 16_000)


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt])
def test_what_downstream_raises_in_place_ends_an_async_answer(
    raised: type[BaseException],
) -> None:
    """A Ctrl-C hits the thread that waits: the turn fails with it as well."""
    closed = threading.Event()
    errors: list[BaseException] = []

    async def respond() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.set()

    def on_piece(piece: str) -> None:
        raise raised(piece)

    with pytest.raises(raised, match="a"):
        deliver(
            respond,
            on_piece,
            lambda: None,
            errors.append,
            life=CompositeDisposable(),
            worker=None,
            scheduler=None,
        )
    assert closed.wait(PATIENCE)
    assert [type(it) for it in errors] == [KeyboardInterrupt] * (raised is KeyboardInterrupt)
