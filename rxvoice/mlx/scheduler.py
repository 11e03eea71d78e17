"""The model thread: one long-lived thread that runs every MLX model, a step at a time."""

from __future__ import annotations

import atexit
import ctypes
import gc
import logging
import math
import threading
import time
from types import TracebackType
from typing import Self, TypeVar, cast
from weakref import WeakSet

import mlx.core as mx
from reactivex import abc, typing
from reactivex.internal import DisposedException
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from rxvoice._answers.stuck import SharedThread
from rxvoice._check import at_least, whole
from rxvoice._threads.loop import leaving, next_step
from rxvoice._threads.ready import Ready, ReadyLane, Step
from rxvoice.errors import ConfigError
from rxvoice.mlx._lane import Lane
from rxvoice.mlx._memory import limit_memory

__all__ = ["Lane", "MlxScheduler"]

S = TypeVar("S")

_log = logging.getLogger("rxvoice")

# A model may also run on the thread of another loop, such as the conversation's. Without this the
# interpreter may abort at exit.
leaving.append(mx.clear_streams)
_started: WeakSet[MlxScheduler] = WeakSet()

_SPEECH, _LISTENING, _TEXT = 20, 10, 0

_SHUTDOWN_S = 2.0
"""How long `shutdown` waits for the step in progress."""

_EXIT_S = 1.0
"""How long the interpreter's exit waits for an abandoned thread that it has interrupted."""


