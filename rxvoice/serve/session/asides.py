"""`Asides`: replies beside the dialogue, made at the same time as its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from reactivex.disposable import Disposable

from rxvoice.elements import Speech
from rxvoice.events import TurnFailed
from rxvoice.serve._models import Models
from rxvoice.serve.session.asking import Asking
from rxvoice.serve.session.live_reply import LiveReply
from rxvoice.serve.session.pipe import Pipe
from rxvoice.serve.session.refusal import Refused
from rxvoice.serve.session.voice import Voice
from rxvoice.turn import Turn

_MOST = 16
"""Replies at a time: each holds a model's memory."""


class Asides:
    """Begins replies that are not part of the dialogue, and knows those that are not over.

    Args:
        models: what speaks.
        pipe: makes the replies.
    """

    def __init__(self, models: Models, pipe: Pipe) -> None:
        self._models = models
        self._pipe = pipe
        self._replies: dict[str, LiveReply] = {}

    def get(self, reply_id: str) -> LiveReply | None:
        """The reply, if it is not over."""
        return self._replies.get(reply_id)

    def check_room(self) -> None:
        """Check that another one may begin.

        Raises:
            Refused: there are too many.
        """
        if len(self._replies) >= _MOST:
            raise Refused("too_many", str(_MOST))

    def close(self) -> None:
        """End all work."""
        for reply in list(self._replies.values()):
            reply.life.dispose()

    def begin(self, reply: LiveReply, write: Callable[[Asking, Voice], None]) -> None:
        """Begin a reply.

        Args:
            write: answers what the pipe asks, for this voice.
        """
        voice = Voice(self._models)
        self._replies[reply.id] = reply

        def on_element(element: object) -> None:
            if isinstance(element, TurnFailed):
                reply.finish("failed", "model")
            elif isinstance(element, Speech):
                reply.add_sound(element)

        def on_over(error: Exception | None) -> None:
            if error is not None:
                reply.finish("failed", "model")
            reply.end_sound()

        def forget() -> None:
            self._replies.pop(reply.id, None)

        made = self._pipe.answer_aside(
            Turn.of(np.empty(0, np.float32), id=-1),
            voice,
            lambda question: write(question, voice),
            reply.add_spoken,
            on_element,
            on_over,
        )
        reply.life.add(made)
        reply.life.add(Disposable(forget))
