"""`app`: a server that clients of the OpenAI Realtime protocol can talk to."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from rxvoice._check import at_least, whole
from rxvoice.serve._door import Door
from rxvoice.serve._models import Models
from rxvoice.serve._observer import Observer, Unobserved
from rxvoice.serve.realtime import ClientError, RealtimeSession, Secrets, first_session, updated
from rxvoice.web._origin import is_welcome, origins

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

_log = logging.getLogger("rxvoice")

_INSECURE = "openai-insecure-api-key."
MAX_MESSAGE_BYTES = 24 * 2**20
"""What the server that runs the app must take; uvicorn's ``ws_max_size``."""


def app(
    models: Models | Callable[[], Models],
    *,
    api_key: str | None = None,
    allow_origins: Iterable[str] = (),
    max_sessions: int = 64,
    drain_timeout_s: float = 30.0,
    beta: bool = False,
    observer: Observer | None = None,
) -> Starlette:
    """Make an app that serves `/v1/realtime`.

    ```python
    uvicorn.run(rxvoice.serve.app(models), port=8321, ws_max_size=24 * 2**20)
    ```

    Args:
        models: what all sessions share; or a function that loads them, which is called on a thread
            once the server has started.
        api_key: what clients must present; None lets everybody in.
        allow_origins: the origins of web pages that may connect, beside this host's own.
        max_sessions: how many sessions there may be at a time.
        drain_timeout_s: seconds that sessions may go on when the server stops.
        beta: whether clients that ask for the beta protocol get its names.
        observer: is told what metrics are made of.

    Raises:
        ConfigError: an argument out of range, or an origin that is none.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route, WebSocketRoute

    whole("app max_sessions", max_sessions, 1, "sessions")
    at_least("app drain_timeout_s", drain_timeout_s, 0, "s")
    server = _Server(
        models,
        api_key,
        origins(allow_origins),
        Door(max_sessions),
        drain_timeout_s,
        beta,
        observer or Unobserved(),
    )
    return Starlette(
        routes=[
            WebSocketRoute("/v1/realtime", server.talk),
            Route("/v1/realtime/client_secrets", server.make_secret, methods=["POST"]),
            Route("/v1/models", server.list_models),
            Route("/healthz", server.health),
            Route("/readyz", server.ready),
        ],
        lifespan=server.lifespan,
    )


class _Server:
    def __init__(
        self,
        models: Models | Callable[[], Models],
        api_key: str | None,
        allowed: frozenset[str],
        door: Door,
        drain_timeout_s: float,
        beta: bool,
        observer: Observer,
    ) -> None:
        self._given = models
        self._models: Models | None = models if isinstance(models, Models) else None
        self._api_key = api_key
        self._allowed = allowed
        self._door = door
        self._drain_timeout_s = drain_timeout_s
        self._beta = beta
        self._observer = observer
        self._secrets = Secrets()
        self._failure: Exception | None = None

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Load the models, and drain at the end."""
        loading = asyncio.create_task(self._load())
        try:
            yield
        finally:
            loading.cancel()
            await self._door.drain(self._drain_timeout_s)

    async def _load(self) -> None:
        if self._models is None and not isinstance(self._given, Models):
            try:
                self._models = await asyncio.to_thread(self._given)
            except Exception as error:
                self._failure = error
                _log.exception("the models could not be loaded")

    # HTTP

    async def health(self, _: Request) -> Response:
        """Say that the server runs."""
        from starlette.responses import PlainTextResponse

        return PlainTextResponse("ok")

    async def ready(self, _: Request) -> Response:
        """Say whether a session would be let in."""
        from starlette.responses import PlainTextResponse

        reason = self._refusal()
        return PlainTextResponse(reason or "ready", 503 if reason else 200)

    async def list_models(self, request: Request) -> Response:
        """Name the models."""
        if not self._has_key(request, ()):
            return _error("invalid_api_key", "Incorrect API key provided.", 401)
        return _json({"object": "list", "data": [self._model()]})

    async def make_secret(self, request: Request) -> Response:
        """Make a key for a browser."""
        if not self._has_key(request, ()):
            return _error("invalid_api_key", "Incorrect API key provided.", 401)
        try:
            given = json.loads(await request.body() or b"{}")
            session = given.get("session") or {}
            after = given.get("expires_after") or {}
            config = self._first(transcribes=session.get("type") == "transcription")
            config = updated(config, session)
            value, expires_at = self._secrets.make(config, float(after.get("seconds", 600)))
        except (ValueError, TypeError, AttributeError) as error:
            return _error("invalid_value", f"Invalid request: {error}", 400)
        except ClientError as error:
            return _error(error.code, str(error), 400)
        return _json({"value": value, "expires_at": expires_at, "session": config})

    # WebSocket

    async def talk(self, socket: WebSocket) -> None:
        """Hold a session."""
        if not is_welcome(socket.headers, self._allowed):
            self._observer.refused("origin")
            await socket.close(1008, "origin")
            return
        protocols = [it.strip() for it in socket.scope.get("subprotocols", [])]
        await socket.accept("realtime" if "realtime" in protocols else None)
        if not self._has_key(socket, protocols):
            await self._refuse(socket, 1008, "invalid_api_key", "Incorrect API key provided.")
            return
        reason = self._refusal()
        if reason is not None:
            code = "model_load_error" if reason in ("loading", "failed") else reason
            await self._refuse(socket, 1013, reason, f"No session: {reason}.", code)
            return
        models = cast("Models", self._models)
        config = self._secret_config(socket, protocols) or self._first(
            transcribes=socket.query_params.get("intent") == "transcription"
        )
        session = RealtimeSession(socket, models, config, self._observer)
        with self._door.enter(session.end):
            await session.run()

    async def _refuse(
        self, socket: WebSocket, close: int, reason: str, message: str, code: str | None = None
    ) -> None:
        self._observer.refused(reason)
        error = {"type": "invalid_request_error", "code": code or reason, "message": message}
        await socket.send_text(json.dumps({"type": "error", "event_id": "event_0", "error": error}))
        await socket.close(close, reason)

    def _refusal(self) -> str | None:
        if self._failure is not None:
            return "failed"
        if self._models is None:
            return "loading"
        return self._door.admit()

    def _keys(self, connection: HTTPConnection, protocols: Iterable[str]) -> list[str]:
        bearer = connection.headers.get("authorization", "")
        keys = [bearer[7:].strip()] if bearer.lower().startswith("bearer ") else []
        return [
            *keys,
            *(it.removeprefix(_INSECURE) for it in protocols if it.startswith(_INSECURE)),
        ]

    def _has_key(self, connection: HTTPConnection, protocols: Iterable[str]) -> bool:
        if self._api_key is None:
            return True
        wanted = self._api_key.encode()
        return any(
            hmac.compare_digest(key.encode(), wanted) or self._secrets.find(key) is not None
            for key in self._keys(connection, protocols)
        )

    def _secret_config(self, socket: WebSocket, protocols: Iterable[str]) -> dict[str, Any] | None:
        found = (self._secrets.find(key) for key in self._keys(socket, protocols))
        return next((it for it in found if it is not None), None)

    def _first(self, *, transcribes: bool) -> dict[str, Any]:
        models = self._models
        voice = models.voices[0] if models and models.voices else "default"
        return first_session(models.name if models else "rxvoice", voice, transcribes=transcribes)

    def _model(self) -> dict[str, Any]:
        name = self._models.name if self._models else "rxvoice"
        return {"id": name, "object": "model", "created": int(time.time()), "owned_by": "rxvoice"}


def _json(content: dict[str, Any], status: int = 200) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status)


def _error(code: str, message: str, status: int) -> Response:
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return _json({"error": error}, status)
