"""Where an answer is delivered, and by which clock it is timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

from reactivex import abc
from reactivex.scheduler import (
    ImmediateScheduler,
    NewThreadScheduler,
    TimeoutScheduler,
    TrampolineScheduler,
    VirtualTimeScheduler,
)
from reactivex.scheduler.scheduler import Scheduler

from rxvoice._boundary import boundary_of
from rxvoice._threads.loop import Loop


def home_of(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase | None:
    """Return the scheduler; None if it runs each action on a new thread, in no order.

    ``Observable.run`` brings such a scheduler.
    """
    return None if isinstance(scheduler, NewThreadScheduler | TimeoutScheduler) else scheduler


def place_of(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase | None:
    """Return the scheduler if another thread may give it actions, to be run in order; else None.

    None for a scheduler that runs an action on the thread that schedules it, and for virtual time,
    which does not pass while somebody waits.
    """
    if isinstance(scheduler, ImmediateScheduler | TrampolineScheduler | VirtualTimeScheduler):
        return None
    return home_of(scheduler)


def at(home: abc.SchedulerBase | None, action: Callable[[], None]) -> None:
    """Run `action` on the scheduler; with None, here and now."""

    def run(_: abc.SchedulerBase, __: object = None) -> None:
        action()

    if home is None:
        action()
    else:
        home.schedule(run)


def time_of(scheduler: abc.SchedulerBase | None) -> Callable[[], float]:
    """What tells the time of a conversation, in seconds: its virtual time, or the capture's clock.

    `AudioChunk.time` is of the same clock. A conversation that is recorded has one time for each
    action, so that a replay has the same.
    """
    boundary = boundary_of(scheduler)
    if boundary is not None:
        return boundary.now
    if isinstance(scheduler, VirtualTimeScheduler):
        return lambda: scheduler.to_seconds(scheduler.now)
    return time.monotonic


class SubscriptionClock:
    """The time and the timers of a subscription's scheduler.

    Where the scheduler has no timers, they run on a thread "rxvoice-timers", which the process
    starts with the first one.
    """

    __slots__ = ("_timers", "now")

    def __init__(self, scheduler: abc.SchedulerBase | None) -> None:
        virtual = isinstance(scheduler, VirtualTimeScheduler)
        self._timers = scheduler if virtual else place_of(scheduler)
        self.now: Callable[[], float] = time.monotonic
        """The time in seconds, from any origin."""
        if self._timers is not None and type(self._timers).now is not Scheduler.now:
            own = self._timers
            self.now = lambda: own.now.timestamp()

    def after(self, seconds: float, action: Callable[[], None]) -> abc.DisposableBase:
        """Run `action` on the scheduler after some seconds."""

        def due(_: abc.SchedulerBase, __: object = None) -> None:
            action()

        return (self._timers or _timers()).schedule_relative(seconds, due)


@cache
def _timers() -> Loop:
    return Loop("rxvoice-timers")
