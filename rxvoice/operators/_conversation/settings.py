"""What `converse` was given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from reactivex import Observable

from rxvoice.elements import Say
from rxvoice.operators._conversation.evidence import Gates
from rxvoice.slots import AudioSink
from rxvoice.turn import Turn

Stage: TypeAlias = Callable[[Observable[Any]], Observable[Any]]
"""An operator, whatever it takes and gives."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Its arguments, as they are documented there.

    Without a stage that listens the first of the reply is given the turn itself.
    """

    listen: Stage | None
    reply: tuple[Stage, ...]
    sink: AudioSink
    gates: Gates
    resume_after_ms: float
    hold_ms: float
    duck: float | None
    interruptions: bool | Observable[bool] | Callable[[Turn], bool]
    says: Observable[str | Say] | None
    echo_tail_ms: float
    warm_up_ms: float
    interrupts: Observable[str | None] | None
    preempt_after_ms: float | None
    preempt_tries: int
    idle_ms: float | None
    word_events: bool
