"""`Delivery`: takes elements from a queue and delivers them on a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty
from threading import Lock
from typing import Generic, TypeVar

from reactivex import abc

from rxvoice._threads.bounded import Bounded, Ended
from rxvoice.events import Event

T = TypeVar("T")
R = TypeVar("R", bound=Event)

_BATCH = 64
"""Elements in one scheduled action, so that other work of the scheduler gets in between."""


class Delivery(abc.DisposableBase, Generic[T, R]):
    """Delivers what is in a queue: in order, one at a time, and the end last.

    Any thread may call any method; none of them waits.

    Args:
        queue: where elements wait.
        scheduler: where they are delivered. At most one action waits there at a time.
    """

    def __init__(
        self,
        queue: Bounded[T, R],
        on_next: Callable[[T | R], None],
        on_error: Callable[[Exception], None],
        on_completed: Callable[[], None],
        scheduler: abc.SchedulerBase,
    ) -> None:
        self._queue = queue
        self._on_next = on_next
        self._on_error = on_error
        self._on_completed = on_completed
        self._scheduler = scheduler
        self._lock = Lock()
        self._busy = False
        self._over = False

    def kick(self) -> None:
        """Have what is in the queue delivered; call it after each `Bounded.put`."""
        with self._lock:
            if self._busy or self._over:
                return
            self._busy = True
        self._schedule()

    def end(self, error: Exception | None = None) -> None:
        """Deliver the end after everything that waits; the first call counts."""
        self._queue.end(error)
        self.kick()

    def dispose(self) -> None:
        """Deliver nothing more. An element that is being delivered is not waited for."""
        with self._lock:
            self._over = True
        self._queue.close()

    def _schedule(self) -> None:
        try:
            self._scheduler.schedule(self._run)
        except BaseException:
            self._busy = False
            raise

    def _run(self, *_: object) -> None:
        try:
            more = self._deliver()
        except BaseException:  # the subscriber's: delivery goes on
            self._schedule()
            raise
        if more:
            self._schedule()

    def _deliver(self) -> bool:
        """Deliver a batch; returns whether more may wait."""
        for _ in range(_BATCH):
            with self._lock:
                if self._over:
                    return False
                try:
                    element = self._queue.take()
                except Empty:
                    self._busy = False
                    return False
                except Ended as ended:
                    self._over, error = True, ended.error
                    break
            try:
                self._on_next(element)
            finally:
                self._queue.passed_on(element)
        else:
            return True
        if error is None:
            self._on_completed()
        else:
            self._on_error(error)
        return False
