"""Where an answer comes back to, and the clock by which it is waited for."""

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

from rxvoice._threads.loop import Loop

__all__ = ["Clock", "at", "home_of", "place_of"]


def home_of(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase | None:
    """The scheduler, unless each of its actions has a thread of its own, in no order.

    ``Observable.run`` brings such a one.
    """
    return None if isinstance(scheduler, NewThreadScheduler | TimeoutScheduler) else scheduler


def place_of(scheduler: abc.SchedulerBase | None) -> abc.SchedulerBase | None:
    """The scheduler, where another thread may hand it actions and they are run, in order.

    Neither one that runs them on the thread that hands them over, nor virtual time, which nobody
    lets pass meanwhile.
    """
    if isinstance(scheduler, ImmediateScheduler | TrampolineScheduler | VirtualTimeScheduler):
        return None
    return home_of(scheduler)


def at(home: abc.SchedulerBase | None, action: Callable[[], None]) -> None:
    """Run `action` on the scheduler; None for here and now."""

    def run(_: abc.SchedulerBase, __: object = None) -> None:
        action()

    if home is None:
        action()
    else:
        home.schedule(run)


class Clock:
    """The time of a subscription's scheduler; where that cannot wait, of a thread for timers.

    There is one such thread in the process, from the first timer on.
    """

    __slots__ = ("_timers", "now")

    def __init__(self, scheduler: abc.SchedulerBase | None) -> None:
        virtual = isinstance(scheduler, VirtualTimeScheduler)
        self._timers = scheduler if virtual else place_of(scheduler)
        self.now: Callable[[], float] = time.monotonic
        """Seconds, since whenever."""
        if self._timers is not None and type(self._timers).now is not Scheduler.now:
            own = self._timers
            self.now = lambda: own.now.timestamp()

    def after(self, seconds: float, action: Callable[[], None]) -> abc.DisposableBase:
        """Run `action` on the scheduler, some time from now."""

        def due(_: abc.SchedulerBase, __: object = None) -> None:
            action()

        return (self._timers or _timers()).schedule_relative(seconds, due)


@cache
def _timers() -> Loop:
    return Loop("rxvoice-timers")
