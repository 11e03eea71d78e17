"""`RelativeScheduler`: a scheduler in terms of one method."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from reactivex import abc, typing
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

S = TypeVar("S")


class RelativeScheduler(PeriodicScheduler):
    """Implements an RxPY scheduler in terms of `schedule_relative`."""

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after everything that waits."""
        return self.schedule_relative(0.0, action, state)

    @abstractmethod
    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta; at once if it is negative."""

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` at `duetime`, a datetime or seconds since 1970."""
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)
