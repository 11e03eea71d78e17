"""`routes`: the page, its files, and the headers that keep it to itself."""

from __future__ import annotations

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"

HEADERS = {
    # Nothing of another host, nothing inline, in nobody's frame. 'self' has the WebSocket too.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Asked for again after each update of the server; a 304 where nothing has changed.
    "Cache-Control": "no-cache",
}


def routes() -> list[BaseRoute]:
    """Return the routes of the page: ``/``, and its files under ``/page/``."""
    files = _KeptToItself(StaticFiles(directory=STATIC))
    return [Route("/", _Index(files), methods=["GET"]), Mount("/page", files)]


class _KeptToItself:
    """Adds `HEADERS` to each answer of an app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, guarded)


class _Index:
    """Answers with ``index.html``, whatever path was asked for."""

    def __init__(self, files: ASGIApp) -> None:
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        page = {**scope, "path": f"{root}/index.html"}
        await self._files(page, receive, send)
