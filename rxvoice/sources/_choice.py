"""Which device is wanted: always the same, or the last that an observable names."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

from reactivex import Observable, abc
from reactivex.disposable import SingleAssignmentDisposable

from rxvoice.devices import check_device
from rxvoice.errors import ConfigError

Wanted: TypeAlias = int | str | None
"""None for the default device, an index, or a part of a name."""


class Choice:
    """The device that is wanted, until it is taken. It may be named on any thread.

    Args:
        device: the device, or an observable of devices, the last of which counts.
        news: called when there is something to take.
    """

    def __init__(self, device: Wanted | Observable[Wanted], news: Callable[[], None]) -> None:
        self._device = device
        self._news = news
        self._lock = Lock()
        self._waiting: list[Wanted] = []
        self._named = False
        self.error: Exception | None = None
        """The error of the observable; None if there is none."""
        self._life = SingleAssignmentDisposable()

    def follow(self, scheduler: abc.SchedulerBase | None) -> None:
        """Subscribe to the observable of devices."""
        if isinstance(self._device, Observable):
            self._life.disposable = self._device.subscribe(
                self._put, self._on_error, self._on_completed, scheduler=scheduler
            )
        else:
            self._put(self._device)

    def dispose(self) -> None:
        """Unsubscribe. Again does nothing."""
        self._life.dispose()

    def _put(self, value: Wanted) -> None:
        with self._lock:
            self._waiting = [value]
            self._named = True
        self._news()

    def _on_error(self, error: Exception) -> None:
        self.error = error
        self._news()

    def _on_completed(self) -> None:
        if not self._named:
            self._on_error(
                ConfigError("microphone was given an observable of devices that named none")
            )

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to take, or an error."""
        return bool(self._waiting) or self.error is not None

    def take(self) -> Wanted:
        """Take the device that is wanted. ConfigError if the value names no device."""
        with self._lock:
            value = self._waiting.pop()
        check_device("microphone device", value)
        return value
