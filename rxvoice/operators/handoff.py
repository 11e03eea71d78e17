"""`handoff`: go on on another thread, through a bounded queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_args

from reactivex import abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler import NewThreadScheduler

from rxvoice._audio.samples import audio_samples
from rxvoice._boundary import recorded
from rxvoice._check import whole
from rxvoice._threads.bounded import Bounded, Hole, Overflow, Room
from rxvoice._threads.delivery import Delivery
from rxvoice._threads.loop import Loop
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.events import AudioLost, Event, Notice
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events

__all__ = ["Overflow", "handoff"]

T = TypeVar("T")

_OVERFLOWS = get_args(Overflow)
_MOST_OTHERS = 1_000
"""How many elements without a length may wait. Events come a few times a second."""
_REMEDY = (
    "what follows handoff() did not keep up with the microphone: give slow models a worker, or "
    "raise max_ms if it was a passing load"
)


def handoff(
    *,
    max_ms: int,
    overflow: Overflow,
    on_drop: Callable[[T], object] | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Operator[T, T | Event]:
    """Go on on another thread, through a queue with a limit.

    The source never waits: its ``on_next`` puts the element into the queue and returns. ``max_ms``
    limits how much audio waits, and so how late the operators that follow can be. A chunk always
    fits if no other waits. Elements without a length, such as events, have a limit of their own:
    1000 of them may wait before ``overflow`` applies to them.

    Emits: the same elements, in order. In place of dropped ones, an `AudioLost` with
        ``cause="full"`` for audio, or a `Notice` for other elements. The chunks that follow keep
        their ``start`` and ``time``, so that the hole can be seen. It is not filled with silence,
        which would take as long to process as the sound.
    Completes: with the source, after all elements that wait.
    Errors: with the source, after all elements that wait; with `QueueFull`, likewise, if the queue
        is full and ``overflow`` is ``"fail"``; with an `AudioFormatError`, likewise, for a chunk
        whose samples or sample rate say nothing of its length.
    Drops: what ``overflow`` says, counted and reported; on disposal, the elements that wait.
    Runs on: ``scheduler``; without one, the scheduler given to ``subscribe``. Without either, or
        under ``Observable.run``, a thread "rxvoice-handoff" of its own for each subscription, which
        ends with it and logs what a subscriber raises. Elements may come from any thread.

    Args:
        max_ms: how much audio may wait, in milliseconds, 1 or more.
        overflow: what to do when the queue is full. ``"drop_oldest"`` makes room, for live audio;
            ``"drop_newest"`` drops the new element; ``"fail"`` ends the stream with an error.
        on_drop: called with each element that is dropped, on the thread of the source. It must be
            quick. If it raises, the stream ends with that error.
        scheduler: the scheduler to go on on.

    Use it in place of RxPY's ``observe_on``, whose queue has no limit.
    """
    whole("handoff max_ms", max_ms, 1, "ms")
    if overflow not in _OVERFLOWS:
        raise ConfigError(
            f"handoff overflow must be one of {', '.join(map(repr, _OVERFLOWS))}, got {overflow!r}"
        )

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        where = scheduler
        if where is None and type(out.scheduler) is not NewThreadScheduler:  # a pool is a subclass
            where = out.scheduler
        if where is None:
            own = where = Loop("rxvoice-handoff")
            out.life.add(Disposable(own.dispose))
        queue = _queue(max_ms, overflow, out.life)
        delivery = Delivery(queue, out.emit, out.fail, out.complete, where)
        out.life.add(delivery)

        def step(element: T) -> None:
            try:
                for dropped in queue.put(element):
                    if on_drop is not None:
                        on_drop(dropped)
            except Exception as error:
                delivery.end(error)
            else:
                delivery.kick()

        return step, delivery.end, delivery.end

    operator = stateful_on_events(start)
    # What is before it runs on a thread of its own, and is no part of a trace.
    return lambda source: recorded("handoff", operator(source))


def _queue(
    max_ms: int, overflow: Overflow, life: CompositeDisposable
) -> Bounded[Any, AudioLost | Notice]:
    audio = Room(max_ms * 1_000_000, f"{max_ms} ms of audio")
    others = Room(_MOST_OTHERS, f"{_MOST_OTHERS}")
    lost = 0

    def measure(element: object) -> tuple[Room, int]:
        return (audio, _ns(element)) if isinstance(element, AudioChunk) else (others, 1)

    def report(hole: Hole) -> Iterator[AudioLost | Notice]:
        nonlocal lost
        if hole.chunks:
            lost += hole.samples
            yield AudioLost(hole.samples, lost, "full", _REMEDY)
        if hole.others:
            many = f"{hole.others} events or other elements were dropped: {_REMEDY}"
            yield Notice(many, {"dropped": hole.others}, stage="handoff")

    full = f"handoff: {{}} already waited: {_REMEDY}"
    return Bounded(overflow, measure, report, life=life, full=full)


def _ns(chunk: AudioChunk) -> int:
    try:
        return len(chunk.samples) * 1_000_000_000 // chunk.sample_rate
    except (TypeError, ZeroDivisionError):
        audio_samples(chunk.samples)
        raise AudioFormatError(
            f"wanted a sample rate in Hz, 1 or more, got {chunk.sample_rate!r}"
        ) from None
