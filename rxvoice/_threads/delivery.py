"""Elements from any thread, delivered on a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, Protocol, TypeVar

from reactivex import abc

__all__ = ["Delivery", "Waiting"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_BATCH = 64
"""Elements in one scheduled action, so that other work of the scheduler gets in between."""


class Waiting(Protocol[T_co]):
    """What waits to be delivered; bounded by whoever fills it."""

    def take(self) -> T_co:
        """The next one; IndexError where there is none."""
        ...

    def clear(self) -> None:
        """Let go of everything."""
        ...


class Delivery(abc.DisposableBase, Generic[T]):
    """Takes from `waiting` and delivers: in order, never two at once, and the end last.

    Args:
        waiting: touched with `lock` held only.
        scheduler: where to deliver; one action at a time waits there.
    """

    def __init__(
        self,
        waiting: Waiting[T],
        on_next: Callable[[T], None],
        on_error: Callable[[Exception], None],
        on_completed: Callable[[], None],
        scheduler: abc.SchedulerBase,
    ) -> None:
        self.lock = Lock()
        self._waiting = waiting
        self._on_next = on_next
        self._on_error = on_error
        self._on_completed = on_completed
        self._scheduler = scheduler
        self._busy = False
        self._over = False
        self._ended = False
        self._error: Exception | None = None

    def kick(self) -> None:
        """Something waits: have it delivered."""
        with self.lock:
            if self._busy or self._over:
                return
            self._busy = True
        self._schedule()

    def end(self, error: Exception | None = None) -> None:
        """After all that waits, the end; the first call counts."""
        with self.lock:
            if not self._ended:
                self._ended, self._error = True, error
        self.kick()

    def dispose(self) -> None:
        """Deliver nothing more; what is being delivered is not waited for."""
        with self.lock:
            self._over = True
            self._waiting.clear()

    def _schedule(self) -> None:
        try:
            self._scheduler.schedule(self._run)
        except BaseException:
            self._busy = False
            raise

    def _run(self, *_: object) -> None:
        try:
            more = self._deliver()
        except BaseException:  # from downstream: not ours to handle, nor to go deaf by
            self._schedule()
            raise
        if more:
            self._schedule()

    def _deliver(self) -> bool:
        """Deliver some; whether there may be more."""
        for _ in range(_BATCH):
            with self.lock:
                if self._over:
                    return False
                try:
                    element = self._waiting.take()
                except IndexError:
                    self._busy = False
                    if not self._ended:
                        return False
                    self._over = True
                    break
            self._on_next(element)
        else:
            return True
        if self._error is None:
            self._on_completed()
        else:
            self._on_error(self._error)
        return False
