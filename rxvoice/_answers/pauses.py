"""Pieces of an answer that are no text: what is to happen before the next one."""

from __future__ import annotations

from typing import Final

from reactivex import Observable

__all__ = ["FLUSH", "Flush", "Waiting"]


class Flush(str):
    """An empty piece of text, after which nothing is made before the voice has what was written."""

    def __repr__(self) -> str:
        return "FLUSH"


FLUSH: Final[str] = Flush()
"""A piece of an answer: speak what was written so far, now, though the sentence may go on.

For a responder that has slow work to do: ``yield "One moment."; yield rxv.FLUSH``. It is an empty
str, so whatever joins the pieces needs to know nothing of it.
"""


class Waiting(Flush):
    """A pause: the next step is to be taken when `until` has completed or failed.

    Whoever takes it sooner waits in it.
    """

    until: Observable[object]

    def __new__(cls, until: Observable[object]) -> Waiting:
        """Make one."""
        made = super().__new__(cls)
        made.until = until
        return made

    def __repr__(self) -> str:
        return "Waiting"
