from __future__ import annotations

import gc
import logging
import random
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from reactivex import Subject
from reactivex.scheduler import NewThreadScheduler, ThreadPoolScheduler
from reactivex.testing import TestScheduler
from thorough import THOROUGH

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError, QueueFull
from rxvoice.events import AudioLost, Level, Notice
from rxvoice.testing.check import check_operator

WAIT_S = 60
RATE = 1000  # a sample a millisecond
BOOM = RuntimeError("boom")


def chunk(n: int, size: int = 10, rate: int = RATE) -> AudioChunk:
    return AudioChunk(np.full(size, n / 4096, np.float32), rate, n * size)


def starts(seen: list[Any]) -> list[Any]:
    """Chunks by their numbers, losses by their sizes, and everything else as it is."""
    return [
        round(e.start / 10)
        if isinstance(e, AudioChunk)
        else (e.samples, e.total)
        if isinstance(e, AudioLost)
        else e
        for e in seen
    ]


class Run:
    """A handoff that delivers when virtual time passes."""

    def __init__(self, **options: Any) -> None:
        self.clock = TestScheduler()
        self.source: Subject[Any] = Subject()
        self.seen: list[Any] = []
        self.end: list[Any] = []
        self.life = self.source.pipe(vox.handoff(**options)).subscribe(
            self.seen.append,
            self.end.append,
            lambda: self.end.append("completed"),
            scheduler=self.clock,
        )

    def push(self, *elements: Any) -> Run:
        for element in elements:
            self.source.on_next(chunk(element) if isinstance(element, int) else element)
        return self

    def deliver(self) -> list[Any]:
        self.clock.advance_by(1)
        return starts(self.seen)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "fail"])
def test_passes_the_battery(overflow: Any) -> None:
    check_operator(
        lambda: vox.handoff(max_ms=20, overflow=overflow),
        elements=[chunk(0), Notice("x"), chunk(1), chunk(2)],
        name="handoff",
    )


def test_a_callback_that_raises_ends_the_stream_after_what_waits() -> None:
    def raises(_: object) -> None:
        raise BOOM

    run = Run(max_ms=20, overflow="drop_oldest", on_drop=raises).push(0, 1, 2, 3)
    assert run.deliver() == [(10, 10), 1, 2]
    assert run.end == [BOOM]


@pytest.mark.parametrize(
    ("junk", "message"),
    [
        (AudioChunk(None), "wanted a numpy array of float32 samples, got NoneType"),  # type: ignore[arg-type]
        (AudioChunk(0.5), "wanted a numpy array of float32 samples, got float"),  # type: ignore[arg-type]
        (chunk(0, rate=0), "wanted a sample rate in Hz, 1 or more, got 0"),
        (chunk(0, rate=None), "wanted a sample rate in Hz, 1 or more, got None"),  # type: ignore[arg-type]
    ],
)
def test_a_chunk_that_has_no_length_ends_the_stream_after_what_waits(
    junk: AudioChunk, message: str
) -> None:
    run = Run(max_ms=100, overflow="fail").push(0, junk, 1)
    assert run.deliver() == [0]
    (error,) = run.end
    assert isinstance(error, AudioFormatError)
    assert str(error).startswith(message)


def test_nothing_is_delivered_on_the_thread_of_the_source() -> None:
    run = Run(max_ms=1000, overflow="fail").push(0, 1)
    assert run.seen == []
    assert run.deliver() == [0, 1]


def test_exactly_as_much_as_fits_waits() -> None:
    assert Run(max_ms=30, overflow="fail").push(0, 1, 2).deliver() == [0, 1, 2]
    seconds = [chunk(n, 1000) for n in range(2)]
    assert Run(max_ms=2_000, overflow="fail").push(*seconds).deliver() == [0, 100]
    run = Run(max_ms=1_000, overflow="fail").push(seconds[0], chunk(1, 1, 1_000_000))
    assert [type(it) for it in (run.deliver(), *run.end)] == [list, QueueFull]
    run = Run(max_ms=29, overflow="fail").push(0, 1, 2)
    assert run.deliver() == [0, 1]
    (error,) = run.end
    assert isinstance(error, QueueFull)
    assert str(error).startswith("handoff: 29 ms of audio already waited: ")


