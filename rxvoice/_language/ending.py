"""How what a model writes ended, and what the app is told of it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from rxvoice._language.thoughts import Said
from rxvoice.events import Notice


@dataclass(frozen=True, slots=True)
class StretchEnd:
    """How a stretch of a reply ended, as far as the model tells.

    Attributes:
        is_cut: whether it had ``max_tokens`` before its end.
        in_thought: whether it ended within a thought.
    """

    is_cut: bool = False
    in_thought: bool = False


def remarks(ending: StretchEnd, said: Said, max_tokens: int) -> Generator[Notice]:
    """What the app has to know of a stretch that is over."""
    if ending.in_thought or said.is_thinking:
        yield Notice(
            "the reply ended within a thought, which is not spoken: raise max_tokens, or turn the "
            "model's thinking off"
        )
    elif ending.is_cut:
        yield Notice(
            f"the reply was cut after max_tokens={max_tokens}: raise max_tokens, or tell the model "
            "to be brief"
        )
    if said.has_lost_mark:
        yield Notice(
            "the reply began within a thought that nothing marks as one, so it was spoken: "
            "turn the model's thinking off, or let the server take thoughts out"
        )
