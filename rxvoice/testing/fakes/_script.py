"""What fakes share: scripted items, and answers that take virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from rxvoice._check import at_least
from rxvoice.errors import ConfigError

T = TypeVar("T")


class Script(Generic[T]):
    """Gives one item after the other, and repeats the last one."""

    def __init__(self, name: str, items: Sequence[T]) -> None:
        if not items:
            raise ConfigError(f"{name}: wanted at least one, got none")
        self._items = items
        self._given = 0

    def next(self) -> T:
        self._given += 1
        return self._items[min(self._given, len(self._items)) - 1]


def duration(name: str, ms: float | None) -> float | None:
    if ms is not None:
        at_least(name, ms, 0, "ms")
    return ms


def later(pieces: Sequence[T], every_ms: float) -> Observable[T]:
    """Emit each piece after this many milliseconds, on the scheduler of the subscription."""
    if not pieces:
        return rx.empty()

    def piece(n: int) -> T:
        return pieces[n]

    seconds = every_ms / 1000
    return rx.timer(seconds, seconds).pipe(ops.take(len(pieces)), ops.map(piece))