def test_what_has_been_delivered_makes_room() -> None:
    run = Run(max_ms=20, overflow="fail")
    for n in range(0, 20, 2):
        run.push(n, n + 1).deliver()
    assert starts(run.seen) == list(range(20))
    assert run.end == []


def test_room_is_counted_exactly_at_rates_that_do_not_divide() -> None:
    run = Run(max_ms=1000, overflow="fail")
    for n in range(3000):
        run.push(chunk(n, 441, 44_100), chunk(n, 7, 22_050))
        run.clock.advance_by(1)
    run.push(*(chunk(n, 441, 44_100) for n in range(100)))
    run.clock.advance_by(1)
    assert run.end == []


def test_a_chunk_longer_than_the_limit_fits_where_no_other_waits() -> None:
    run = Run(max_ms=5, overflow="drop_newest").push(0, 1)
    assert run.deliver() == [0, (10, 10)]


def test_drop_oldest() -> None:
    dropped: list[Any] = []
    run = Run(max_ms=20, overflow="drop_oldest", on_drop=dropped.append).push(0, 1, 2, 3, 4)
    assert run.deliver() == [(30, 30), 3, 4]
    assert starts(dropped) == [0, 1, 2]
    assert run.push(5, 6, 7).deliver() == [(30, 30), 3, 4, (10, 40), 6, 7]
    lost = run.seen[0]
    assert lost.cause == "full"
    assert "max_ms" in lost.remedy


def test_drop_newest() -> None:
    dropped: list[Any] = []
    run = Run(max_ms=20, overflow="drop_newest", on_drop=dropped.append).push(0, 1, 2, 3, 4)
    assert run.deliver() == [0, 1, (30, 30)]
    assert starts(dropped) == [2, 3, 4]
    assert run.push(5).deliver() == [0, 1, (30, 30), 5]


def test_a_large_chunk_makes_room_for_itself() -> None:
    run = Run(max_ms=30, overflow="drop_oldest").push(0, 1, 2, chunk(9, 25))
    assert run.deliver()[0] == (30, 30)
    assert len(run.seen) == 2


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_events_are_not_dropped_for_audio_and_stay_in_their_place(overflow: Any) -> None:
    a, b = Level(0.5, 0.5, 10), Notice("b")
    run = Run(max_ms=20, overflow=overflow).push(0, a, 1, 2, b, 3, 4)
    wanted = {
        "drop_oldest": [(10, 10), a, (20, 30), b, 3, 4],
        "drop_newest": [0, a, 1, (10, 10), b, (20, 30)],
    }
    assert run.deliver() == wanted[overflow]


def test_what_waits_has_a_bound_whatever_it_is() -> None:
    run = Run(max_ms=20, overflow="drop_oldest")
    notices = [Notice(str(n)) for n in range(1003)]
    run.push(*notices).deliver()
    told, *rest = run.seen
    assert isinstance(told, Notice)
    assert told.message.startswith("3 events or other elements were dropped: ")
    assert told.detail == {"dropped": 3}
    assert rest == notices[3:]

    run = Run(max_ms=20, overflow="drop_newest")
    run.push(*notices).deliver()
    assert run.seen[:-1] == notices[:1000]
    assert run.seen[-1].detail == {"dropped": 3}

    run = Run(max_ms=20, overflow="fail").push(*notices)
    run.deliver()
    assert run.seen == notices[:1000]
    assert isinstance(run.end[0], QueueFull)


