"""The routes of the protocol that are no WebSocket: keys for browsers, and the models' names."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from rxvoice.serve._keys import Keys
from rxvoice.serve._lobby import Lobby
from rxvoice.serve.realtime import ClientError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


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
        model = {"id": self._lobby.model_name, "object": "model", "owned_by": "rxvoice"}
        return _json({"object": "list", "data": [{**model, "created": int(time.time())}]})

    async def make_secret(self, request: Request) -> Response:
        """Make a key for a browser, which is good for a while, with a session's configuration."""
        if not self._keys.may_make_secrets(request.headers):
            return _wrong_key()
        try:
            session, seconds = _wanted(await request.body())
            config = self._lobby.config_of(session)
            secret = self._keys.secret(seconds, session)
        except ClientError as error:
            return _error(error.code, str(error), 400)
        except ValueError as error:
            return _error("invalid_value", f"Invalid session: {error}.", 400)
        made = {"value": secret.value, "expires_at": secret.expires_at}
        return _json({**made, "session": config})


def _wanted(body: bytes) -> tuple[dict[str, Any], int]:
    """The session, and the seconds that the key is good for."""
    try:
        given: dict[str, Any] = json.loads(body or b"{}")
        session: dict[str, Any] = given.get("session") or {}
        after: dict[str, Any] = given.get("expires_after") or {}
        return dict(session), int(after.get("seconds", 600))
    except (ValueError, TypeError, AttributeError, RecursionError):
        message = "Invalid JSON: wanted an object with session and expires_after."
        raise ClientError("invalid_json", message) from None


def _wrong_key() -> Response:
    return _error("invalid_api_key", "Incorrect API key provided.", 401)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status)


def _error(code: str, message: str, status: int) -> Response:
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
    return _json({"error": error}, status)
