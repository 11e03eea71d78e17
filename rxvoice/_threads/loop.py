"""A thread that runs what it is given, one action after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from reactivex import abc, typing
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from rxvoice._threads.ready import Ready, Step

__all__ = ["Loop", "leaving", "next_step"]

S = TypeVar("S")

_log = logging.getLogger("rxvoice")

leaving: list[Callable[[], object]] = []
"""Called by each thread as the last thing that it does, such as by MLX, if it was used there."""


class Loop(PeriodicScheduler):
    """An RxPY scheduler with a thread of its own, begun by the first action; from any thread.

    Unlike RxPY's ``EventLoopScheduler`` it outlives an action that raises, lets go of what is
    cancelled at once, and takes what comes after its end without a word: it is dropped.

    Args:
        name: the thread's.
        on_raise: told, on the thread, what an action raised; None: it is logged.
    """

    def __init__(self, name: str, *, on_raise: Callable[[BaseException], None] | None = None):
        super().__init__()
        self._name = name
        self._on_raise = on_raise
        self._ready = Ready(1)
        self._lane = self._ready.lane(0)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False

    @property
    def is_current(self) -> bool:
        """Whether this is called on its thread."""
        return threading.current_thread() is self._thread

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after all that waits."""
        return self.schedule_relative(0.0, action, state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta; a negative one is none."""
        step = Step(lambda: action(self, state), state)
        with self._changed:
            if self._ended:
                step.dispose()
                return step
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            delay = max(0.0, self.to_seconds(duetime))
            self._ready.add(self._lane, step, time.monotonic(), delay)
            self._changed.notify()
        return step

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` at `duetime`, a datetime or seconds since 1970."""
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)

    def dispose(self) -> None:
        """Run nothing more; returns at once, and the thread ends with the action in progress."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Wait, after `dispose`, until the thread is over; whether it is. True on the thread."""
        thread = self._thread
        if thread is not None and not self.is_current:
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def _run(self) -> None:
        while (step := self._next()) is not None:
            try:
                step.run()
            except BaseException as error:
                self._raised(error)
            del step  # what it held is not kept while the next is waited for
        with self._changed:
            left = self._ready.clear()
        for step in left:
            try:
                step.drop()
            except BaseException as error:
                self._raised(error)
        for last in leaving:
            try:
                last()
            except BaseException as error:
                self._raised(error)

    def _raised(self, error: BaseException) -> None:
        if self._on_raise is None:
            _log.error("an action on the thread %r raised", self._name, exc_info=error)
        else:
            self._on_raise(error)

    def _next(self) -> Step | None:
        with self._changed:
            return next_step(self._ready, self._changed, lambda: self._ended)


def next_step(ready: Ready, changed: threading.Condition, ended: Callable[[], bool]) -> Step | None:
    """Wait for the next step and take it; None once it has ended.

    Args:
        changed: held by the caller, and notified when a step was added or it has ended.
    """
    while not ended():
        step = ready.take(now := time.monotonic())
        if step is not None:
            return step
        seconds = ready.until_due(now)
        if seconds is not None:
            seconds = min(seconds, threading.TIMEOUT_MAX)
        changed.wait(seconds)
    return None
