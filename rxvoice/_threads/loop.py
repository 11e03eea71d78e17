"""`Loop`: a scheduler with a thread of its own."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakSet

from reactivex import abc, typing

from rxvoice._threads.ready import Ready, Step
from rxvoice._threads.relative import RelativeScheduler

S = TypeVar("S")

_log = logging.getLogger("rxvoice")

leaving: list[Callable[[], object]] = []
"""Each thread calls these last, before it ends. MLX adds one that frees what it holds there."""


_ending: WeakSet[threading.Thread] = WeakSet()

_EXIT_S = 1.0
"""How long the interpreter's exit waits for threads that are ending."""


class Loop(RelativeScheduler):
    """An RxPY scheduler that runs actions on its own thread, which starts with the first action.

    Any thread may call it. Unlike RxPY's ``EventLoopScheduler`` it survives an action that raises,
    lets go of a cancelled action at once, and silently drops what is scheduled after `dispose`.

    Args:
        name: of the thread.
        on_raise: called on the thread with what an action raised; None to log it.
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
        """Whether the calling thread is this one."""
        return threading.current_thread() is self._thread

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta; at once if it is negative."""
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

    def dispose(self) -> None:
        """Run nothing more. Returns at once; the thread ends after the action in progress."""
        with self._changed:
            self._ended = True
            if self._thread is not None:
                _ending.add(self._thread)
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Wait, after `dispose`, for the thread to end; returns whether it has.

        On the thread itself it returns True at once.
        """
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
            del step  # do not hold what it held while waiting for the next
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
    """Wait for the next step and take it; None if `ended` says so.

    Args:
        changed: held by the caller; notified when a step was added, or `ended` has changed.
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


@atexit.register
def _wait() -> None:
    """Wait for threads that are ending: one that frees MLX's memory later aborts the process."""
    until = time.monotonic() + _EXIT_S
    for thread in [*_ending]:
        if thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))
