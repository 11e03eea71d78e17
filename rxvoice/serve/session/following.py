"""`Following`: what the pipe tells is passed to the turns and the replies, in the right order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.events import (
    Candidate,
    Confirmed,
    Dropped,
    Finished,
    Interrupted,
    Partial,
    TurnEnded,
    TurnFailed,
    TurnMetrics,
    TurnOpened,
)
from rxvoice.serve._observer import Observer
from rxvoice.serve.session.asking import Asking
from rxvoice.serve.session.moments import Moments

if TYPE_CHECKING:
    from rxvoice.serve.session.replies import Replies
    from rxvoice.serve.session.turns import Turns

_log = logging.getLogger("rxvoice")


class Following:
    """The owner of a `Pipe`.

    What the pipe tells in the middle of its work is looked at later: after what it has told before,
    which is still on its way.

    Args:
        later: runs an action after what the pipe is doing.
        moments: notes when what came.
        observer: is told what metrics are made of.
        only_listens: whether nothing is replied to.
        on_failed: called if the pipe ends.

    Attributes:
        turns: set before the pipe opens.
        replies: set before the pipe opens.
    """

    turns: Turns
    replies: Replies

    def __init__(
        self,
        later: Callable[[Callable[[], None]], None],
        moments: Moments,
        observer: Observer,
        wants_reply: Callable[[], bool],
        on_failed: Callable[[Exception | None], None],
    ) -> None:
        self._later = later
        self._moments = moments
        self._observer = observer
        self._wants_reply = wants_reply
        self._on_failed = on_failed
        self._interruption: Interrupted | None = None  # that is not told yet

    def on_element(self, element: object) -> None:
        """Take what comes out of the pipe."""
        match element:
            case Speech():
                self.replies.on_sound(element)
            case Confirmed(turn):
                # The client learns that the user speaks before it learns that the reply is over.
                self.turns.on_opened(turn)
                self._tell_interruption()
            case TurnOpened(turn):
                self.turns.on_opened(turn)
            case Candidate(turn):
                self.turns.on_candidate(turn)
            case Partial(turn, text):
                self.turns.on_partial(turn, text)
            case TurnEnded(turn, position):
                if self.turns.of(turn) is not None and not self.turns.by_client(turn):
                    self._moments.turn_ended()
                self.turns.on_ended(turn, position)
            case Dropped(turn):
                self.turns.on_dropped(turn)
            case Interrupted():
                self._interruption = element
                self._later(self._tell_interruption)
            case Finished(turn):
                self.replies.on_heard(turn)
            case TurnFailed(turn, error):
                _log.warning("%s", error, exc_info=error)
                self.turns.on_failed(turn)
                self.replies.on_failed(element)
            case TurnMetrics():
                self._observer.turn_metrics(element)
            case _:
                pass

    def _tell_interruption(self) -> None:
        interruption, self._interruption = self._interruption, None
        if interruption is None:
            return
        if self.replies.on_interrupted(interruption.turn, interruption.heard):
            self._observer.interrupted()

    def on_speech(self) -> None:
        """A chunk of the microphone is speech."""
        self._moments.spoke()

    def on_words(self, transcript: Transcript) -> None:
        """All words of a turn are known."""

        def tell() -> None:
            self._moments.until("transcript")
            self.turns.on_words(transcript.turn, transcript.text)

        self._later(tell)

    def on_question(self, question: Asking) -> None:
        """An answer is wanted."""

        def answer() -> None:
            wanted = self._wants_reply() and not self.turns.by_client(question.turn)
            self.replies.answer(question, wanted=wanted)

        self._later(answer)

    def on_text(self, reply: Reply) -> None:
        """Text reaches the voice."""
        self.replies.on_text(reply)

    def on_made(self) -> None:
        """All sound of a reply was made."""
        self._later(self.replies.on_made)

    def on_failed(self, error: Exception | None) -> None:
        """The pipe has ended."""
        self._later(lambda: self._on_failed(error))
