"""Refusing a client for whom there is no room now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxvoice.serve._drain import Unready

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

TRY_AGAIN_LATER = 1013
_FORWARDED = ("x-forwarded-for", "forwarded")
_DENIAL = "websocket.http.response"


async def turn_away(socket: WebSocket, reason: Unready) -> None:
    """Refuse a client whose socket has not been accepted yet, because there is no room now.

    Its WebSocket is opened and closed with 1013 and the reason, which a browser can read. Behind a
    proxy it gets HTTP's 503 instead, before the WebSocket is opened: then the proxy can try another
    replica, and the client notices nothing.
    No event is sent before: a client that reconnects by itself would take it for its end.
    """
    from starlette.responses import JSONResponse

    forwarded = any(name in socket.headers for name in _FORWARDED)
    if forwarded and _DENIAL in socket.scope.get("extensions", {}):
        told = JSONResponse({"status": reason}, 503, headers={"Retry-After": "1"})
        await socket.send_denial_response(told)
        return
    await socket.accept("realtime" if "realtime" in socket.scope["subprotocols"] else None)
    await socket.close(TRY_AGAIN_LATER, reason)
