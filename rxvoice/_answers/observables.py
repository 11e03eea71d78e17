"""A model that answers with an observable: what it raises, apart from what downstream raises."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar, TypeVarTuple, Unpack

from reactivex import abc, typing
from reactivex.disposable import Disposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from rxvoice._answers.pieces import raise_if_ctrl_c

S = TypeVar("S")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_log = logging.getLogger("rxvoice")


class Outward:
    """Calls downstream, and remembers what it raised.

    What `on_next` raises within `subscribe`, RxPY hands to the `on_error` of the same subscriber.
    `own` raises it on there, so that it does not count as an error of the observable.
    """

    __slots__ = ("_raised",)

    def __init__(self) -> None:
        self._raised: BaseException | None = None

    def call(self, action: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        """Call downstream."""
        try:
            action(*args)
        except BaseException as error:
            self._raised = error
            raise

    def own(self, error: BaseException) -> None:
        """Raise the error if it is what downstream raised; otherwise it is the observable's own."""
        if error is self._raised:
            raise error


def outwards(
    on_next: Callable[[T], None], on_error: Callable[[Exception], None]
) -> tuple[Callable[[T], None], Callable[[Exception], None]]:
    """Make handlers for `subscribe` whose `on_error` is given the observable's own errors only.

    What `on_next` raises comes from downstream, and is raised on.
    """
    outward = Outward()

    def guarded_error(error: Exception) -> None:
        outward.own(error)
        on_error(error)

    return partial(outward.call, on_next), guarded_error


def closing(answer: abc.DisposableBase) -> abc.DisposableBase:
    """What disposes of an answer. What that raises is logged, as of a generator that is closed."""

    def dispose() -> None:
        try:
            answer.dispose()
        except BaseException as error:  # no one is left to be told
            raise_if_ctrl_c(error)
            _log.exception("a model raised while its answer was closed")

    return Disposable(dispose)


class Guarded(PeriodicScheduler):
    """A scheduler whose thread survives what an action raises.

    An answering observable is subscribed to with it.

    Args:
        scheduler: where actions run.
        on_raise: called with what an action raised; raises it again if it came from downstream.
    """

    def __init__(
        self, scheduler: abc.SchedulerBase, on_raise: Callable[[BaseException], None]
    ) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._on_raise = on_raise

    @property
    def now(self) -> datetime:
        """The time of the scheduler."""
        return self._scheduler.now

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` on the scheduler."""
        return self._scheduler.schedule(self._guard(action), state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` on the scheduler after `duetime`."""
        return self._scheduler.schedule_relative(duetime, self._guard(action), state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` on the scheduler at `duetime`."""
        return self._scheduler.schedule_absolute(duetime, self._guard(action), state)

    def _guard(self, action: abc.ScheduledAction[S]) -> abc.ScheduledAction[S]:
        def run(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase | None:
            try:
                return action(self, state)
            except BaseException as error:
                self._on_raise(error)
                return None

        return run
