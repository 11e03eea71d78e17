"""`stages`: several stages of a reply become one operator."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from reactivex import Observable

from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators._stage_operator import Stage, StageOperator
from rxvoice.operators.kernel import Operator

__all__ = ["stages"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


@overload
def stages(
    first: Operator[A | Event, B | Event], second: Operator[B | Event, C | Event], /
) -> Operator[A | Event, C | Event]: ...


@overload
def stages(
    first: Operator[A | Event, B | Event],
    second: Operator[B | Event, C | Event],
    third: Operator[C | Event, D | Event],
    /,
) -> Operator[A | Event, D | Event]: ...


@overload
def stages(
    first: Operator[A | Event, B | Event],
    second: Operator[B | Event, C | Event],
    third: Operator[C | Event, D | Event],
    fourth: Operator[D | Event, E | Event],
    /,
) -> Operator[A | Event, E | Event]: ...


def stages(*operators: Stage) -> Operator[A | Event, B | Event]:
    """Make one operator of several, and let `converse` see them.

    Use it for stages that belong together, such as an agent with its own prompt and voice, for
    `choose`. ``rx.pipe(respond, moderate)`` works as well, but hides which operator answers and
    which one speaks. Then a conversation cannot tell the model what was heard.

    Emits: what the last operator emits.
    Completes: with the last operator.
    Errors: with the first operator that errors.
    Drops: what any of the operators drops.
    Runs on: the threads of the operators.

    Args:
        operators: two or more operators, in order.
    """
    if len(operators) < 2:
        raise ConfigError(f"stages wants two or more operators, got {len(operators)}")
    for operator in operators:
        if not callable(operator):
            raise ConfigError(f"stages takes operators, such as vox.respond(llm), got {operator!r}")

    def all_of_them(source: Observable[A | Event]) -> Observable[B | Event]:
        made: Observable[Any] = source
        for operator in operators:
            made = operator(made)
        return made

    return StageOperator(all_of_them, parts=lambda _: operators)
