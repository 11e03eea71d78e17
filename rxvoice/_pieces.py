"""Pieces of answers that have several parts."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice.elements import Recognised, TimedSamples
from rxvoice.events import Notice

__all__ = ["AnswerPiece", "News"]


@dataclass(frozen=True, slots=True)
class News:
    """What one step of a `RecognitionSession` gives.

    It is delivered as a whole, because on a worker the next step follows at once.

    Args:
        pieces: text.
        replaces: whether the text replaces all text so far.
        notices: notices for the app.
        last: whether the session is done with this step.
    """

    pieces: tuple[Recognised | str, ...] = ()
    replaces: bool = False
    notices: tuple[Notice, ...] = ()
    last: bool = False


@dataclass(frozen=True, slots=True)
class AnswerPiece:
    """One piece of what a model answers that hears and speaks: any of what it may give.

    Args:
        understood: what it understood of the user.
        text: new text of its reply.
        sound: new sound of its reply.
        sample_rate: Hz, of the sound.
    """

    understood: Recognised | None = None
    text: str = ""
    sound: TimedSamples | None = None
    sample_rate: int = 0
