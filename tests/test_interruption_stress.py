"""Thousands of interruptions at every point of a turn: in virtual time, and on real threads.

A failure names its seed: ``STRESS_SEED=17 python -m pytest tests/test_interruption_stress.py``.
``STRESS_MANY=50000`` has so many turns.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import reactivex as rx
from interruption_story import lines
from interruption_world import CHUNK, Plan, Quick, Slow, World, microphone
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable
from reactivex.scheduler import EventLoopScheduler
from thorough import THOROUGH

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.mlx import MlxScheduler
from rxvoice.testing import FakeSpeaker, marbles

MANY = int(os.environ.get("STRESS_MANY", "10000" if THOROUGH else "600"))
FIRST = 72
"""The seed to begin with: the conversations after it come to all that is rare."""
AT_ONCE = 4
POINTS = (
    "interrupted while listening",
    "interrupted while thinking",
    "interrupted before a sample was heard",
    "interrupted while speaking",
    "interrupted after all was made",
    "interrupted after it failed",
    "finished",
    "paused and resumed",
    "dropped: short",
    "dropped: echo",
    "dropped: no_words",
    "dropped: failed",
    "failed: transcribe",
    "failed: respond",
    "failed: synthesize",
    "idle",
)
SEED = os.environ.get("STRESS_SEED")


def at(clock: abc.SchedulerBase, what: list[tuple[float, Any]], over_ms: float | None) -> Any:
    """A source that gives these at their milliseconds."""

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        life = CompositeDisposable()
        for ms, it in what:
            life.add(clock.schedule_relative(ms / 1000, lambda *_, it=it: observer.on_next(it)))
        if over_ms is not None:
            life.add(clock.schedule_relative(over_ms / 1000, lambda *_: observer.on_completed()))
        return life

    return Observable(subscribe)


def virtual(seed: int, *, cut: str | None = None) -> World:
    """A conversation in virtual time.

    Args:
        cut: how it ends before its time: ``"disposed"``, or so while it is ``"paused"``, or
            ``"failed"``, with the source.
    """
    plan = Plan.roll(seed)
    dice = random.Random(f"virtual {seed}")
    clock: Any = marbles(tick_ms=1).scheduler
    world = World(plan, FakeSpeaker(clock, sample_rate=1000))

    def worker() -> Slow | None:
        most_ms = dice.choice([None, 0, 5, 40, 150])
        return None if most_ms is None else Slow(clock, dice, most_ms)

    chunks = microphone(plan.flags)
    lag = dice.choice([0, 5])  # of the app's clicks, against the chunks
    cut_ms = dice.randint(0, len(chunks) * CHUNK)
    source = at(clock, [(it.start, it) for it in chunks], len(chunks) * CHUNK)
    if cut == "failed":
        source = rx.merge(source, rx.timer(cut_ms / 1000, scheduler=clock).pipe(fail))
    conversation = world.pipe(
        source,
        at(clock, [(ms + lag, said) for ms, said in plan.presses], None),
        worker(),
        worker(),
        worker(),
    )
    home = clock if dice.random() < 0.5 else Slow(clock, dice, dice.choice([0, 3, 20]))
    life = SerialDisposable()

    def dispose(*_: object) -> None:
        world.over("disposed")
        life.dispose()

    def on_next(element: object) -> None:
        if cut == "paused" and isinstance(element, rxv.events.Paused):
            clock.schedule_relative(dice.randint(0, 30) / 1000, dispose)

    life.disposable = conversation.subscribe(on_next, lambda _: None, scheduler=home)
    if cut == "disposed":
        clock.schedule_relative(cut_ms / 1000, dispose)
    clock.start()
    return world


def fail(source: Observable[Any]) -> Observable[Any]:
    def now(_: object) -> Observable[Any]:
        return rx.throw(OSError("microphone"))

    return source.pipe(ops.flat_map(now))


def test_in_virtual_time() -> None:
    points: Counter[str] = Counter()
    for seed in [int(SEED)] if SEED else range(FIRST, FIRST + MANY // 8):
        world = virtual(seed)
        try:
            points.update(world.check().points())
        except AssertionError as error:
            error.add_note(f"STRESS_SEED={seed}: {world.plan}\n{lines(world.told)}")
            raise
    if not SEED:
        missed = [point for point in POINTS if points[point] < MANY / 400]
        assert not missed, f"hardly ever came to: {missed}, of {points}"


@pytest.mark.parametrize("cut", ["disposed", "paused", "failed"])
def test_it_ends_at_any_moment(cut: str) -> None:
    for seed in [int(SEED)] if SEED else range(MANY // 20):
        world = virtual(seed, cut=cut)
        try:
            world.check_cut()
        except AssertionError as error:
            error.add_note(f"STRESS_SEED={seed}: {world.plan}\n{lines(world.told)}")
            raise


# On real threads


class Jitter:
    """Waits a little, as long as chance will have it; what waits for what is not its business."""

    def __init__(self, seed: object, most_s: float) -> None:
        self._dice, self._most_s = random.Random(f"jitter {seed}"), most_s
        self._never = threading.Event()

    def __call__(self) -> None:
        if self._dice.random() < 0.5:
            self._never.wait(self._dice.random() * self._most_s)


def pushed(
    what: list[tuple[int, Any]], wait: Jitter, until: threading.Event | None, threads: list[Any]
) -> Observable[Any]:
    """A source with a thread of its own.

    Args:
        until: when it is to give up, without an end; None for one that ends.
    """

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        gone = threading.Event()

        def run() -> None:
            for ticks, it in what:
                for _ in range(ticks):
                    wait()
                if gone.is_set() or (until and until.is_set()):
                    return
                observer.on_next(it)
            if until is None:
                observer.on_completed()

        thread = threading.Thread(target=run)
        threads.append(thread)
        thread.start()
        return Disposable(gone.set)

    return Observable(subscribe)


def threaded_plan(seed: int) -> Plan:
    """Many turns, and all of them short."""
    return Plan.roll(seed, turns=(25, 45), longest=25, ms=0.02)


def threaded(seed: int, models: MlxScheduler) -> World:
    """A conversation on threads: of the microphone, the app, the models, the loudspeaker.

    Every other one has a conversation thread as well; without, all of them bring what they have.
    """
    plan = threaded_plan(seed)
    dice = random.Random(f"threaded {seed}")
    speaker = Quick(seed)
    own = EventLoopScheduler() if dice.random() < 0.3 else None  # for the voice
    world = World(plan, speaker, Jitter(seed, dice.choice([0, 0.0003, 0.001])))
    threads: list[threading.Thread] = []
    over = threading.Event()
    errors: list[Exception] = []
    chunks = [(1, it) for it in microphone(plan.flags)]
    presses: list[tuple[int, Any]] = []
    if plan.presses:
        last = 0
        for _ in range(8):
            for ms, said in plan.presses:
                text = said and said.replace("t", f"t{len(presses)}x", 1)
                presses.append((1 + max(0, ms // CHUNK - last) % 60, text))
                last = ms // CHUNK
    wait = Jitter(f"microphone {seed}", 0.0003)
    source = pushed(chunks, wait, None, threads)
    conversation = dice.random() < 0.6
    if conversation:
        source = source.pipe(vox.handoff(max_ms=10**9, overflow="fail"))
    pipe = world.pipe(
        source,
        pushed(presses, Jitter(f"app {seed}", 0.0006), over, threads),
        models.listening,
        models.text,
        own or models.speech,
    )

    def failed(error: Exception) -> None:
        errors.append(error)
        over.set()

    try:
        if conversation:
            pipe = rxv.live(pipe)
        life = pipe.subscribe(lambda _: None, failed, over.set)
        ended = over.wait(60)
        over.set()
        life.dispose()
        assert ended, "it never ended"
        for lane in (models.listening, models.text, own or models.speech):
            idle = threading.Event()  # what was closed is closed by the next step
            lane.schedule(lambda *_, idle=idle: idle.set())
            assert idle.wait(60)
    finally:
        over.set()
        speaker.stop()
        if own is not None:
            own.dispose()
        for thread in threads:
            thread.join(60)
    assert not errors, errors
    return world


def left(before: set[threading.Thread]) -> list[threading.Thread]:
    """The threads that do not end."""
    new = [it for it in threading.enumerate() if it not in before]
    for thread in new:
        thread.join(60)
    return [it for it in new if it.is_alive()]


def run_threaded(seeds: Sequence[int], models: MlxScheduler) -> int:
    """Conversations at the same time, which share the models' thread; the turns that they had."""
    before = set(threading.enumerate())
    with ThreadPoolExecutor(len(seeds)) as users:
        running = [users.submit(threaded, seed, models) for seed in seeds]
    turns = 0
    for seed, done in zip(seeds, running, strict=True):
        told: list[Any] = []
        try:
            world = done.result()
            told = world.told
            world.check()
        except Exception as error:
            error.add_note(f"STRESS_SEED={seed}: {threaded_plan(seed).options}\n{lines(told)}")
            raise
        turns += len(world.turns)
    assert not left(before), f"threads are left of {seeds}"
    return turns


@pytest.fixture
def models() -> Iterator[MlxScheduler]:
    with MlxScheduler() as scheduler:
        begun = threading.Event()  # its thread is there before they are counted
        scheduler.schedule(lambda *_: begun.set())
        assert begun.wait(60)
        yield scheduler


@pytest.mark.slow
def test_on_real_threads(models: MlxScheduler) -> None:
    if SEED:
        run_threaded([int(SEED)], models)
        return
    turns = seed = 0
    while turns < MANY // 2:  # each takes its time
        turns += run_threaded(range(seed, seed + AT_ONCE), models)
        seed += AT_ONCE


def test_on_threads_that_switch_wherever_they_can(models: MlxScheduler) -> None:
    """`make stress` runs all that has threads like this."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        assert run_threaded(range(AT_ONCE), models) > 100
    finally:
        sys.setswitchinterval(before)
