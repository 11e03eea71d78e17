"""`News`: what one step of a streaming recogniser gives."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice.elements import Recognised
from rxvoice.events import Notice

__all__ = ["News"]


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
