"""`Lobby`: a client's WebSocket is let in and becomes a session, or is turned away."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from rxvoice.serve._content_log import logging_content
from rxvoice.serve._drain import Drain
from rxvoice.serve._keys import Keys
from rxvoice.serve._models import Models
from rxvoice.serve._observer import Observer, Unobserved
from rxvoice.serve._traces import Traces
from rxvoice.serve._turn_away import turn_away
from rxvoice.serve.realtime import (
    ClientError,
    RealtimeSession,
    first_session,
    to_beta,
    updated,
)
from rxvoice.web._origin import is_welcome

if TYPE_CHECKING:
    from starlette.websockets import WebSocket


_log = logging.getLogger("rxvoice.access")

_SHOWN = 200  # characters of an origin


class Lobby:
    """Lets clients in.

    Args:
        drain: says whether there is room.
        keys: say who may come in.
        allowed: the origins of pages that may connect.
        observer: is told of sessions and refusals.
        beta: whether clients that ask for the beta get its names.
        log_content: whether what is said is logged.
        traces: records sessions; None to record none.

    Attributes:
        models: what sessions share; None while they load.
        failure: why they could not be loaded.
    """

    def __init__(
        self,
        drain: Drain,
        keys: Keys,
        allowed: frozenset[str],
        observer: Observer | None,
        *,
        beta: bool,
        log_content: bool,
        traces: Traces | None = None,
    ) -> None:
        self._drain = drain
        self._keys = keys
        self._allowed = allowed
        self._observer = observer or Unobserved()
        self._beta = beta
        self._log_content = log_content
        self._traces = traces
        self.models: Models | None = None
        self.failure: Exception | None = None

    @property
    def model_name(self) -> str:
        """What the server calls its models."""
        return self.models.name if self.models else "rxvoice"

    def first_config(self, *, transcribes: bool) -> dict[str, Any]:
        """The configuration of a new session."""
        voices = self.models.voices if self.models else ()
        voice = voices[0] if voices else "default"
        return first_session(self.model_name, voice, transcribes=transcribes)

    def config_of(self, session: dict[str, Any]) -> dict[str, Any]:
        """The configuration of a new session that a client wants so.

        Raises:
            ClientError: it cannot be so.
        """
        transcribes = session.get("type") == "transcription"
        return updated(self.first_config(transcribes=transcribes), session)

    async def talk(self, socket: WebSocket) -> None:
        """Hold a session over a socket that is not accepted yet, or turn the client away."""
        if not is_welcome(socket.headers, self._allowed):
            self._observer.refused("origin")
            origin = socket.headers.get("origin", "")[:_SHOWN]
            _log.warning("a page of %r was refused: --allow-origin lets it in", origin)
            await socket.close(1008, "origin")
            return
        if not self._keys.allows(socket.headers):
            self._observer.refused("key")
            await self._accept(socket)
            await self._refuse(socket, 1008, "invalid_api_key", "Incorrect API key provided.")
            return
        models, unready = self.models, self._drain.unready
        if self.failure is not None:
            self._observer.refused("failed")
            await self._accept(socket)
            message = "The models could not be loaded: see the server's log."
            await self._refuse(socket, 1011, "model_load_error", message)
            return
        if unready is not None or models is None:
            reason = unready or "loading"
            self._observer.refused(reason)
            await turn_away(socket, reason)
            return
        await self._accept(socket)
        wanted = self._keys.session_of(socket.headers)
        if not wanted:
            is_transcription = socket.query_params.get("intent") == "transcription"
            wanted = {"type": "transcription"} if is_transcription else {}
        is_old = self._beta and "realtime=v1" in socket.headers.get("openai-beta", "")
        rewrite = to_beta if is_old else None
        if self._log_content:
            rewrite = logging_content(rewrite)
        try:
            config = self.config_of(wanted)
        except ClientError as error:  # of a secret that was not made here
            self._observer.refused("session")
            await self._refuse(socket, 1008, error.code, str(error))
            return
        session = RealtimeSession(socket, models, config, self._observer, rewrite, self._traces)
        with self._drain.session(session.end):
            await session.run()

    async def say_where(self, socket: WebSocket) -> None:
        """Turn away a client at another path than the protocol's."""
        from starlette.responses import PlainTextResponse

        if "websocket.http.response" not in socket.scope.get("extensions", {}):
            await socket.close(1008, "path")
            return
        told = "There is no WebSocket at this path: connect to /v1/realtime."
        await socket.send_denial_response(PlainTextResponse(told, 404))

    async def _accept(self, socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept("realtime" if "realtime" in offered else None)

    async def _refuse(self, socket: WebSocket, close: int, code: str, message: str) -> None:
        await socket.send_text(_error(code, message))
        await socket.close(close, code)


def _error(code: str, message: str) -> str:
    error = {"type": "invalid_request_error", "code": code, "message": message}
    return json.dumps({"type": "error", "event_id": "event_0", "error": error})
