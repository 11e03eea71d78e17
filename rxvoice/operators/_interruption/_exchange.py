"""A turn and its reply: what is known of them so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from reactivex.disposable import CompositeDisposable

from rxvoice.elements import Speech, Transcript
from rxvoice.operators._interruption._evidence import Evidence
from rxvoice.operators._interruption._ledger import Ledger
from rxvoice.operators._interruption._words import words
from rxvoice.turn import Turn

__all__ = ["Answer", "Exchange"]


@dataclass(slots=True, eq=False)
class Answer:
    """A reply in the making.

    Args:
        transcript: the question.
        ledger: what was spoken of it.
        held: what it gave, as long as it is not certain that this was the question; else None.
        life: what it is made by.
        begun: whether a word was written.
        speaking: whether a sample was heard.
        final: the last `Speech`, held back until all is heard.
        over: whether nothing more will come.
        failed: the stage that failed it.
    """

    transcript: Transcript
    ledger: Ledger
    held: deque[Callable[[], None]] | None
    life: CompositeDisposable = field(default_factory=CompositeDisposable)
    begun: bool = False
    speaking: bool = False
    final: Speech | None = None
    over: bool = False
    failed: str | None = None


@dataclass(slots=True, eq=False)
class Exchange:
    """A turn and its reply.

    Args:
        turn: what the user says.
        number: counts them.
        evidence: of a candidate; None once it is a turn.
        held: whether playback was held back for it.
        life: everything that works for it. Disposed when it is over: what comes later is stale.
        before: turns that were not answered, whose words belong in front of its own.
        text: what was said, once it is known.
        partial: what was said so far.
        silence_ms: how long the user has been silent, and `partial` has stayed the same.
        tries: how often a reply was begun before the turn was over.
        failed: whether the recogniser failed.
        answer: the reply, once it is being made.
    """

    turn: Turn
    number: int
    evidence: Evidence | None = None
    held: bool = False
    life: CompositeDisposable = field(default_factory=CompositeDisposable)
    before: list[Exchange] = field(default_factory=list["Exchange"])
    text: str | None = None
    partial: str = ""
    silence_ms: float = 0
    tries: int = 0
    failed: bool = False
    answer: Answer | None = None

    @property
    def question(self) -> str | None:
        """All that was said, with what is to go in front; None as long as some is not known."""
        parts: list[str] = []
        for exchange in (*self.before, self):
            if exchange.text is None:
                return None
            if words(exchange.text):
                parts.append(exchange.text.strip())
        return " ".join(parts)
