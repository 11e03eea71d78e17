"""The scheduler that an answering observable is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from reactivex import abc, typing
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

__all__ = ["Guarded"]

S = TypeVar("S")


class Guarded(PeriodicScheduler):
    """A scheduler whose thread survives what an action raises.

    Args:
        scheduler: where actions run.
        on_raise: told what one raised; raises it again where it is not the action's own.
    """

    def __init__(
        self, scheduler: abc.SchedulerBase, on_raise: Callable[[BaseException], None]
    ) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._on_raise = on_raise

    @property
    def now(self) -> datetime:
        """The scheduler's."""
        return self._scheduler.now

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As the scheduler's."""
        return self._scheduler.schedule(self._guard(action), state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As the scheduler's."""
        return self._scheduler.schedule_relative(duetime, self._guard(action), state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As the scheduler's."""
        return self._scheduler.schedule_absolute(duetime, self._guard(action), state)

    def _guard(self, action: abc.ScheduledAction[S]) -> abc.ScheduledAction[S]:
        def run(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase | None:
            try:
                return action(self, state)
            except BaseException as error:
                self._on_raise(error)
                return None

        return run
