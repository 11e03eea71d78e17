"""Pieces of an answer that are not text: they say when the next piece may be made."""

from __future__ import annotations

from typing import Final

from reactivex import Observable


class Flush(str):
    """An empty piece of text: the next one is made after the voice has taken those before it."""

    def __repr__(self) -> str:
        return "FLUSH"


FLUSH: Final[str] = Flush()
"""A piece of an answer that means: speak what came so far now, even in the middle of a sentence.

For a responder that has slow work to do: ``yield "One moment."; yield rxv.FLUSH``. It is an empty
str, so code that joins the pieces need not know it.
"""


class Waiting(Flush):
    """A pause: the next step may be taken when `until` has completed or failed.

    A step that is taken sooner blocks until then.
    """

    until: Observable[object]

    def __new__(cls, until: Observable[object]) -> Waiting:
        """Make a pause until the observable ends."""
        made = super().__new__(cls)
        made.until = until
        return made

    def __repr__(self) -> str:
        return "Waiting"
