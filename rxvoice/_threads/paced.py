"""`paced`: a worker that keeps pace with the loudspeaker."""

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

from rxvoice._audio.samples import Samples
from rxvoice._check import whole
from rxvoice._threads.ready import Step
from rxvoice._threads.relative import RelativeScheduler
from rxvoice.errors import ConfigError
from rxvoice.slots import AudioSink

S = TypeVar("S")

_log = logging.getLogger("rxvoice")


def paced(worker: abc.SchedulerBase, sink: AudioSink, *, ahead_ms: int = 3_000) -> Paced:
    """Make a worker for `synthesize` that makes speech at most `ahead_ms` ahead of playback.

    ```python
    vox.synthesize(tts, worker=rxv.paced(models.speech, speaker))
    ```

    A long reply then fills no memory, an interruption wastes little work, and writing to the sink
    does not wait. Nothing is dropped and no thread is blocked.

    It is an RxPY scheduler in front of the worker. While the sink has less than `ahead_ms` queued,
    an action goes to the worker at once. Otherwise it is held, in order, until the sink has played
    or cleared enough. Speech can be ahead by `ahead_ms`, one piece, and what is on its way from the
    worker to the sink. A delayed action is delayed by the worker first, and may then be held.

    Cancels: an action that is disposed of while it is held never runs, and is let go at once. What
        a voice has open is then closed on the worker, without waiting for the sink. If a voice
        answers with an ``Observable``, its own timers are held, and its time limits go on.
    Errors: as the worker's. Actions that are held when the worker shuts down are dropped. A sink
        whose ``queued_ms`` raises, or is no number, counts as one with room; the log says so once.
    Runs on: the worker. Any thread may call it.

    Args:
        worker: where actions run, such as ``models.speech`` of an `MlxScheduler`.
        sink: a sink with ``queued_ms`` and ``played``, such as a `speaker`. If ``played`` does not
            emit after a `clear`, held actions wait until the next action, or until more is played.
        ahead_ms: 1 or more, and less than the ``max_buffer_ms`` of the sink, so that writing does
            not wait.
    """
    whole("paced ahead_ms", ahead_ms, 1, "ms")
    if not isinstance(getattr(sink, "played", None), Observable) or not hasattr(sink, "queued_ms"):
        raise ConfigError(
            f"paced wanted a sink with played and queued_ms, such as a speaker, got {sink!r}"
        )
    return Paced(worker, sink, ahead_ms)


class Paced(RelativeScheduler):
    """A worker that keeps pace with a sink. Made by `paced`."""

    def __init__(self, worker: abc.SchedulerBase, sink: AudioSink, ahead_ms: int) -> None:
        super().__init__()
        self._worker = worker
        self._sink = sink
        self._ahead_ms = ahead_ms
        self._lock = Lock()
        self._held: deque[Step] = deque()
        self._forwarding = self._again = False
        self._watching: SerialDisposable | None = None
        self._warned = False

    @property
    def held(self) -> int:
        """How many actions are held."""
        with self._lock:
            return sum(not step.is_over for step in self._held)

    @property
    def worker(self) -> abc.SchedulerBase:
        """The worker itself, which holds nothing back: for what makes no speech."""
        return self._worker

    @property
    def shared_thread(self) -> object:
        """The worker's `SharedThread`, which says when it is stuck; None if it has none."""
        return getattr(self._worker, "shared_thread", None)

    @property
    def convert_ahead(self) -> Callable[[Samples, int, object], None] | None:
        """The sink's method of that name, for who makes samples on the worker; None without one."""
        return getattr(self._sink, "convert_ahead", None)

    @property
    def now(self) -> datetime:
        """The time of the worker."""
        return self._worker.now

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` on the worker when the sink has room, after what was held before it."""

        def run(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase | None:
            return action(self, state)

        return self.hold(lambda worker: worker.schedule(run, state))

    def hold(self, action: Callable[[abc.SchedulerBase], object]) -> abc.DisposableBase:
        """Call `action` with the worker when the sink has room, after what was held before it."""
        step = Step(lambda: action(self._worker))
        with self._lock:
            self._held.append(step)
        self._forward()
        self._watch()
        return step

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Do as `schedule` after `duetime`, in seconds or a timedelta."""

        def due(_: abc.SchedulerBase, state: S | None = None) -> abc.DisposableBase:
            return self.schedule(action, state)

        return self._worker.schedule_relative(duetime, due, state)

    def _has_room(self) -> bool:
        try:
            # What is no number, as NaN, is not more than there may be.
            return not cast(float, getattr(self._sink, "queued_ms", 0)) >= self._ahead_ms
        except (Exception, SystemExit, GeneratorExit) as error:  # nobody may wait for it in vain
            if not self._warned:
                self._warned = True
                _log.warning(
                    "the sink does not say what it has queued (%s: %s): speech is not held back",
                    type(error).__name__,
                    error,
                )
            return True

    def _forward(self) -> None:
        """Give the worker what there is room for, on one thread at a time to keep the order."""
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
        """Whether to look again; if not, another thread may forward from here on."""
        with self._lock:
            self._forwarding, self._again = self._again, False
            return self._forwarding

    def _next(self) -> Step | None:
        with self._lock:
            return self._held.popleft() if self._held else None

    def _watch(self) -> None:
        """Follow what the sink plays while something is held."""
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
        look()  # the sink may have played on before the subscription

    def _drop(self) -> None:
        with self._lock:
            held = list(self._held)
            self._held.clear()
        for step in held:
            step.dispose()
