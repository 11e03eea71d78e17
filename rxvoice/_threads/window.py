"""What the schedulers of window toolkits share."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TypeVar, cast

from reactivex import abc, typing
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

__all__ = ["UiScheduler"]

S = TypeVar("S")

_TURN = 0.008  # seconds of actions before the window may paint


class UiScheduler(PeriodicScheduler):
    """Runs actions on the thread of a window's event loop; may be called from any thread.

    They run in order, for 8 ms at the most before the window has its turn again; the caller never
    waits. What an action raises goes where the toolkit reports errors, and the next ones run. What
    comes when the window is gone is dropped. What waits has no bound: where more can come than the
    window shows, put `handoff` or ``ops.sample`` before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._items: deque[Callable[[], None]] = deque()
        self._woken = False

    @abstractmethod
    def _wake(self) -> None:
        """Have `_run` called on the window's thread, soon; returns at once."""

    @abstractmethod
    def _later(self, ms: int, action: Callable[[], None]) -> None:
        """Call it on the window's thread after that time; called there."""

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` as soon as it is its turn."""
        return self._add(0, action, state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta; a negative one is none."""
        return self._add(max(0, round(1000 * self.to_seconds(duetime))), action, state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` at `duetime`, a datetime or seconds since 1970."""
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)

    def _add(self, ms: int, action: abc.ScheduledAction[S], state: S | None) -> abc.DisposableBase:
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
        """Take what waits; on the window's thread."""
        self._woken = False  # before the first is taken: what comes now wakes it again
        until = time.monotonic() + _TURN
        try:
            while self._items:
                self._items.popleft()()
                if time.monotonic() > until:
                    break
        finally:
            if self._items and not self._woken:
                self._woken = True
                self._wake()
