"""What waits for an app that takes its time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

from reactivex.disposable import CompositeDisposable

from rxvoice._threads.kept import Kept
from rxvoice.events import Level, Notice, Partial, ReplyDelta

__all__ = ["Inbox", "Waiting"]

T = TypeVar("T")

_PASSING = (Level, Partial, ReplyDelta)
"""Events that a later one makes up for."""


class Waiting(Generic[T]):
    """What waits for the app, in two queues whose numbers say how they interleave."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._passing: deque[tuple[int, T]] = deque()
        self._lasting: deque[tuple[int, T]] = deque()
        self._count = 0
        self._dropped = 0
        self._total = 0

    def put(self, element: T) -> T | None:
        """Put it in; gives what was dropped for it."""
        dropped: T | None = None
        if len(self) >= self._most:
            _, dropped = (self._passing or self._lasting).popleft()
            self._dropped += 1
        self._count += 1
        queue = self._passing if isinstance(element, _PASSING) else self._lasting
        queue.append((self._count, element))
        return dropped

    def take(self) -> T | Notice:
        """The next one, or how many were dropped before it; IndexError where there is none."""
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._total += dropped
            message = f"the app did not keep up: {dropped} of its events were dropped"
            return Notice(message, {"dropped": dropped, "total": self._total}, stage="live")
        a, b = self._passing, self._lasting
        queue = a if a and (not b or a[0][0] < b[0][0]) else b
        return queue.popleft()[1]

    def __len__(self) -> int:
        return len(self._passing) + len(self._lasting)

    def clear(self) -> None:
        """Let go of everything."""
        self._passing.clear()
        self._lasting.clear()
        self._dropped = 0


class Inbox(Generic[T]):
    """What a loop takes from a conversation, on another thread.

    Args:
        most: how many elements may wait.
        life: of the subscription that they come from.
    """

    def __init__(self, most: int, life: CompositeDisposable) -> None:
        self._waiting: Waiting[T | Notice] = Waiting(most)
        self._kept = Kept(life)
        self._changed = Condition()
        self._over = False
        self._error: Exception | None = None

    def put(self, element: T | Notice) -> None:
        """It waits for the loop."""
        self._kept.put(element)
        with self._changed:
            dropped = self._waiting.put(element)
            self._changed.notify()
        self._kept.taken(dropped)

    def end(self, error: Exception | None = None) -> None:
        """There will be no more."""
        with self._changed:
            self._over, self._error = True, error
            self._changed.notify()

    def elements(self) -> Iterator[T | Notice]:
        """Each when it is there; raises the error after all of them."""
        while True:
            with self._changed:
                while not self._waiting and not self._over:
                    self._changed.wait()
                if not self._waiting:
                    break
                element = self._waiting.take()
            yield element
            self._kept.taken(element)  # who wants to hear a turn has subscribed by now
        if self._error is not None:
            raise self._error
