"""`sessions`: one conversation per WebSocket, so many at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias, cast

from reactivex import Observable

from rxvoice.elements import FinishedTurn, Speech
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.web._limits import Limits, Over
from rxvoice.web._origin import is_welcome, origins
from rxvoice.web._session import Client, Converse, Session, refuse
from rxvoice.web._visitors import Visitors, address_of

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

__all__ = ["Authenticate", "Sessions", "sessions"]

_log = logging.getLogger("rxvoice")

Authenticate: TypeAlias = Callable[["WebSocket"], "object | Awaitable[object]"]
"""Says who a client is, by its request; what is false refuses it."""


def sessions(
    converse: Callable[[Client], Observable[Speech | FinishedTurn | Event]],
    *,
    authenticate: Authenticate | None = None,
    allow_origins: Iterable[str] = (),
    max_sessions: int = 64,
    max_per_address: int = 8,
    max_seconds: float = 1800,
    max_idle_seconds: float = 60,
    max_silent_seconds: float = 10,
    max_frame_bytes: int = 65_536,
    max_text_chars: int = 2_000,
    max_texts_per_minute: int = 30,
    max_speed: float = 1.25,
    max_events: int = 256,
    max_queued_ms: int = 120_000,
    ahead_ms: int = 500,
    send_seconds: float = 10,
    authenticate_seconds: float = 10,
) -> Sessions:
    """Conversations over the WebSockets of a Starlette or FastAPI app.

    Every conversation runs on the server's event loop: hundreds need no thread of their own. So a
    model that computes needs ``worker=``, the one model thread that they all share; one that
    awaits needs none. What a client does wrong ends its own session, and it is told why;
    `Sessions.refusals` counts it and a warning is logged.

    What a server on the internet wants beside it, such as TLS, the guide "A voice server" says.

    Args:
        converse: makes the pipe of one `Client`, from ``client.microphone`` to ``play(
            client.speaker)``; it is subscribed to with a scheduler of the loop at the client's
            first message, and disposed of when the socket closes. Its `Event` and `FinishedTurn`
            elements are sent to the client, other ones are not; when it completes, the socket is
            closed once all speech was heard. What has a history, such as a language model's
            conversation, is to be made here: ``llm.fresh()``.
        authenticate: called with the socket before it is accepted; looks at its headers, cookies
            and query, and gives who it is, which is ``client.user`` then, or something false to
            refuse it with HTTP's 403. May be async; a plain function runs on the server's event
            loop and must not wait. One that raises refuses. None lets everybody in.
        allow_origins: of web pages that may connect, beside those that this host itself serves,
            such as ``["https://app.example.com"]``; ``["*"]`` for any. Others are refused with
            403. A client that is no browser sends no origin, and is let in.
        max_sessions: how many at a time; the next is told that it is full.
        max_per_address: how many of them from one address; of IPv6 from one network of 64 bits.
        max_seconds: the longest session.
        max_idle_seconds: the longest that a client may send nothing.
        max_silent_seconds: the same, before its first message.
        max_frame_bytes: the largest message that a client may send. The server reads it whole
            before it is refused, up to a limit of its own (uvicorn's ``ws_max_size``).
        max_text_chars: the longest text that a client may type.
        max_texts_per_minute: how many texts one address may type in any 60 s, in all its sessions.
            What is spoken is bounded by `max_speed`.
        max_speed: how much faster than it is spoken audio may come, once 10 s have come at once.
        max_events: how many messages wait for a client that reads slowly, before it is given up.
        max_queued_ms: how much speech waits for its playback; more fails the conversation.
        ahead_ms: how much speech is sent ahead of its playback.
        send_seconds: how long a client may take to receive one message.
        authenticate_seconds: how long an async `authenticate` may take.

    Raises:
        ConfigError: a bound that allows nothing, or an origin that is none.
    """
    if not callable(converse):
        raise ConfigError(f"sessions wanted a function of a Client, got {converse!r}")
    if authenticate is not None and not callable(authenticate):
        raise ConfigError(f"sessions authenticate must be a function, got {authenticate!r}")
    return Sessions(
        converse,
        Limits(
            max_sessions=max_sessions,
            max_per_address=max_per_address,
            max_seconds=max_seconds,
            max_idle_seconds=max_idle_seconds,
            max_silent_seconds=max_silent_seconds,
            max_frame_bytes=max_frame_bytes,
            max_text_chars=max_text_chars,
            max_texts_per_minute=max_texts_per_minute,
            max_speed=max_speed,
            max_events=max_events,
            max_queued_ms=max_queued_ms,
            ahead_ms=ahead_ms,
            send_seconds=send_seconds,
            authenticate_seconds=authenticate_seconds,
        ),
        authenticate,
        origins(allow_origins),
    )


class Sessions:
    """Made by `sessions`."""

    def __init__(
        self,
        converse: Converse,
        limits: Limits,
        authenticate: Authenticate | None,
        allow_origins: frozenset[str],
    ) -> None:
        self._converse = converse
        self._limits = limits
        self._authenticate = authenticate
        self._origins = allow_origins
        self._visitors = Visitors(limits, time.monotonic)
        self._refusals: Counter[str] = Counter()

    @property
    def active(self) -> int:
        """How many sessions there are."""
        return self._visitors.here

    @property
    def refusals(self) -> dict[str, int]:
        """How many were refused or ended for a reason, by its code, as the client was told it.

        Those refused before the WebSocket was opened are told nothing but HTTP's 403: ``origin``
        and ``forbidden``.
        """
        return dict(self._refusals)

    async def serve(self, socket: WebSocket) -> None:
        """Hold a conversation over a socket that was not accepted yet; returns when it is over.

        Nothing of it is left then: no task, no subscription, no timer.
        """
        address = address_of(socket)
        if not is_welcome(socket.headers, self._origins):
            await self._forbid(socket, "origin", f"a page of {socket.headers.get('origin')!r}")
            return
        try:
            self._visitors.enter(address)
        except Over as over:
            self._tell(socket, over.code, str(over))
            await refuse(socket, over)
            return
        try:
            user = await self._user(socket)
            if not user:
                await self._forbid(socket, "forbidden", "authenticate() did not let it in")
                return
            over = await Session(
                socket,
                self._converse,
                self._limits,
                None if self._authenticate is None else user,
                lambda: self._visitors.ask(address),
            ).run()
            if over is not None:
                self._tell(socket, over.code, str(over))
        finally:
            self._visitors.leave(address)

    async def _user(self, socket: WebSocket) -> object:
        """What the app's `authenticate` gives; True without one, False where it fails."""
        if self._authenticate is None:
            return True
        try:
            user = self._authenticate(socket)
            if isinstance(user, Awaitable):
                async with asyncio.timeout(self._limits.authenticate_seconds):
                    return await cast("Awaitable[object]", user)
            return user
        except Exception:  # nobody comes in by a fault of the app's
            _log.exception("authenticate() raised, so the client is not let in")
            return False

    async def _forbid(self, socket: WebSocket, code: str, why: str) -> None:
        """Refuse with HTTP's 403; of a client that may not connect, nothing is read or told."""
        self._tell(socket, code, why)
        await socket.close(1008, code)

    def _tell(self, socket: WebSocket, code: str, why: str) -> None:
        self._refusals[code] += 1
        client = socket.client.host if socket.client is not None else "a socket"
        _log.warning("a client at %s was refused or its session ended (%s): %s", client, code, why)
