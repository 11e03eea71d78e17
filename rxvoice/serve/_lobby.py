"""`Lobby`: a client's WebSocket is let in and becomes a session, or is turned away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rxvoice.serve._drain import Drain
from rxvoice.serve._keys import Keys, key_of
from rxvoice.serve._models import Models
from rxvoice.serve._observer import Observer, Unobserved
from rxvoice.serve._turn_away import turn_away
from rxvoice.serve.realtime import RealtimeSession, first_session, to_beta
from rxvoice.web._origin import is_welcome

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

_MOST_SECRETS = 10_000


class Lobby:
    """Lets clients in.

    Args:
        drain: says whether there is room.
        keys: say who may come in.
        allowed: the origins of pages that may connect.
        observer: is told of sessions and refusals.
        beta: whether clients that ask for the beta get its names.

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
    ) -> None:
        self._drain = drain
        self._keys = keys
        self._allowed = allowed
        self._observer = observer or Unobserved()
        self._beta = beta
        self._configs: dict[str, dict[str, Any]] = {}  # of sessions, by the secret that opens them
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

    def remember(self, secret: str, config: dict[str, Any]) -> None:
        """Open sessions with this secret with this configuration."""
        while len(self._configs) >= _MOST_SECRETS:
            del self._configs[next(iter(self._configs))]
        self._configs[secret] = config

    async def talk(self, socket: WebSocket) -> None:
        """Hold a session over a socket that is not accepted yet, or turn the client away."""
        if not is_welcome(socket.headers, self._allowed):
            self._observer.refused("origin")
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
            self._observer.refused(unready or "loading")
            await turn_away(socket, unready or "loading")
            return
        await self._accept(socket)
        config = self._configs.get(key_of(socket.headers)) or self.first_config(
            transcribes=socket.query_params.get("intent") == "transcription"
        )
        is_old = self._beta and "realtime=v1" in socket.headers.get("openai-beta", "")
        session = RealtimeSession(
            socket, models, config, self._observer, to_beta if is_old else None
        )
        with self._drain.session(session.end):
            await session.run()

    async def _accept(self, socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept("realtime" if "realtime" in offered else None)

    async def _refuse(self, socket: WebSocket, close: int, code: str, message: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message}
        await socket.send_text(json.dumps({"type": "error", "event_id": "event_0", "error": error}))
        await socket.close(close, code)
