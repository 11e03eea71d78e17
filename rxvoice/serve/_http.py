"""The routes of the protocol that are no WebSocket: keys for browsers, and the models' names."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

from rxvoice._files.json import read_json
from rxvoice.errors import ConfigError
from rxvoice.serve._keys import Keys
from rxvoice.serve._lobby import Lobby
from rxvoice.serve.realtime import ClientError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

_MOST_BYTES = 2**20
"""Of a request: a session with long instructions and many tools has a tenth of that."""


class HttpRoutes:
    """Answers requests.

    Args:
        lobby: knows the configuration of a new session.
        keys: say who may ask.
    """

    def __init__(self, lobby: Lobby, keys: Keys) -> None:
        self._lobby = lobby
        self._keys = keys

    async def list_models(self, request: Request) -> Response:
        """Name the models."""
        if not self._keys.allows(request.headers):
            return _wrong_key()
        return _json({"object": "list", "data": [self._model()]})

    async def show_model(self, request: Request) -> Response:
        """Describe a model."""
        if not self._keys.allows(request.headers):
            return _wrong_key()
        name = request.path_params["name"]
        if not name:
            return await self.list_models(request)
        if name != self._lobby.model_name:
            return _error("model_not_found", f"The model {name!r} does not exist.", 404)
        return _json(self._model())

    def _model(self) -> dict[str, Any]:
        model = {"id": self._lobby.model_name, "object": "model", "owned_by": "rxvoice"}
        return {**model, "created": int(time.time())}

    async def say_how(self, _: Request) -> Response:
        """Answer whoever asks by HTTP where a WebSocket is wanted."""
        from starlette.responses import PlainTextResponse

        told = "This is a WebSocket: connect to it with ws:// or wss://, and GET."
        return PlainTextResponse(told, 426, {"Upgrade": "websocket", "Connection": "Upgrade"})

    async def make_secret(self, request: Request) -> Response:
        """Make a key for a browser, which is good for a while, with a session's configuration."""
        if not self._keys.may_make_secrets(request.headers):
            return _wrong_key()
        try:
            session, seconds = _wanted(await _body(request))
            config = self._lobby.config_of(session)
            secret = self._keys.secret(seconds, session)
        except ClientError as error:
            return _error(error.code, str(error), 400)
        except ValueError as error:
            return _error("invalid_value", f"Invalid session: {error}.", 400)
        except OverflowError:
            message = f"Invalid request: more than {_MOST_BYTES} bytes."
            return _error("invalid_request", message, 413)
        made = {"value": secret.value, "expires_at": secret.expires_at}
        return _json({**made, "session": config})


async def _body(request: Request) -> bytes:
    """What a request brings.

    Raises:
        OverflowError: it is too much.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise OverflowError
    return bytes(body)


def _wanted(body: bytes) -> tuple[dict[str, Any], int]:
    """The session, and the seconds that the key is good for."""
    try:
        given = cast("dict[str, Any]", read_json(body or b"{}", "the request", finite=True))
        session: dict[str, Any] = given.get("session") or {}
        after: dict[str, Any] = given.get("expires_after") or {}
        return dict(session), int(after.get("seconds", 600))
    except (ConfigError, ValueError, TypeError, AttributeError, OverflowError):
        message = "Invalid JSON: wanted an object with session and expires_after."
        raise ClientError("invalid_json", message) from None


def _wrong_key() -> Response:
    return _error("invalid_api_key", "Incorrect API key provided.", 401)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    from starlette.responses import Response

    # In ASCII: what a client wrote may have half of a surrogate pair.
    return Response(json.dumps(content), status, media_type="application/json")


def _error(code: str, message: str, status: int) -> Response:
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return _json({"error": error}, status)
