"""`handoff`: on another thread, through a bounded queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, Literal, TypeAlias, TypeVar, cast

from reactivex import abc
from reactivex.disposable import Disposable
from reactivex.scheduler import NewThreadScheduler

from rxvoice._check import whole
from rxvoice._threads.delivery import Delivery
from rxvoice._threads.kept import Kept
from rxvoice._threads.loop import Loop
from rxvoice.chunks import AudioChunk
from rxvoice.errors import ConfigError, QueueFull
from rxvoice.events import AudioLost, Event, Notice
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events

__all__ = ["Overflow", "handoff"]

T = TypeVar("T")

Overflow: TypeAlias = Literal["drop_oldest", "drop_newest", "fail"]
"""What becomes of what does not fit: the oldest or the newest is dropped, or it is an error."""

_OVERFLOWS = ("drop_oldest", "drop_newest", "fail")
_MOST_OTHERS = 1_000
"""Elements without a length that may wait: events come some times a second."""
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
    """Go on on another thread, through a queue that has a limit.

    The source is never held up: its ``on_next`` puts the element in the queue and returns.
    ``max_ms`` limits the audio that waits, and so how far behind what follows can be; a chunk
    always fits where no other waits. Elements without a length, such as events, do not use it up:
    1000 of them may wait, and beyond that ``overflow`` applies to them.

    Emits: the same elements, in order, and where some were dropped, in their place, an `AudioLost`
        with ``cause="full"``, or a `Notice` where they were no audio. ``start`` and ``time`` of
        the chunks that follow are true, so that the hole can be seen; it is not filled with
        silence, which would take as long to work off as the sound.
    Completes: with the source, after all that waits.
    Errors: with the source, and `QueueFull` when it is full and told to ``"fail"``; after all that
        waits.
    Drops: what ``overflow`` says, counted and told; on disposal, what waits.
    Runs on: ``scheduler``; without one, the scheduler given to ``subscribe``; without either, or
        with the one that ``Observable.run`` brings, a thread "rxvoice-handoff" of its own for each
        subscription, which ends with it and logs what a subscriber raises. Elements may come from
        any thread.

    Args:
        max_ms: milliseconds of audio that may wait, 1 or more.
        overflow: when the queue is full, ``"drop_oldest"`` makes room (for live audio),
            ``"drop_newest"`` drops what comes, ``"fail"`` ends the stream with an error.
        on_drop: called with each element that is dropped, on the thread of the source; must be
            quick. What it raises ends the stream.
        scheduler: where to go on.

    In place of RxPY's ``observe_on``, whose queue has no limit.
    """
    whole("handoff max_ms", max_ms, 1, "ms")
    if overflow not in _OVERFLOWS:
        raise ConfigError(
            f"handoff overflow must be one of {', '.join(map(repr, _OVERFLOWS))}, got {overflow!r}"
        )

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        where = scheduler
        if where is None and type(out.scheduler) is not NewThreadScheduler:  # a pool is one too
            where = out.scheduler
        if where is None:
            own = where = Loop("rxvoice-handoff")
            out.life.add(Disposable(own.dispose))
        queue: _Queue[T] = _Queue(max_ms, overflow)
        kept = Kept(out.life)

        def emit(element: T | Event) -> None:
            out.emit(element)
            kept.taken(element)

        delivery: Delivery[T | Event] = Delivery(queue, emit, out.fail, out.complete, where)
        out.life.add(delivery)
        failed = False

        def end(error: Exception | None = None) -> None:
            nonlocal failed
            failed = True
            delivery.end(error)

        def step(element: T) -> None:
            if failed:
                return
            kept.put(element)
            try:
                with delivery.lock:
                    dropped = queue.put(element)
                for each in dropped:
                    kept.taken(each)
                    if on_drop is not None:
                        on_drop(each)
            except Exception as error:
                end(error)
            else:
                delivery.kick()

        return step, end, end

    return stateful_on_events(start)


class _Hole:
    """Where something was dropped, among what waits."""

    __slots__ = ("others", "samples")

    def __init__(self) -> None:
        self.samples = 0
        self.others = 0


class _Queue(Generic[T]):
    """What waits; holes that touch are one, so that they are as few as what is between them."""

    def __init__(self, max_ms: int, overflow: Overflow) -> None:
        self._max_ns = max_ms * 1_000_000
        self._overflow: Overflow = overflow
        self._waiting: deque[T | Event | _Hole] = deque()
        self._ns = 0
        self._others = 0
        self._lost = 0

    def put(self, element: T) -> list[T]:
        """Put it in; gives what was dropped for it."""
        audio = isinstance(element, AudioChunk)
        ns = _ns(element)
        dropped: list[T] = []
        while self._ns and self._ns + ns > self._max_ns if audio else self._others >= _MOST_OTHERS:
            if self._overflow == "fail":
                much = f"{self._max_ns // 1_000_000} ms of audio" if audio else f"{_MOST_OTHERS}"
                raise QueueFull(f"handoff: {much} already waited: {_REMEDY}")
            if self._overflow == "drop_newest":
                self._note(len(self._waiting), element)
                return [element]
            dropped.append(self._drop_oldest(audio))
        self._waiting.append(element)
        self._count(element, 1)
        return dropped

    def take(self) -> T | Event:
        """The next element, or what is to be said about a hole."""
        element = self._waiting.popleft()
        if not isinstance(element, _Hole):
            self._count(element, -1)
            return element
        if element.samples:
            if element.others:
                self._waiting.appendleft(element)
            samples, element.samples = element.samples, 0
            self._lost += samples
            return AudioLost(samples, self._lost, "full", _REMEDY)
        many = f"{element.others} events or other elements were dropped: {_REMEDY}"
        return Notice(many, {"dropped": element.others}, stage="handoff")

    def clear(self) -> None:
        self._waiting.clear()

    def _count(self, element: T | Event, sign: int) -> None:
        if isinstance(element, AudioChunk):
            self._ns += sign * _ns(element)
        else:
            self._others += sign

    def _drop_oldest(self, audio: bool) -> T:
        for at, element in enumerate(self._waiting):
            if isinstance(element, AudioChunk) is audio and not isinstance(element, _Hole):
                del self._waiting[at]
                self._count(element, -1)
                self._note(at, element)
                return cast("T", element)
        raise AssertionError("nothing of the kind that is full waits")

    def _note(self, at: int, element: T | Event) -> None:
        """That this was dropped, in a hole before place `at`."""
        hole = self._waiting[at - 1] if at else None
        if not isinstance(hole, _Hole):
            after = self._waiting[at] if at < len(self._waiting) else None
            hole = after if isinstance(after, _Hole) else _Hole()
            if hole is not after:
                self._waiting.insert(at, hole)
        elif at < len(self._waiting) and isinstance(after := self._waiting[at], _Hole):
            hole.samples += after.samples
            hole.others += after.others
            del self._waiting[at]
        if isinstance(element, AudioChunk):
            hole.samples += len(element.samples)
        else:
            hole.others += 1


def _ns(element: object) -> int:
    if not isinstance(element, AudioChunk):
        return 0
    return len(element.samples) * 1_000_000_000 // element.sample_rate
