"""`InOrder`: elements that wait for an answer, and those behind them, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from reactivex.disposable import CompositeDisposable

A = TypeVar("A")


class InOrder(Generic[A]):
    """Runs actions in the order in which they are put here, some of which wait for an answer.

    Args:
        life: once it is disposed of, nothing runs.
    """

    def __init__(self, life: CompositeDisposable) -> None:
        self._life = life
        self._places: deque[Place[A]] = deque()
        self._is_running = False

    def put(self, action: Callable[[], None]) -> None:
        """Run `action` behind all that waits."""
        place: Place[A] = Place(self, lambda _: action())
        self._places.append(place)
        place.come(None)

    def wait(self, action: Callable[[A], None]) -> Place[A]:
        """Keep a place for `action`. Its `come` is to be called with the answer."""
        place = Place(self, action)
        self._places.append(place)
        return place

    def run(self) -> None:
        """Run all actions up to the first that waits."""
        if self._is_running:
            return  # an action has put one here, which follows
        self._is_running = True
        places = self._places
        try:
            while places and places[0].has_come:
                place = places.popleft()
                if not self._life.is_disposed:
                    place.action(place.answer)
        finally:
            self._is_running = False


class Place(Generic[A]):
    """A place in the line: an action, and the answer that it waits for."""

    # A class, since a chunk of each session passes here 31 times a second: closures cost more.
    __slots__ = ("_line", "action", "answer", "has_come")

    def __init__(self, line: InOrder[A], action: Callable[[A], None]) -> None:
        self._line = line
        self.action = action
        self.answer: Any  # once it has come
        self.has_come = False

    def come(self, answer: A | None) -> None:
        """Take the answer, and run all whose turn it is."""
        self.answer = answer
        self.has_come = True
        self._line.run()
