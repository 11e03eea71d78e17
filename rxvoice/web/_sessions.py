"""`sessions`: a conversation for each WebSocket."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias, cast

from rxvoice.errors import ConfigError
from rxvoice.web._client import Converse
from rxvoice.web._limits import Limits, Over
from rxvoice.web._origin import is_welcome, origins
from rxvoice.web._outgoing import refuse
from rxvoice.web._session import Session
from rxvoice.web._visitors import Visitors, address_of

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

_log = logging.getLogger("rxvoice")

Authenticate: TypeAlias = Callable[["WebSocket"], "object | Awaitable[object]"]
"""Says who a client is, by its request; something false refuses the client."""


def sessions(
    converse: Converse,
    *,
    authenticate: Authenticate | None = None,
    allow_origins: Iterable[str] = (),
    limits: Limits | None = None,
) -> Sessions:
    """Make conversations over the WebSockets of a Starlette or FastAPI app.

    All conversations run on the server's event loop: hundreds need no thread of their own. So a
    model that computes needs ``worker=``, the one model thread that they all share; a model that
    awaits needs none.

    What a client does wrong ends its own session only. The client is told why, `Sessions.refusals`
    counts it, and a warning is logged. The guide "A voice server" says what else a server on the
    internet needs, such as TLS.

    Args:
        converse: makes the pipe of one `Client`, from ``client.microphone`` to
            ``play(client.speaker)``. The pipe is subscribed to at the client's first message, with
            a scheduler of the loop, and disposed of when the socket closes. Its `Event` and
            `FinishedTurn` elements are sent to the client. When it completes, the socket is closed
            once all speech has been heard. Whatever has a history, such as a language model's
            conversation, must be made here: ``llm.fresh()``.
        authenticate: called with the socket before it is accepted. It looks at the headers, cookies
            and query, and returns who the client is, which becomes ``client.user``. To refuse the
            client with HTTP's 403, it returns something false or raises. It may be async; a plain
            function runs on the server's event loop, and must not wait. None lets everybody in.
        allow_origins: the origins of web pages that may connect, beside this host's own pages, such
            as ``["https://app.example.com"]``; ``["*"]`` for any. Others are refused with 403. A
            client that is not a browser sends no origin, and is let in.
        limits: what a client may take; None for the defaults of `Limits`.

    Raises:
        ConfigError: `converse` or `authenticate` is not a function, or an origin is not one.
    """
    if not callable(converse):
        raise ConfigError(f"sessions wanted a function of a Client, got {converse!r}")
    if authenticate is not None and not callable(authenticate):
        raise ConfigError(f"sessions authenticate must be a function, got {authenticate!r}")
    return Sessions(converse, limits or Limits(), authenticate, origins(allow_origins))


class Sessions:
    """The conversations of a server. Made by `sessions`."""

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
        """How many sessions are going on."""
        return self._visitors.here

    @property
    def refusals(self) -> dict[str, int]:
        """How many clients were refused, or lost their session, by the code of the reason.

        The client is told the code, except for ``origin`` and ``forbidden``: these are refused with
        HTTP's 403 before the WebSocket is opened.
        """
        return dict(self._refusals)

    async def serve(self, socket: WebSocket) -> None:
        """Hold a conversation over a socket that has not been accepted yet.

        Returns when the conversation is over. Nothing of it is left then: no task, no subscription,
        no timer.
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
        """Return what the app's `authenticate` returns; True without one, False if it raises."""
        if self._authenticate is None:
            return True
        try:
            user = self._authenticate(socket)
            if isinstance(user, Awaitable):
                async with asyncio.timeout(self._limits.authenticate_seconds):
                    return await cast("Awaitable[object]", user)
            return user
        except Exception:  # a fault in the app lets nobody in
            _log.exception("authenticate() raised, so the client is not let in")
            return False

    async def _forbid(self, socket: WebSocket, code: str, why: str) -> None:
        """Refuse with HTTP's 403: nothing is read from the client, and nothing else is told."""
        self._tell(socket, code, why)
        await socket.close(1008, code)

    def _tell(self, socket: WebSocket, code: str, why: str) -> None:
        self._refusals[code] += 1
        client = socket.client.host if socket.client is not None else "a socket"
        _log.warning("a client at %s was refused or its session ended (%s): %s", client, code, why)
