"""`only`: let only elements of some types pass."""

from __future__ import annotations

from typing import TypeVar, cast, overload

from rxvoice.errors import ConfigError
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events

__all__ = ["only"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@overload
def only(a: type[A], /) -> Operator[object, A]: ...
@overload
def only(a: type[A], b: type[B], /) -> Operator[object, A | B]: ...
@overload
def only(a: type[A], b: type[B], c: type[C], /) -> Operator[object, A | B | C]: ...
def only(*types: type[object]) -> Operator[object, object]:
    """Let only elements of these types pass, for the operators that follow.

    Events travel beside the elements, so a stream is of ``Transcript | Event``, and an event has no
    ``final``. After ``only(Transcript)`` it is an ``Observable[Transcript]``, also for a type
    checker:

    ```python
    partials = transcripts.pipe(rxv.only(rxv.Transcript), ops.filter(lambda it: not it.final))
    ```

    Emits: the elements of one of the types.
    Completes: with the source.
    Errors: with the source.
    Drops: all other elements, and events with them, even a `TurnFailed` or a `Notice`. Within a
        pipe let events pass: ``only(Transcript, Event)``.
    Runs on: the thread of the source.

    Args:
        types: one to three classes, such as `Transcript`; instances of a subclass pass too.
    """
    if not types or not all(isinstance(cast("object", it), type) for it in types):
        raise ConfigError(f"only wants one or more classes, such as rxv.Transcript, got {types!r}")

    def start(out: Subscription[object]) -> Handlers[object]:
        def step(element: object) -> None:
            if isinstance(element, types):
                out.emit(element)

        return step, None, None

    return stateful_on_events(start)
