"""`WhatIfClock`: a scheduler whose time passes as fast as its actions run."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import TypeVar

from reactivex import abc, typing

from rxvoice._boundary import Boundary
from rxvoice._threads.ready import Step
from rxvoice._threads.relative import RelativeScheduler

S = TypeVar("S")


class WhatIfClock(RelativeScheduler):
    """Runs what is scheduled in the order of its time, and what is due at once in its own order.

    Attributes:
        seconds: the time, from 0; it stands still while an action runs.
        boundary: of the pipe that is subscribed with this scheduler.
    """

    boundary: Boundary

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._waiting: list[tuple[float, int, Step]] = []
        self._number = count()

    @property
    def now(self) -> datetime:
        """The time."""
        return self.to_datetime(self.seconds)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta."""
        step = Step(lambda: action(self, state), state)
        self._put(self.seconds + max(0.0, self.to_seconds(duetime)), step)
        return step

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Call `action` at a time; at once if that has passed."""
        self._put(max(self.seconds, seconds), Step(action))

    def _put(self, seconds: float, step: Step) -> None:
        heapq.heappush(self._waiting, (seconds, next(self._number), step))

    def run(self, until: Callable[[], bool]) -> None:
        """Run everything, until there is nothing more or `until` says so."""
        while self._waiting and not until():
            self.seconds, _, step = heapq.heappop(self._waiting)
            if not step.is_over:
                step.run()
