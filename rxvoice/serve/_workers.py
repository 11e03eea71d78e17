"""Where a server's models run, a worker for each stage."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock, Timer
from typing import TypeVar

from reactivex import abc, typing
from reactivex.internal import DisposedException

from rxvoice._threads.ready import Step
from rxvoice._threads.relative import RelativeScheduler

S = TypeVar("S")

_log = logging.getLogger("rxvoice")

MakeWorker = Callable[[], "abc.SchedulerBase | None"]


def _nowhere() -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class StageWorkers:
    """A worker for each stage, for a server some of whose models are elsewhere.

    ```python
    mlx, elsewhere = rxv.mlx.MlxScheduler(), WaitingThreads(64)
    workers = StageWorkers(
        make_listening=lambda: mlx.listening,
        make_text=elsewhere.worker,
        make_speech=lambda: mlx.speech,
    )
    ```

    Args: each makes a worker for one session; without it, the model is called on the event loop.
    """

    make_listening: MakeWorker = field(default=_nowhere)
    make_text: MakeWorker = field(default=_nowhere)
    make_speech: MakeWorker = field(default=_nowhere)

    @property
    def listening(self) -> abc.SchedulerBase | None:
        """Runs the recogniser."""
        return self.make_listening()

    @property
    def text(self) -> abc.SchedulerBase | None:
        """Runs the language model."""
        return self.make_text()

    @property
    def speech(self) -> abc.SchedulerBase | None:
        """Runs the synthesizer."""
        return self.make_speech()


class WaitingThreads:
    """Threads that wait for servers. A session takes one only while it waits.

    Args:
        most: how many may wait at a time.
    """

    def __init__(self, most: int) -> None:
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="rxvoice-waiting")

    def worker(self) -> SerialWorker:
        """A worker for one session."""
        return SerialWorker(self._threads)

    def shutdown(self) -> None:
        """Take no more work; what waits for a server goes on to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class SerialWorker(RelativeScheduler):
    """An RxPY scheduler that runs its actions one after the other, on any of some threads.

    Errors: what an action raises is logged, and ends nothing else.
    Raises: `DisposedException` after the shutdown of the threads.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        super().__init__()
        self._threads = threads
        self._lock = Lock()
        self._steps: deque[Step] = deque()
        self._is_running = False

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action` after `duetime`, in seconds or a timedelta; at once if it is negative."""
        step = Step(lambda: action(self, state), state)
        seconds = self.to_seconds(duetime)
        if seconds > 0:
            timer = Timer(seconds, self._add, (step,))
            timer.daemon = True
            timer.start()
        else:
            self._add(step)
        return step

    def _add(self, step: Step) -> None:
        with self._lock:
            self._steps.append(step)
            if self._is_running:
                return
            self._is_running = True
        try:
            self._threads.submit(self._run)
        except RuntimeError as error:
            step.drop()
            raise DisposedException(f"the server takes no more work: {error}") from error

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._steps:
                    self._is_running = False
                    return
                step = self._steps.popleft()
            try:
                step.run()
            except BaseException:  # neither a model nor what is downstream may end the others
                _log.exception("a step of a session raised")
