"""`choose`: the stages of a reply are chosen for each question."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from rxvoice.elements import Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators._stage_operator import StageOperator
from rxvoice.operators.kernel import Operator

__all__ = ["choose"]

T = TypeVar("T")


def choose(
    agent: Callable[[Transcript], Operator[Transcript | Event, T | Event]],
) -> Operator[Transcript | Event, T | Event]:
    """Choose for each question which agent answers it.

    An agent is an operator: `respond`, or several `stages` with a voice of their own. Each agent
    has its own memory, and does not learn of questions that another one answered. In `converse`,
    the agent that answered is told what was heard.

    ```python
    vox.converse(hear, vox.choose(lambda transcript: agents[current]), sink=speaker)
    ```

    Emits: what the chosen stages give, question by question, in order. Events from upstream pass.
    Completes: when the source has completed and every question is answered.
    Errors: with the source; with what a chosen stage errors with; with what ``agent`` raises.
    Drops: partial transcripts.
    Runs on: the thread of the source. ``agent`` is called there, once for each question.

    Args:
        agent: a function from the final `Transcript` of a question to the operator that answers it.
            For what the app `says` the `Transcript` has no text.
    """
    if not callable(agent):
        raise ConfigError(
            f"choose takes a function from a Transcript to an operator, got {agent!r}"
        )

    def chosen(transcript: Transcript) -> Operator[Transcript | Event, T | Event]:
        operator = agent(transcript)
        if not callable(cast("object", operator)):
            raise ConfigError(
                f"choose wanted an operator, such as vox.respond(llm), got {operator!r}"
            )
        return operator

    def answered(element: Transcript | Event) -> Observable[T | Event]:
        if isinstance(element, Event):
            return rx.just(element)
        return rx.just(element).pipe(chosen(element)) if element.final else rx.empty()

    def operator(source: Observable[Transcript | Event]) -> Observable[T | Event]:
        return source.pipe(ops.map(answered), ops.merge(max_concurrent=1))

    return StageOperator(operator, parts=lambda asked: None if asked is None else [chosen(asked)])
