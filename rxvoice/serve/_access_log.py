"""`AccessLog`: a line for each request and each connection, without what was said."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("rxvoice.access")

_PROBED = ("/healthz", "/readyz", "/metrics")
_PATH = 200  # characters of a path that are shown


class AccessLog:
    """Logs who asked for what and what came of it, on the logger ``rxvoice.access``.

    A WebSocket has a line when it is opened, and one at its end with its close code, how long it
    lasted and how many bytes went each way. Queries, headers and bodies are not logged. What a
    probe asks for is logged at level DEBUG.

    Args:
        app: what answers.
        clock: seconds.
    """

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and log it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope, self._clock)
        try:
            await self._app(scope, seen.receiving(receive), seen.sending(send))
        finally:
            seen.over()


class _Seen:
    """What passes between a client and the app."""

    def __init__(self, scope: Scope, clock: Callable[[], float]) -> None:
        client = scope.get("client")
        self._who = client[0] if client else "-"
        path = scope["path"]
        is_socket = scope["type"] == "websocket"
        # Quoted, so that a path cannot begin a line of its own.
        self._what = f"{'WS' if is_socket else scope['method']} {quote(path)[:_PATH]}"
        self._is_socket = is_socket
        self._level = logging.DEBUG if path in _PROBED else logging.INFO
        self._clock = clock
        self._began = clock()
        self._status: object = None
        self._bytes = [0, 0]
        self._is_open = False

    def receiving(self, receive: Receive) -> Receive:
        """Look at what comes in."""

        async def received() -> Message:
            message = await receive()
            self._count(0, message)
            if message["type"] == "websocket.disconnect" and self._status is None:
                self._status = message.get("code", 1005)
            return message

        return received

    def sending(self, send: Send) -> Send:
        """Look at what goes out."""

        async def sent(message: Message) -> None:
            kind = message["type"]
            if kind == "websocket.accept":
                self._tell("opened")
                self._is_open = True
            elif kind in ("http.response.start", "websocket.http.response.start"):
                self._status = message["status"]
            elif kind == "websocket.close" and self._status is None:
                self._status = message.get("code", 1000)
            self._count(1, message)
            await send(message)

        return sent

    def over(self) -> None:
        """The request has been answered, or the connection is closed."""
        seconds = self._clock() - self._began
        if self._is_socket and not self._is_open:
            self._tell(f"refused with {self._status or 403}")
        elif self._is_socket:
            taken, given = self._bytes
            code = 1006 if self._status is None else self._status
            self._tell(f"closed {code} after {seconds:.1f} s, {taken} bytes in, {given} out")
        else:
            self._tell(f"{self._status or 500} in {seconds * 1000:.0f} ms")

    def _count(self, way: int, message: MutableMapping[str, Any]) -> None:
        for name in ("bytes", "text", "body"):
            self._bytes[way] += len(message.get(name) or b"")

    def _tell(self, what: str) -> None:
        _log.log(self._level, "%s %s %s", self._who, self._what, what)


class WithoutContent(logging.Filter):
    """Keeps what was said out of the log: the text of an exception may repeat it.

    An exception is logged as its type, and a traceback without its texts.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record."""
        if isinstance(record.args, tuple):
            record.args = tuple(_named(it) for it in record.args)
        if record.exc_info and (error := record.exc_info[1]) is not None:
            record.exc_info, record.exc_text = None, _frames(error)
        return True


def _named(argument: object) -> object:
    if isinstance(argument, BaseException):
        return f"{type(argument).__name__} (--log-content shows its text)"
    return argument


def _frames(error: BaseException) -> str:
    import traceback

    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        lines.append(f"{type(seen).__module__}.{type(seen).__qualname__}, raised at:")
        frames = traceback.extract_tb(seen.__traceback__)
        lines += [f"  {it.filename}:{it.lineno} in {it.name}" for it in frames]
        seen = seen.__cause__
    return "\n".join(lines)