class MlxScheduler(PeriodicScheduler):
    """One long-lived thread that owns the MLX stream and runs every model, a step at a time.

    ```python
    with rxv.mlx.MlxScheduler() as worker:
        turns.pipe(vox.transcribe(stt, worker=worker.listening), ...)
    ```

    It is an RxPY scheduler, and so are its lanes: give one as ``worker=`` to `transcribe`,
    `respond` and `synthesize`. Among the steps that are ready, the highest lane goes first: first
    `speech`, whose delay the listener notices first, then `listening`, then `text`. A step that is
    scheduled on the scheduler itself goes to `text`. Within a lane jobs take turns, in order.

    No lane starves. After `patience` steps in that order while a lower lane waits, one step goes to
    the lane that has gone without for longest. There are never two of those in a row, so speech
    waits for the step in progress and for one more of another lane at the most. Where three lanes
    wait, each gets at least one of every ``3 * (patience + 1)`` steps.

    Runs on: a thread of its own, started by the first action. MLX's default stream is put back
        after each step. A step in progress is never interrupted; everything else waits for it. On
        Metal, the thread raises MLX's wired limit to what the system recommends, and lowers the
        limit of MLX's cache to an eighth of that, for the whole process. It leaves a wired limit
        that the app has set, and a lower limit of the cache.
    Drops: at shutdown, what has not run. Nobody is told. Generators among it are closed.
    Errors: what an action raises is logged by the logger "rxvoice" and ends nothing else. If a step
        takes longer than `stuck_ms`, every pipe with a stage on this worker gets one `Notice`. The
        turns that wait for the thread fail with `ModelThreadStuck`, and so do those that come
        until the step is over. Another `Notice` says that the thread goes on.
    Raises: `DisposedException` for what is scheduled after shutdown.

    Use it as a context manager, or call `shutdown`. The interpreter calls it at exit.

    Args:
        name: the thread's name.
        patience: how many steps in a row may leave a lower lane waiting, at least 1.
        stuck_ms: milliseconds, 1 or more, that one step may take; None for no limit. Loading a
            model with its first question counts: `load` it before the conversation.
    """

    def __init__(
        self,
        name: str = "rxvoice-mlx",
        *,
        patience: int = 4,
        stuck_ms: float | None = 30_000,
    ) -> None:
        whole("patience", patience, 1, "steps")
        if stuck_ms is not None:
            at_least("stuck_ms", stuck_ms, 1, "ms, or None,")
        super().__init__()
        self._name = name
        self._ready = Ready(patience)
        self._lanes: dict[int, Lane] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = self._abandoned = False
        self._shared = SharedThread(name, math.inf if stuck_ms is None else stuck_ms / 1000)
        self._speech, self._listening, self._text = map(self.lane, (_SPEECH, _LISTENING, _TEXT))

    @property
    def shared_thread(self) -> SharedThread:
        """Says when the thread is stuck."""
        return self._shared

    @property
    def speech(self) -> Lane:
        """For speech, so that playback does not run out of sound; priority 20."""
        return self._speech

    @property
    def listening(self) -> Lane:
        """For the recogniser, so that its partials come while the user speaks; priority 10."""
        return self._listening

    @property
    def text(self) -> Lane:
        """For the language model, and for what is scheduled without a lane; priority 0."""
        return self._text

    def lane(self, priority: int) -> Lane:
        """The lane of this priority, any integer; the lane with the higher number goes first."""
        if isinstance(priority, bool) or not isinstance(cast("object", priority), int):
            raise ConfigError(f"a lane's priority must be an integer, got {priority!r}")
        with self._changed:
            lane = self._lanes.get(priority)
            if lane is None:
                lane = self._lanes[priority] = Lane(
                    self._shared, priority, self._ready.lane(priority), self._add
                )
            return lane

    @property
    def longest_wait_ms(self) -> float:
        """The longest that any action, of any lane, was ready before its turn came."""
        with self._changed:
            return max(lane.longest_wait_ms for lane in self._lanes.values())

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As `Lane.schedule` of `text`. The action gets that lane as its scheduler."""
        return self._text.schedule(action, state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As `Lane.schedule_relative` of `text`."""
        return self._text.schedule_relative(duetime, action, state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As `Lane.schedule_absolute` of `text`."""
        return self._text.schedule_absolute(duetime, action, state)

    def shutdown(self) -> None:
        """End the thread without another step, and return when it has ended. Idempotent.

        Drops what waits, and closes the generators among it on the model thread. Called on the
        model thread, it returns at once, and the thread ends with the current action. If the step
        in progress takes 2 s more, `shutdown` logs that and returns; the thread ends with the step.
        """
        with self._changed:
            self._ended = True
            self._changed.notify()
            thread, abandoned = self._thread, self._abandoned
        if thread is None or abandoned or thread is threading.current_thread():
            return
        thread.join(_SHUTDOWN_S)
        with self._changed:
            tell = thread.is_alive() and not self._abandoned
            self._abandoned = thread.is_alive()
        if tell:
            _log.warning(
                "the model thread %r is left behind: %g s after its shutdown it is still busy with "
                "%s",
                self._name,
                _SHUTDOWN_S,
                self._shared.busy_with(),
            )

    def _interrupt(self) -> None:
        """Interrupt Python code that goes on and on, at exit, so that the thread can clean up.

        A thread that returns to the interpreter after its end may abort the process. This does not
        reach code that waits or computes outside the interpreter, which does not return to it.
        """
        thread = self._thread
        if thread is None or thread.ident is None or not thread.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )
        thread.join(_EXIT_S)

    def dispose(self) -> None:
        """As `shutdown`."""
        self.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()

    def _add(self, lane: ReadyLane, step: Step, delay: float) -> None:
        with self._changed:
            # The last step may still schedule; that is dropped with the rest.
            if self._ended and threading.current_thread() is not self._thread:
                raise DisposedException(
                    f"the MlxScheduler {self._name!r} was shut down and takes no more work: "
                    "dispose the subscriptions that use it first, or make a new one"
                )
            if self._thread is None:
                # A daemon, so that the interpreter's exit reaches `_at_exit` without waiting.
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread
                _started.add(self)
            self._ready.add(lane, step, time.monotonic(), delay)
            self._changed.notify()

    def _run(self) -> None:
        stream = mx.default_stream(mx.default_device())
        limit_memory()
        try:
            while self._step():
                mx.set_default_stream(stream)
        finally:
            self._close()
            # This has to be last: without it the interpreter may abort at its exit.
            mx.clear_streams()

    def _step(self) -> bool:
        """Wait for the next step and take it. Returns False after the end."""
        step = self._next()
        if step is None:
            return False
        self._shared.begin()
        try:
            step.run()
        except BaseException:  # neither a model nor what is downstream may end the thread
            _log.exception("a step on the thread %r raised", self._name)
        finally:
            self._shared.end()
        return True

    def _next(self) -> Step | None:
        with self._changed:
            return next_step(self._ready, self._changed, lambda: self._ended)

    def _close(self) -> None:
        while True:
            with self._changed:
                steps = self._ready.clear()
            if not steps:
                break
            for step in steps:
                try:
                    step.drop()
                except BaseException:
                    _log.exception("closing a job on the thread %r raised", self._name)
        # If only a cycle of closures holds a generator, the thread that collects the cycle closes
        # it. That has to be this one.
        gc.collect()


@atexit.register
def _at_exit() -> None:
    for scheduler in list(_started):
        scheduler.shutdown()
        scheduler._interrupt()  # pyright: ignore[reportPrivateUsage]
