"""`sessions`: one conversation per WebSocket, so many at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reactivex import Observable

from rxvoice.elements import Event, Speech, TurnEvent
from rxvoice.errors import ConfigError
from rxvoice.web._limits import Limits, Over
from rxvoice.web._session import Client, Converse, Session, refuse

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

__all__ = ["Sessions", "sessions"]


def sessions(
    converse: Callable[[Client], Observable[Speech | TurnEvent | Event]],
    *,
    max_sessions: int = 64,
    max_seconds: float = 1800,
    max_idle_seconds: float = 60,
    max_frame_bytes: int = 65_536,
    max_speed: float = 1.25,
    max_events: int = 256,
    max_queued_ms: int = 120_000,
    ahead_ms: int = 500,
    send_seconds: float = 10,
) -> Sessions:
    """Conversations over the WebSockets of a Starlette or FastAPI app.

    Every conversation runs on the server's event loop: hundreds need no thread of their own. So a
    model that computes needs ``worker=``, the one model thread that they all share; one that
    awaits needs none. What a client does wrong ends its own session, and it is told why.

    Args:
        converse: makes the pipe of one `Client`, from ``client.microphone`` to ``play(
            client.speaker)``; it is subscribed to with a scheduler of the loop at the client's
            first message, and disposed of when the socket closes. Its `Event` and `TurnEvent`
            elements are sent to the client, other ones are not; when it completes, the socket is
            closed once all speech was heard. What has a history, such as a language model's
            conversation, is to be made here: ``llm.fresh()``.
        max_sessions: how many at a time; the next is told that it is full.
        max_seconds: the longest session.
        max_idle_seconds: the longest that a client may send nothing.
        max_frame_bytes: the largest message that a client may send. The server reads it whole
            before it is refused, up to a limit of its own (uvicorn's ``ws_max_size``).
        max_speed: how much faster than it is spoken audio may come, once 10 s have come at once.
        max_events: how many messages wait for a client that reads slowly, before it is given up.
        max_queued_ms: how much speech waits for its playback; more fails the conversation.
        ahead_ms: how much speech is sent ahead of its playback.
        send_seconds: how long a client may take to receive one message.

    Raises:
        ConfigError: a bound that allows nothing.
    """
    if not callable(converse):
        raise ConfigError(f"sessions wanted a function of a Client, got {converse!r}")
    return Sessions(
        converse,
        Limits(
            max_sessions=max_sessions,
            max_seconds=max_seconds,
            max_idle_seconds=max_idle_seconds,
            max_frame_bytes=max_frame_bytes,
            max_speed=max_speed,
            max_events=max_events,
            max_queued_ms=max_queued_ms,
            ahead_ms=ahead_ms,
            send_seconds=send_seconds,
        ),
    )


class Sessions:
    """Made by `sessions`."""

    def __init__(self, converse: Converse, limits: Limits) -> None:
        self._converse = converse
        self._limits = limits
        self._active = 0

    @property
    def active(self) -> int:
        """How many sessions there are."""
        return self._active

    async def serve(self, socket: WebSocket) -> None:
        """Hold a conversation over a socket that was not accepted yet; returns when it is over.

        Nothing of it is left then: no task, no subscription, no timer.
        """
        if self._active >= self._limits.max_sessions:
            taken = f"all conversations ({self._active}) are taken: try again later"
            await refuse(socket, Over("full", 1013, taken))
            return
        self._active += 1
        try:
            await Session(socket, self._converse, self._limits).run()
        finally:
            self._active -= 1
