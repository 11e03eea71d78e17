"""`SharedThread`: notices when one step blocks a thread that many conversations share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from reactivex import abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice._answers.clock import SubscriptionClock, at
from rxvoice._answers.limits import Watch
from rxvoice.errors import ModelThreadStuck
from rxvoice.events import Notice

Listener: TypeAlias = Callable[[ModelThreadStuck | None, Notice], None]
"""Called with the reason why the thread is stuck, or with None when it goes on."""

_log = logging.getLogger("rxvoice")

doing: dict[int, Callable[[], str]] = {}
"""Describes what a thread is doing, by the thread's identity."""


class SharedThread:
    """Watches the steps of one thread, with one timer at most, and reports one that takes long.

    Args:
        name: of the thread.
        limit_s: how many seconds a step may take; infinite for no limit.
    """

    def __init__(self, name: str, limit_s: float, clock: SubscriptionClock | None = None) -> None:
        self._name = name
        self._limit_s = limit_s
        self._clock = clock or SubscriptionClock(None)
        self._lock = threading.Lock()
        self._thread = 0
        self._began: float | None = None
        self._armed = False
        self._stuck: tuple[str, float] | None = None  # in what, and since when
        self._told: ModelThreadStuck | None  # why it was stuck, the last time
        self._listeners: dict[object, Listener] = {}

    def follow(self, listener: Listener) -> abc.DisposableBase:
        """Call `listener`, on any thread, when this one gets stuck and when it goes on."""
        key = object()
        with self._lock:
            self._listeners[key] = listener

        def leave() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return Disposable(leave)

    @property
    def stuck(self) -> ModelThreadStuck | None:
        """Why the thread is stuck; None if it is not."""
        with self._lock:
            return self._why()

    def busy_with(self) -> str:
        """Describe the step in progress."""
        what = doing.get(self._thread)
        return "an action that was scheduled on it" if what is None else what()

    def begin(self) -> None:
        """Note that a step begins on the calling thread."""
        with self._lock:
            self._thread = threading.get_ident()
            self._began = self._clock.now()
            if self._armed or self._limit_s == float("inf"):
                return
            self._armed = True
        self._clock.after(self._limit_s, self._look)

    def end(self) -> None:
        """Note that the step has ended."""
        with self._lock:
            self._began = None
            stuck, self._stuck = self._stuck, None
        if stuck is not None:
            what, began = stuck
            seconds = self._clock.now() - began
            self._tell(
                None, f"the model thread {self._name!r} goes on: {what} took {seconds:.3g} s"
            )

    def _look(self) -> None:
        with self._lock:
            if self._began is None:
                self._armed = False
                return
            left = self._began + self._limit_s - self._clock.now()
            if left <= 0:
                self._armed = False
                self._stuck = self.busy_with(), self._began
                self._told = self._why()
        if left > 0:
            self._clock.after(left, self._look)
        else:
            self._tell(self._told, str(self._told))

    def _why(self) -> ModelThreadStuck | None:
        if self._stuck is None:
            return None
        what, began = self._stuck
        seconds = self._clock.now() - began
        where = f"the model thread {self._name!r} is stuck in {what}"
        return ModelThreadStuck(f"{where} since {seconds:.3g} s", seconds)

    def _tell(self, error: ModelThreadStuck | None, message: str) -> None:
        _log.warning(message)
        with self._lock:
            listeners = list(self._listeners.values())
        notice = Notice(message, self._told)
        for listener in listeners:
            try:
                listener(error, notice)
            except Exception:
                _log.exception("a conversation raised when it was told that %s", message)


def expire_when_stuck(
    watch: Watch,
    worker: abc.SchedulerBase | None,
    home: abc.SchedulerBase | None,
    life: CompositeDisposable,
) -> None:
    """Fail what a worker is asked, on the scheduler `home`, as soon as its thread is stuck."""
    thread = shared_thread(worker)
    if thread is None:
        return

    def listen(error: ModelThreadStuck | None, _: Notice) -> None:
        if error is not None:
            at(home, partial(watch.expire, error))

    life.add(thread.follow(listen))


def shared_thread(worker: abc.SchedulerBase | None) -> SharedThread | None:
    """Return the `SharedThread` of a worker; None if it has none."""
    found = getattr(worker, "shared_thread", None)
    return found if isinstance(found, SharedThread) else None
