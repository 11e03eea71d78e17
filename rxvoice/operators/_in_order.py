"""`InOrder`: elements that wait for an answer, and those behind them, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from reactivex.disposable import CompositeDisposable

A = TypeVar("A")


class _Place:
    """A place in the line. Its action is None while the answer has not come."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None] | None) -> None:
        self.action = action


class InOrder(Generic[A]):
    """Runs actions in the order in which they are put here, some of which wait for an answer.

    Args:
        life: once it is disposed of, nothing runs.
    """

    def __init__(self, life: CompositeDisposable) -> None:
        self._life = life
        self._places: deque[_Place] = deque()
        self._is_running = False

    def put(self, action: Callable[[], None]) -> None:
        """Run `action` behind all that waits."""
        self._places.append(_Place(action))
        self._run()

    def wait(self, action: Callable[[A], None]) -> Callable[[A], None]:
        """Keep a place for `action`; returns what to call with the answer that it waits for."""
        place = _Place(None)
        self._places.append(place)

        def come(answer: A) -> None:
            place.action = partial(action, answer)
            self._run()

        return come

    def _run(self) -> None:
        if self._is_running:
            return  # an action has put one here, which follows
        self._is_running = True
        try:
            while self._places and (action := self._places[0].action) is not None:
                self._places.popleft()
                if not self._life.is_disposed:
                    action()
        finally:
            self._is_running = False
