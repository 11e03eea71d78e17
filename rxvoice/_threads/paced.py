"""`paced`: a worker that runs no further ahead of the loudspeaker than it is told."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import TypeVar, cast

from reactivex import Observable, abc, typing
from reactivex.disposable import SerialDisposable
from reactivex.internal import DisposedException
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from rxvoice._check import whole
from rxvoice._threads.ready import Step
from rxvoice.errors import ConfigError
from rxvoice.slots import AudioSink

__all__ = ["Paced", "paced"]

S = TypeVar("S")

_log = logging.getLogger("rxvoice")


def paced(worker: abc.SchedulerBase, sink: AudioSink, *, ahead_ms: int = 3_000) -> Paced:
    """A worker for `synthesize` that makes speech no further ahead of playback than `ahead_ms`.

    It is an RxPY scheduler over the worker. While the sink has less than `ahead_ms` queued, what
    it is given goes to the worker at once; otherwise it is held, in order, until the sink has
    played, or cleared, enough. So a long reply fills no memory, an interruption wastes little, and
    a write does not wait: nothing is dropped and no thread is blocked. Ahead is `ahead_ms`, one
    piece, and what is on its way from the worker to the sink.

    An action that is due later goes to the worker for that time, and is looked at then.

    Cancels: what is disposed while it is held never runs, and what it holds is let go at once.
    Errors: as the worker's. What is held when the worker has been shut down is dropped.
    Runs on: the worker. From any thread.

    Args:
        worker: where actions run, such as ``models.speech`` of an `MlxScheduler`.
        sink: with ``queued_ms`` and ``played``, such as a `speaker`. Where its ``played`` does not
            tell of a `clear`, what is held waits for the next action or the next that is played.
        ahead_ms: 1 or more, and less than the ``max_buffer_ms`` of the sink, lest writing waits.
    """
    whole("paced ahead_ms", ahead_ms, 1, "ms")
    if not isinstance(getattr(sink, "played", None), Observable) or not hasattr(sink, "queued_ms"):
        raise ConfigError(
            f"paced wanted a sink with played and queued_ms, such as a speaker, got {sink!r}"
        )
    return Paced(worker, sink, ahead_ms)


class Paced(PeriodicScheduler):
    """Made by `paced`."""

    def __init__(self, worker: abc.SchedulerBase, sink: AudioSink, ahead_ms: int) -> None:
        super().__init__()
        self._worker = worker
        self._sink = sink
        self._ahead_ms = ahead_ms
        self._lock = Lock()
        self._held: deque[Step] = deque()
        self._forwarding = self._again = False
        self._watching: SerialDisposable | None = None

    @property
    def held(self) -> int:
        """How many actions wait for the sink."""
        with self._lock:
            return sum(not step.is_over for step in self._held)

    @property
    def shared_thread(self) -> object:
        """The worker's, where it says when that is stuck."""
        return getattr(self._worker, "shared_thread", None)

    @property
    def now(self) -> datetime:
        """The worker's."""
        return self._worker.now

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` on the worker, once the sink has room and what was held before has gone."""

        def run(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase | None:
            return action(self, state)

        return self.hold(lambda worker: worker.schedule(run, state))

    def hold(self, action: Callable[[abc.SchedulerBase], object]) -> abc.DisposableBase:
        """Give `action` the worker, once the sink has room and what was held before has gone."""
        step = Step(lambda: action(self._worker))
        with self._lock:
            self._held.append(step)
        self._forward()
        self._watch()
        return step

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As `schedule`, after `duetime`, in seconds or a timedelta."""

        def due(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase:
            return self.schedule(action, state)

        return self._worker.schedule_relative(duetime, due, state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """As `schedule`, at `duetime`, a datetime or seconds since 1970."""

        def due(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase:
            return self.schedule(action, state)

        return self._worker.schedule_absolute(duetime, due, state)

    def _has_room(self) -> bool:
        return cast(float, getattr(self._sink, "queued_ms", 0)) < self._ahead_ms

    def _forward(self) -> None:
        """Hand over what there is room for: one thread at a time, so that the order stays."""
        with self._lock:
            self._again = True
            if self._forwarding:
                return
            self._forwarding = True
        try:
            while self._go_on():
                while self._has_room() and (step := self._next()) is not None:
                    step.run()
        except BaseException:
            with self._lock:
                self._forwarding = False
            raise

    def _go_on(self) -> bool:
        """Whether to look; if not, another thread may, from now on."""
        with self._lock:
            self._forwarding, self._again = self._again, False
            return self._forwarding

    def _next(self) -> Step | None:
        with self._lock:
            return self._held.popleft() if self._held else None

    def _watch(self) -> None:
        """Follow what the sink plays for as long as something is held."""
        with self._lock:
            if not self._held or self._watching is not None:
                return
            watching = self._watching = SerialDisposable()

        def look(_: object = None) -> None:
            try:
                self._forward()
            except DisposedException:  # the worker was shut down
                self._drop()
            except Exception:
                _log.exception("the worker takes no more: what was held for it is dropped")
                self._drop()
            with self._lock:
                done = self._watching is watching and not self._held
                if done:
                    self._watching = None
            if done:
                watching.dispose()

        played = cast("Observable[int]", getattr(self._sink, "played", None))
        watching.disposable = played.subscribe(look, look, look)
        look()  # it may have played on before anyone listened

    def _drop(self) -> None:
        with self._lock:
            held = list(self._held)
            self._held.clear()
        for step in held:
            step.dispose()
