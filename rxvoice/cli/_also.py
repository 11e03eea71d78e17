"""Writes what passes to a file, and lets the conversation outlive the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rxvoice.events import Event, Notice
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events

T = TypeVar("T")
U = TypeVar("U")


def also(kind: type[U], write: Callable[[U], None], what: str) -> Operator[T, T | Event]:
    """Pass elements of a kind to `write`. When it raises, emit a `Notice` and stop writing."""

    def start(out: Subscription[T | Event]) -> Handlers[T]:
        failed = False

        def step(element: T) -> None:
            nonlocal failed
            written: object = element
            if not failed and isinstance(written, kind):
                try:
                    write(written)
                except Exception as error:
                    failed = True
                    out.emit(Notice(f"{what} has stopped, and the conversation goes on: {error}"))
            out.emit(element)

        return step, None, None

    return stateful_on_events(start)
