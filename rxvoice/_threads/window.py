"""`UiScheduler`: what the schedulers of window toolkits share."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from reactivex import abc, typing
from reactivex.disposable import SingleAssignmentDisposable

from rxvoice._threads.relative import RelativeScheduler

S = TypeVar("S")

_SLICE_S = 0.008
"""How long actions may run before the window may paint."""


class UiScheduler(RelativeScheduler):
    """Runs actions on the thread of a window's event loop. Any thread may call it; none waits.

    Actions run in order. After 8 ms of them the window may paint before the next. What an action
    raises goes where the toolkit reports errors, and the next ones run. An action that comes when
    the window is gone is dropped.

    The queue has no limit: if more can come than the window can show, put `handoff` or
    ``ops.sample`` before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._items: deque[Callable[[], None]] = deque()
        self._woken = False

    @abstractmethod
    def _wake(self) -> None:
        """Have the toolkit call `_run` on the window's thread soon; must return at once."""

    @abstractmethod
    def _later(self, ms: int, action: Callable[[], None]) -> None:
        """Call `action` on the window's thread after some time; called on that thread."""

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta; at once if it is negative."""
        ms = max(0, round(1000 * self.to_seconds(duetime)))
        life = SingleAssignmentDisposable()

        def run() -> None:
            if not life.is_disposed:
                result = action(self, cast("S", state))
                if result is not None:
                    life.disposable = result

        self._items.append((lambda: self._later(ms, run)) if ms else run)
        if not self._woken:
            self._woken = True
            self._wake()
        return life

    def _run(self) -> None:
        """Run what waits, for one slice; on the window's thread."""
        self._woken = False  # before the first action: what comes from here on wakes it again
        until = time.monotonic() + _SLICE_S
        try:
            while self._items:
                self._items.popleft()()
                if time.monotonic() > until:
                    break
        finally:
            if self._items and not self._woken:
                self._woken = True
                self._wake()
