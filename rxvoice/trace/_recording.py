"""The scheduler of a conversation that is recorded, and the trace of one subscription."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from reactivex import Observable, abc, typing

from rxvoice._threads.relative import RelativeScheduler
from rxvoice.trace._header import header
from rxvoice.trace._recorder import Recorder
from rxvoice.trace._writer import TraceWriter

S = TypeVar("S")
T = TypeVar("T")

__all__ = ["Recording", "RecordingScheduler"]


class Recording:
    """The trace of one subscription.

    Args:
        directory: new or empty.
        scheduler: of the conversation thread.
        command: the command and its settings, for the header; None for a program.
        content: whether to keep texts and sound, not only their lengths.

    Attributes:
        scheduler: to subscribe with.
    """

    def __init__(
        self,
        directory: Path,
        scheduler: abc.SchedulerBase,
        *,
        command: Mapping[str, object] | None = None,
        content: bool = True,
    ) -> None:
        began = time.monotonic()
        self._writer = TraceWriter(directory, header(began, command, content=content))
        self._recorder = Recorder(self._writer, began, content=content)
        self.scheduler = RecordingScheduler(scheduler, self._recorder)

    def follow(
        self,
        pipe: Observable[T],
        on_next: Callable[[T], None],
        on_error: Callable[[Exception], None],
        on_completed: Callable[[], None],
    ) -> abc.DisposableBase:
        """Subscribe to the pipe here and now, on the conversation thread, and record it."""

        def tell(element: T) -> None:
            self._recorder.out(element)
            on_next(element)

        def fail(error: Exception) -> None:
            self.end("error", error)
            on_error(error)

        def complete() -> None:
            self.end("completed")
            on_completed()

        with self._recorder.action(None):
            return pipe.subscribe(tell, fail, complete, scheduler=self.scheduler)

    def end(self, how: str, error: Exception | None = None) -> None:
        """Finish the trace; the first call counts. Any thread may call it, and does not wait."""
        self._recorder.finish(how, error)
        self._writer.end()

    def join(self, timeout: float) -> bool:
        """Wait, after `end`, until its files are closed; returns whether they are."""
        return self._writer.join(timeout)


class RecordingScheduler(RelativeScheduler):
    """Runs actions on another scheduler, and tells the recorder when each begins and ends.

    What the pipe schedules while one of its actions runs is its own step, and has a number; a
    replay repeats it. What any other thread schedules comes from outside.
    """

    def __init__(self, scheduler: abc.SchedulerBase, recorder: Recorder) -> None:
        super().__init__()
        self._scheduler = scheduler
        self.boundary = recorder
        self.outside = _Outside(self)

    @property
    def now(self) -> datetime:
        """The time of the current action; it stands still while one runs."""
        return self.to_datetime(self.boundary.now())

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta."""
        step = self.boundary.next_step() if self.boundary.is_in_action else None
        return self.forward(duetime, action, state, step)

    def forward(
        self,
        duetime: typing.RelativeTime,
        action: abc.ScheduledAction[S],
        state: S | None,
        step: int | None,
    ) -> abc.DisposableBase:
        """Schedule an action of the pipe's own, with its number, or one from outside."""
        boundary = self.boundary

        def run(_: abc.SchedulerBase, state: Any = None) -> abc.DisposableBase | None:
            with boundary.action(step):
                return action(self, state)

        delay = self.to_seconds(duetime)
        if delay <= 0:
            return self._scheduler.schedule(run, state)
        return self._scheduler.schedule_relative(delay, run, state)


class _Outside(RelativeScheduler):
    """The same scheduler, for actions that come from outside the pipe."""

    def __init__(self, scheduler: RecordingScheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    @property
    def now(self) -> datetime:
        """The time of the current action."""
        return self._scheduler.now

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta."""
        return self._scheduler.forward(duetime, action, state, None)