def test_holes_that_come_to_touch_are_told_at_once() -> None:
    run = Run(max_ms=10, overflow="drop_oldest")
    others = [Notice(str(n)) for n in range(1001)]
    run.push(0, others[0], 1, others[1], 2, *others[2:])
    run.deliver()
    lost, told, *rest = run.seen
    assert (lost.samples, lost.total) == (20, 20)
    assert told.detail == {"dropped": 1}
    assert starts(rest) == [others[1], 2, *others[2:]]


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_nothing_is_lost_without_being_told_whatever_comes(overflow: Any) -> None:
    for seed in range(30):
        chance = random.Random(seed)
        dropped: list[Any] = []
        run = Run(max_ms=50, overflow=overflow, on_drop=dropped.append)
        given: list[Any] = []
        for n in range(400):
            element = chunk(n, chance.randint(1, 20)) if chance.random() < 0.6 else Notice(str(n))
            given.append(element)
            run.push(element)
            if chance.random() < 0.1:
                run.deliver()
        run.source.on_completed()
        run.deliver()
        came = [e for e in run.seen if not isinstance(e, AudioLost)]
        assert run.end == ["completed"]
        assert sorted(map(id, came + dropped)) == sorted(map(id, given))
        passed = set(map(id, came))
        assert [id(e) for e in given if id(e) in passed] == list(map(id, came))
        lost = [e for e in run.seen if isinstance(e, AudioLost)]
        assert sum(e.samples for e in lost) == sum(len(e.samples) for e in dropped) > 0
        assert lost[-1].total == sum(e.samples for e in lost)
        # Each loss stands where the lost samples would have been.
        marks = {id(e): n for n, e in enumerate(given)}
        places = [marks.get(id(e)) for e in run.seen]
        for at, event in enumerate(run.seen):
            if isinstance(event, AudioLost):
                before = next((it for it in reversed(places[:at]) if it is not None), -1)
                after = next((it for it in places[at:] if it is not None), len(given))
                between = range(before + 1, after)
                missing = [e for e in dropped if marks[id(e)] in between]
                assert sum(len(e.samples) for e in missing) == event.samples


@pytest.mark.parametrize("error", [None, BOOM])
def test_the_end_comes_after_what_waits(error: Exception | None) -> None:
    run = Run(max_ms=50, overflow="fail").push(0, 1)
    if error:
        run.source.on_error(error)
    else:
        run.source.on_completed()
    assert run.end == []
    assert run.deliver() == [0, 1]
    assert run.end == [error or "completed"]


def test_after_failing_nothing_more_is_taken() -> None:
    run = Run(max_ms=10, overflow="fail").push(0, 1)
    run.deliver()
    run.push(2).deliver()
    assert starts(run.seen) == [0]
    assert len(run.end) == 1


def test_disposal_lets_go_of_what_waits() -> None:
    run = Run(max_ms=50, overflow="fail")
    waiting = chunk(0).samples
    gone = weakref.ref(waiting)
    run.push(AudioChunk(waiting, RATE))
    del waiting
    run.life.dispose()
    gc.collect()
    assert gone() is None
    assert run.deliver() == []


def test_the_scheduler_that_is_given_comes_first() -> None:
    mine = TestScheduler()
    run = Run(max_ms=50, overflow="fail", scheduler=mine).push(0)
    assert run.deliver() == []
    mine.advance_by(1)
    assert starts(run.seen) == [0]


# Threads


def threads() -> list[threading.Thread]:
    return [it for it in threading.enumerate() if it.name == "rxvoice-handoff"]


class Live:
    """A handoff on a thread of its own."""

    def __init__(self, on_next: Any = None, **options: Any) -> None:
        self.source: Subject[Any] = Subject()
        self.seen: list[Any] = []
        self.names: set[str] = set()
        self.over = threading.Event()
        self.errors: list[Exception] = []
        self.on_next = on_next or (lambda element: None)
        self.life = self.source.pipe(vox.handoff(**options)).subscribe(
            self.add, self.fail, self.over.set
        )

    def add(self, element: Any) -> None:
        self.seen.append(element)
        self.names.add(threading.current_thread().name)
        self.on_next(element)

    def fail(self, error: Exception) -> None:
        self.errors.append(error)
        self.over.set()


def test_without_a_scheduler_it_has_a_thread_of_its_own_which_ends_with_it() -> None:
    run = Live(max_ms=1000, overflow="fail")
    for n in range(5):
        run.source.on_next(chunk(n))
    (thread,) = threads()
    run.source.on_completed()
    assert run.over.wait(WAIT_S)
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert starts(run.seen) == [0, 1, 2, 3, 4]
    assert run.names == {"rxvoice-handoff"}


def test_the_scheduler_that_run_brings_is_not_a_place_to_go_on() -> None:
    names: list[str] = []
    source: Subject[Any] = Subject()
    came = threading.Event()
    life = source.pipe(vox.handoff(max_ms=9, overflow="fail")).subscribe(
        lambda _: (names.append(threading.current_thread().name), came.set()),
        scheduler=NewThreadScheduler(),
    )
    source.on_next(chunk(0))
    assert came.wait(WAIT_S)
    life.dispose()
    assert names == ["rxvoice-handoff"]


