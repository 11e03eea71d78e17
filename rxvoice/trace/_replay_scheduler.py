"""`ReplayScheduler`: keeps what a pipe schedules until the trace says that it ran."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from reactivex import abc, typing
from reactivex.disposable import Disposable

from rxvoice._boundary import Boundary
from rxvoice._threads.ready import Step
from rxvoice._threads.relative import RelativeScheduler

S = TypeVar("S")


class ReplayScheduler(RelativeScheduler):
    """Keeps what the pipe schedules until the trace says that it ran."""

    def __init__(self, boundary: Boundary) -> None:
        super().__init__()
        self.boundary = boundary
        self.outside = _Never()
        self._steps: dict[int, Step] = {}
        self._count = 0

    @property
    def now(self) -> datetime:
        """The time of the current action, as it was recorded."""
        return self.to_datetime(self.boundary.now())

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Keep the action."""
        self._count += 1
        step = self._steps[self._count] = Step(lambda: action(self, state), state)
        if len(self._steps) > 256:
            self._steps = {n: it for n, it in self._steps.items() if not it.is_over}
        return step

    def run(self, number: int) -> bool:
        """Run an action; returns whether there is one."""
        step = self._steps.pop(number, None)
        if step is None or step.is_over:
            return False
        step.run()
        return True


class _Never(RelativeScheduler):
    """A scheduler for what happens outside: there, nothing does."""

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Drop the action."""
        return Disposable()
