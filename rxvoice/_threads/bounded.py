"""`Bounded`: the queue with a limit through which elements cross from one thread to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Empty
from threading import Lock
from typing import Generic, Literal, TypeAlias, TypeVar

from reactivex.disposable import CompositeDisposable

from rxvoice._threads.kept import Kept
from rxvoice.chunks import AudioChunk
from rxvoice.errors import QueueFull
from rxvoice.events import Event

T = TypeVar("T")
R = TypeVar("R", bound=Event)

Overflow: TypeAlias = Literal["drop_oldest", "drop_newest", "fail"]
"""What happens when the queue is full: the oldest or the newest is dropped, or it is an error."""


@dataclass(slots=True, eq=False)
class Room:
    """The limit for elements of one kind, and how much of it is taken.

    Args:
        most: how much may wait, in any unit. An element that is larger fits where no other waits.
        name: `most` with its unit, for the message of a `QueueFull`.
    """

    most: int
    name: str
    taken: int = 0


@dataclass(slots=True, eq=False)
class Hole:
    """What was dropped in one place of the queue."""

    chunks: int = 0
    samples: int = 0
    others: int = 0

    @property
    def elements(self) -> int:
        return self.chunks + self.others


class Ended(Exception):
    """Raised by `Bounded.take` after the last element.

    Attributes:
        error: what the source failed with; None where it completed.
    """

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error


class Bounded(Generic[T, R]):
    """A queue with a limit. Any thread may call any method; none of them waits.

    `take` gives the elements in order. Where some were dropped it gives, in their place, the events
    that report the loss. A `Turn` in the queue counts as listened to until `passed_on`.

    Args:
        overflow: what happens when the queue is full.
        measure: gives the `Room` that an element takes up, and how much of it.
        report: makes the events, at least one, that report a `Hole`.
        life: of the subscription: the turns that wait are let go with it.
        full: the message of a `QueueFull`; ``{}`` stands for the name of the room.
        passing: types of elements that later ones make up for. They are dropped before others, and
            reported at the front of the queue.

    Attributes:
        dropped: how many elements were dropped so far.
    """

    def __init__(
        self,
        overflow: Overflow,
        measure: Callable[[T], tuple[Room, int]],
        report: Callable[[Hole], Iterable[R]],
        *,
        life: CompositeDisposable,
        full: str = "{}",
        passing: tuple[type, ...] = (),
    ) -> None:
        self._overflow: Overflow = overflow
        self._measure = measure
        self._report = report
        self._full = full
        self._passing = passing
        self._passing_count = 0
        self._passing_from = 0  # no passing element waits before this place
        self._kept = Kept(life)
        self._lock = Lock()
        self._waiting: deque[tuple[T, Room, int] | Hole] = deque()
        self._reports: deque[R] = deque()  # of the hole that `take` has come to
        self._ended = False
        self._error: Exception | None = None
        self.dropped = 0

    def put(self, element: T) -> list[T]:
        """Add an element; gives those that were dropped, which may be this one.

        After the end it is ignored.

        Raises:
            QueueFull: there is no room, and `overflow` is ``"fail"``.
        """
        self._kept.put(element)
        gone: list[T] = [element]
        try:
            with self._lock:
                if self._ended:
                    return []
                gone = self._put(element)
                self.dropped += len(gone)
                return gone
        finally:
            for each in gone:
                self._kept.taken(each)

    def take(self) -> T | R:
        """Give the next element, or the next report of a loss.

        Raises:
            Empty: nothing waits.
            Ended: nothing waits, and nothing more will come.
        """
        with self._lock:
            if self._reports:
                return self._reports.popleft()
            if not self._waiting:
                raise Ended(self._error) if self._ended else Empty
            first = self._waiting.popleft()
            self._passing_from = max(0, self._passing_from - 1)
            if isinstance(first, Hole):
                self._reports.extend(self._report(first))
                return self._reports.popleft()
            self._leaves(first)
            return first[0]

    def passed_on(self, element: object) -> None:
        """Stop counting a turn as listened to: whoever wants to hear it has subscribed."""
        self._kept.taken(element)

    def end(self, error: Exception | None = None) -> None:
        """Accept nothing more; the first call counts. What waits can still be taken."""
        with self._lock:
            if not self._ended:
                self._ended, self._error = True, error

    def close(self) -> None:
        """Accept nothing more, and let go of what waits."""
        with self._lock:
            self._ended, self._error = True, None
            self._waiting.clear()
            self._reports.clear()

    def _put(self, element: T) -> list[T]:
        room, size = self._measure(element)
        dropped: list[T] = []
        while room.taken and room.taken + size > room.most:
            if self._overflow == "fail":
                raise QueueFull(self._full.format(room.name))
            if self._overflow == "drop_newest":
                self._note(element, len(self._waiting))
                return [element]
            dropped.append(self._drop_oldest(room))
        room.taken += size
        if isinstance(element, self._passing):
            self._passing_count += 1
            self._passing_from = min(self._passing_from, len(self._waiting))
        self._waiting.append((element, room, size))
        return dropped

    def _drop_oldest(self, room: Room) -> T:
        only_passing = self._passing_count > 0
        # Each element is looked at once on the way to a passing one, however many are dropped.
        at = self._passing_from if only_passing else 0
        while True:
            entry = self._waiting[at]
            if not isinstance(entry, Hole) and entry[1] is room:
                element = entry[0]
                if not only_passing or isinstance(element, self._passing):
                    break
            at += 1
        del self._waiting[at]
        self._leaves(entry)
        if only_passing:
            self._passing_from = at
        self._note(element, 0 if only_passing else at)
        return element

    def _leaves(self, entry: tuple[T, Room, int]) -> None:
        element, room, size = entry
        room.taken -= size
        self._passing_count -= isinstance(element, self._passing)

    def _note(self, element: T, at: int) -> None:
        """Note that an element was dropped before place `at`.

        Holes that touch become one, so there are never more of them than elements.
        """
        before = self._waiting[at - 1] if at else None
        after = self._waiting[at] if at < len(self._waiting) else None
        if isinstance(before, Hole):
            hole = before
            if isinstance(after, Hole):
                hole.chunks += after.chunks
                hole.samples += after.samples
                hole.others += after.others
                del self._waiting[at]
        elif isinstance(after, Hole):
            hole = after
        else:
            hole = Hole()
            self._waiting.insert(at, hole)
            self._passing_from += at <= self._passing_from
        if isinstance(element, AudioChunk):
            hole.chunks += 1
            hole.samples += len(element.samples)
        else:
            hole.others += 1
