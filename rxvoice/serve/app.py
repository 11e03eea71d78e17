"""`app`: a server that clients of the OpenAI Realtime protocol can talk to."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

from rxvoice.serve._content_log import logging_content
from rxvoice.serve._drain import Drain
from rxvoice.serve._health import routes
from rxvoice.serve._keys import Keys
from rxvoice.serve._metrics import Metrics
from rxvoice.serve._models import Models
from rxvoice.serve._observer import Observer, Unobserved
from rxvoice.serve._turn_away import turn_away
from rxvoice.serve.realtime import ClientError, RealtimeSession, first_session, updated
from rxvoice.web._origin import is_welcome, origins

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

_log = logging.getLogger("rxvoice")

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
    on_load: Callable[[Models | Exception], None] | None = None,
    log_content: bool = False,
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
        observer: is told what metrics are made of. A `Metrics` is shown at ``/metrics``.
        on_load: called on the event loop with the models once they are loaded, or with the error.
        log_content: whether what is said is logged, at level INFO.

    Returns:
        the app; ``app.state.drain`` counts its sessions, and lets them come to their end.

    Raises:
        ConfigError: an argument out of range, or an origin or a key that is none.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route, WebSocketRoute

    drain = Drain(max_sessions, drain_timeout_s)
    metrics = observer if isinstance(observer, Metrics) else None
    if metrics is not None:
        metrics.watch(drain)
    server = _Server(
        models,
        Keys(api_key),
        origins(allow_origins),
        drain,
        beta,
        observer or Unobserved(),
        on_load,
        log_content,
    )
    made = Starlette(
        routes=[
            WebSocketRoute("/v1/realtime", server.talk),
            Route("/v1/realtime/client_secrets", server.make_secret, methods=["POST"]),
            Route("/v1/models", server.list_models),
            *routes(drain, metrics),
        ],
        lifespan=server.lifespan,
    )
    made.state.drain = drain
    return made


class _Server:
    def __init__(
        self,
        models: Models | Callable[[], Models],
        keys: Keys,
        allowed: frozenset[str],
        drain: Drain,
        beta: bool,
        observer: Observer,
        on_load: Callable[[Models | Exception], None] | None,
        log_content: bool,
    ) -> None:
        self._given = models
        self._models: Models | None = models if isinstance(models, Models) else None
        self._keys = keys
        self._allowed = allowed
        self._drain = drain
        self._beta = beta
        self._observer = observer
        self._on_load = on_load
        self._log_content = log_content
        self._failure: Exception | None = None
        if self._models is not None:
            drain.loaded()

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        """Load the models, and drain at the end."""
        loading = asyncio.create_task(self._load())
        try:
            yield
        finally:
            loading.cancel()
            await self._drain.done()

    async def _load(self) -> None:
        result = await _made(self._given)
        if isinstance(result, Exception):
            self._failure = result
            _log.error("the models could not be loaded: %s", result, exc_info=result)
        else:
            self._models = result
            self._drain.loaded()
        if self._on_load is not None:
            self._on_load(result)

    # HTTP

    async def list_models(self, request: Request) -> Response:
        """Name the models."""
        if not self._keys.allows(request.headers):
            return _error("invalid_api_key", "Incorrect API key provided.", 401)
        return _json({"object": "list", "data": [self._model()]})

    async def make_secret(self, request: Request) -> Response:
        """Make a key for a browser."""
        if not self._keys.may_make_secrets(request.headers):
            return _error("invalid_api_key", "Incorrect API key provided.", 401)
        try:
            given: dict[str, Any] = json.loads(await request.body() or b"{}")
            session: dict[str, Any] = given.get("session") or {}
            after: dict[str, Any] = given.get("expires_after") or {}
            config = self._configured(session)
            secret = self._keys.secret(float(after.get("seconds", 600)), session)
        except (ValueError, TypeError, AttributeError) as error:
            return _error("invalid_value", f"Invalid request: {error}", 400)
        except ClientError as error:
            return _error(error.code, str(error), 400)
        made = {"value": secret.value, "expires_at": secret.expires_at, "session": config}
        return _json(made)

    # WebSocket

    async def talk(self, socket: WebSocket) -> None:
        """Hold a session."""
        if not is_welcome(socket.headers, self._allowed):
            self._observer.refused("origin")
            await socket.close(1008, "origin")
            return
        if not self._keys.allows(socket.headers):
            self._observer.refused("invalid_api_key")
            await socket.accept("realtime" if "realtime" in socket.scope["subprotocols"] else None)
            await socket.send_text(_refusal("invalid_api_key", "Incorrect API key provided."))
            await socket.close(1008, "invalid_api_key")
            return
        reason = "failed" if self._failure is not None else self._drain.unready
        if reason is not None:
            self._observer.refused(reason)
            code = "model_load_error" if reason in ("loading", "failed") else reason
            await turn_away(socket, reason, _refusal(code, f"No session: {reason}."))
            return
        await socket.accept("realtime" if "realtime" in socket.scope["subprotocols"] else None)
        given = self._keys.session_of(socket.headers)
        config = self._first(transcribes=socket.query_params.get("intent") == "transcription")
        session = RealtimeSession(
            socket,
            cast("Models", self._models),
            config if given is None else self._configured(given),
            self._observer,
            logging_content(None) if self._log_content else None,
        )
        with self._drain.session(session.end):
            await session.run()

    def _configured(self, session: dict[str, Any]) -> dict[str, Any]:
        first = self._first(transcribes=session.get("type") == "transcription")
        return updated(first, session)

    def _first(self, *, transcribes: bool) -> dict[str, Any]:
        models = self._models
        voice = models.voices[0] if models and models.voices else "default"
        return first_session(models.name if models else "rxvoice", voice, transcribes=transcribes)

    def _model(self) -> dict[str, Any]:
        name = self._models.name if self._models else "rxvoice"
        return {"id": name, "object": "model", "created": int(time.time()), "owned_by": "rxvoice"}


async def _made(given: Models | Callable[[], Models]) -> Models | Exception:
    """The models; made on a thread that the end of the process does not wait for."""
    if isinstance(given, Models):
        return given
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Models | Exception] = loop.create_future()

    def settle(result: Models | Exception) -> None:
        if not done.done():
            done.set_result(result)

    def make() -> None:
        try:
            result: Models | Exception = given()
        except Exception as error:
            result = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result)

    Thread(target=make, name="rxvoice-loading", daemon=True).start()
    return await done


def _refusal(code: str, message: str) -> str:
    error = {"type": "invalid_request_error", "code": code, "message": message}
    return json.dumps({"type": "error", "event_id": "event_0", "error": error})


def _json(content: dict[str, Any], status: int = 200) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status)


def _error(code: str, message: str, status: int) -> Response:
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return _json({"error": error}, status)
