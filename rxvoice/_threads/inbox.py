"""The queue of an app that takes its time, and the loop that reads it."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty
from threading import Condition
from typing import Any, Generic, TypeVar

from reactivex.disposable import CompositeDisposable

from rxvoice._threads.bounded import Bounded, Ended, Hole, Room
from rxvoice.events import Level, Notice, Partial, ReplyDelta

T = TypeVar("T")


def app_queue(max_events: int, life: CompositeDisposable) -> Bounded[Any, Notice]:
    """Make the queue of a conversation's events on their way to the app.

    Where it is full, it drops events that a later one makes up for before any other.
    """
    room = Room(max_events, f"{max_events} events")
    total = 0

    def report(hole: Hole) -> list[Notice]:
        nonlocal total
        total += hole.elements
        message = f"the app did not keep up: {hole.elements} of its events were dropped"
        return [Notice(message, {"dropped": hole.elements, "total": total}, stage="live")]

    return Bounded(
        "drop_oldest",
        lambda _: (room, 1),
        report,
        life=life,
        passing=(Level, Partial, ReplyDelta),
    )


class Inbox(Generic[T]):
    """A queue that one thread waits for, for a ``for`` loop. Any thread may `put` and `end`."""

    def __init__(self, queue: Bounded[T, Notice]) -> None:
        self._queue = queue
        self._changed = Condition()

    def put(self, element: T) -> None:
        """Add an element."""
        self._queue.put(element)
        self._wake()

    def end(self, error: Exception | None = None) -> None:
        """Accept nothing more."""
        self._queue.end(error)
        self._wake()

    def elements(self) -> Iterator[T | Notice]:
        """Wait for each element and yield it; raise the error after the last one."""
        while True:
            with self._changed:
                try:
                    element = self._queue.take()
                except Empty:
                    self._changed.wait()
                    continue
                except Ended as ended:
                    error = ended.error
                    break
            yield element
            self._queue.passed_on(element)
        if error is not None:
            raise error

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()