def test_a_slow_consumer_never_holds_up_the_source() -> None:
    go_on, entered = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        entered.set()
        assert go_on.wait(WAIT_S)

    run = Live(slow, max_ms=20, overflow="drop_oldest")
    run.source.on_next(chunk(0))
    assert entered.wait(WAIT_S)
    for n in range(1, 101):
        run.source.on_next(chunk(n))
    run.source.on_completed()
    go_on.set()
    assert run.over.wait(WAIT_S)
    assert starts(run.seen) == [0, (980, 980), 99, 100]


def test_disposal_from_within_on_next() -> None:
    run = Live(lambda _: run.life.dispose(), max_ms=1000, overflow="fail")
    run.source.on_next(chunk(0))
    for thread in threads():
        thread.join(WAIT_S)
    run.source.on_next(chunk(1))
    assert starts(run.seen) == [0]
    assert threads() == []


def test_what_a_subscriber_raises_is_logged_and_the_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def raises_once(element: Any) -> None:
        if len(run.seen) == 1:
            raise BOOM

    with caplog.at_level(logging.ERROR, "rxvoice"):
        run = Live(raises_once, max_ms=1000, overflow="fail")
        for n in range(3):
            run.source.on_next(chunk(n))
        run.source.on_completed()
        assert run.over.wait(WAIT_S)
    assert starts(run.seen) == [0, 1, 2]
    assert "boom" in caplog.text


def test_many_threads_push_and_one_disposes_at_any_moment() -> None:
    chance = random.Random(4)
    for _ in range(25 if THOROUGH else 8):
        inside = threading.Lock()
        grammar: list[str] = []

        def check(_: object, inside: threading.Lock = inside, grammar: list[str] = grammar) -> None:
            if not inside.acquire(blocking=False):
                grammar.append("two at once")
                return
            inside.release()

        run = Live(check, max_ms=50, overflow="drop_oldest")
        stop = threading.Event()

        def push(first: int, run: Live = run, stop: threading.Event = stop) -> None:
            n = first
            while not stop.is_set():
                run.source.on_next(chunk(n))
                n += 1

        pushing = [threading.Thread(target=push, args=(k,)) for k in range(3)]
        for thread in pushing:
            thread.start()
        wanted = chance.randint(0, 30)
        while len(run.seen) < wanted:
            assert not run.errors
        how = chance.randint(0, 2)
        if how == 0:
            run.life.dispose()
        elif how == 1:
            run.source.on_completed()
            assert run.over.wait(WAIT_S)
        else:
            run.source.on_error(BOOM)
            assert run.over.wait(WAIT_S)
        stop.set()
        for thread in [*pushing, *threads()]:
            thread.join(WAIT_S)
        assert grammar == []
        assert threads() == []


def test_one_at_a_time_and_in_order_on_a_scheduler_with_many_threads() -> None:
    inside, clashes = threading.Lock(), 0
    others_had_their_turn = threading.Event()

    def check(_: object) -> None:
        nonlocal clashes
        if not inside.acquire(blocking=False):
            clashes += 1
            return
        assert others_had_their_turn.wait(WAIT_S)
        inside.release()

    pool = ThreadPoolScheduler(4)
    run = Live(check, max_ms=1_000_000, overflow="fail", scheduler=pool)
    for n in range(300):
        run.source.on_next(chunk(n))
    pool.executor.submit(others_had_their_turn.set)
    run.source.on_completed()
    assert run.over.wait(WAIT_S)
    pool.executor.shutdown()
    assert clashes == 0
    assert starts(run.seen) == list(range(300))


@pytest.mark.parametrize("max_ms", [0, -1, 1.5, None, True])
def test_bad_max_ms(max_ms: Any) -> None:
    with pytest.raises(ConfigError, match=r"handoff max_ms must be .* got"):
        vox.handoff(max_ms=max_ms, overflow="fail")


def test_bad_overflow() -> None:
    with pytest.raises(ConfigError) as raised:
        vox.handoff(max_ms=1, overflow="drop")  # type: ignore[arg-type]
    assert str(raised.value) == (
        "handoff overflow must be one of 'drop_oldest', 'drop_newest', 'fail', got 'drop'"
    )
    with pytest.raises(TypeError, match="overflow"):
        vox.handoff(max_ms=1)  # type: ignore[call-arg]
