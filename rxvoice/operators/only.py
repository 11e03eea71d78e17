"""`only`: elements of these types, and nothing else."""

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
    """Let only elements of these types pass, so that what follows need not ask.

    Beside the elements travel events, and a stream of ``Transcript | Event`` has no ``final`` to
    filter by. Behind ``only(Transcript)`` it is an ``Observable[Transcript]``, for a type checker
    too:

    ```python
    partials = heard.pipe(rxv.only(rxv.Transcript), ops.filter(lambda it: not it.final))
    ```

    Emits: the elements that are of one of the types.
    Completes: with the source.
    Errors: with the source.
    Drops: all else, events too: a `TurnFailed` and a `Notice` go with them. In the middle of a pipe
        let those pass: ``only(Transcript, Event)``.
    Runs on: the thread of the source.

    Args:
        types: one to three classes, such as `Transcript`; a subclass counts as its class.
    """
    if not types or not all(isinstance(cast("object", it), type) for it in types):
        raise ConfigError(f"only wants one or more classes, such as rxv.Transcript, got {types!r}")

    def start(out: Subscription[object]) -> Handlers[object]:
        def step(element: object) -> None:
            if isinstance(element, types):
                out.emit(element)

        return step, None, None

    return stateful_on_events(start)
