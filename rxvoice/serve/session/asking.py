"""What the pipe asks of its owner, and tells it."""

from __future__ import annotations

from typing import Any, Protocol

from reactivex import abc
from reactivex.disposable import CompositeDisposable

from rxvoice.elements import Reply, Transcript


class Asking:
    """What the pipe wants an answer to. The answer's text goes to `answer`.

    Attributes:
        turn: the turn that is answered.
        text: what was said.
        answer: takes the pieces that are to be spoken.
        over: whether the pipe does not want the answer any more.
        life: ends the work for the answer.
    """

    def __init__(self, transcript: Transcript, answer: abc.ObserverBase[Any]) -> None:
        self.turn = transcript.turn
        self.text = transcript.text
        self.answer = answer
        self.life = CompositeDisposable()

    @property
    def over(self) -> bool:
        return self.life.is_disposed


class PipeOwner(Protocol):
    """What the pipe tells. All but `on_element` is called in the middle of the pipe's work."""

    def on_element(self, element: object) -> None:
        """Take what comes out of the pipe."""
        ...

    def on_speech(self) -> None:
        """A chunk of the microphone is speech."""
        ...

    def on_words(self, transcript: Transcript) -> None:
        """All words of a turn are known."""
        ...

    def on_question(self, question: Asking) -> None:
        """An answer is wanted."""
        ...

    def on_text(self, reply: Reply) -> None:
        """Text reaches the voice."""
        ...

    def on_made(self) -> None:
        """All sound of a reply was made."""
        ...

    def on_failed(self, error: Exception | None) -> None:
        """The pipe has ended."""
        ...
