"""One lane of the model thread: an RxPY scheduler with a priority."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from reactivex import abc, typing

from rxvoice._answers.stuck import SharedThread
from rxvoice._threads.ready import ReadyLane, Step
from rxvoice._threads.relative import RelativeScheduler

S = TypeVar("S")

Add: TypeAlias = Callable[[ReadyLane, Step, float], None]
"""Puts a step into the queue of a lane; takes the delay in seconds."""


class Lane(RelativeScheduler):
    """A lane of an `MlxScheduler`: an RxPY scheduler on the same thread, with a priority.

    Actions run on the model thread, one at a time, in the order in which they become ready: at
    once, or when their time comes. An action that schedules itself again goes to the back, so the
    jobs of one lane take turns. Any thread may schedule, the model thread too.

    Cancels: an action that is disposed before its turn never runs, and what it holds is released at
        once. An action in progress goes on to its end. A disposable that an action returns is
        disposed with it.
    Errors: what an action raises is logged by the logger "rxvoice" and ends nothing else.
    Raises: `DisposedException` after the scheduler's shutdown.
    """

    def __init__(self, thread: SharedThread, priority: int, ready: ReadyLane, add: Add) -> None:
        super().__init__()
        self._thread = thread
        self._priority = priority
        self._ready = ready
        self._add = add

    @property
    def shared_thread(self) -> SharedThread:
        """Says when the thread is stuck."""
        return self._thread

    @property
    def priority(self) -> int:
        """The lane with the higher number goes first."""
        return self._priority

    @property
    def steps(self) -> int:
        """How many actions have had their turn."""
        return self._ready.taken

    @property
    def waiting(self) -> int:
        """How many actions wait for their turn now."""
        return len(self._ready.waiting)

    @property
    def longest_wait_ms(self) -> float:
        """The longest that an action of this lane was ready before its turn came."""
        return 1000 * self._ready.longest_wait

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta; at once if it is negative.

        Args:
            state: what `action` is called with. A generator that still waits here at shutdown is
                closed, on the model thread.
        """
        step = Step(lambda: action(self, state), state)
        self._add(self._ready, step, max(0.0, self.to_seconds(duetime)))
        return step
