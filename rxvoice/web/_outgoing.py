"""What a client is sent: messages, and the speech of its speaker."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from typing import TYPE_CHECKING, cast

from rxvoice.elements import FinishedTurn, Speech
from rxvoice.events import Event, Notice, TurnFailed
from rxvoice.web._limits import Limits, Over
from rxvoice.web._speaker import RemoteSpeaker

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

_CLOSE_SECONDS = 1.0  # for a client to receive why its session ends

_log = logging.getLogger("rxvoice")


class Outgoing:
    """Sends messages and speech to one client.

    Args:
        end: called with the reason when the client reads too slowly.

    Attributes:
        speaker: the sink whose speech is sent.
    """

    def __init__(self, socket: WebSocket, limits: Limits, end: Callable[[Over], None]) -> None:
        self._socket = socket
        self._limits = limits
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._messages: deque[dict[str, object]] = deque()
        self._something = asyncio.Event()  # to send
        self._completed = False
        self.speaker = RemoteSpeaker(
            self._tell,
            self._something.set,
            ahead_ms=limits.ahead_ms,
            max_ms=limits.max_queued_ms,
        )

    def tell(self, event: Speech | FinishedTurn | Event) -> None:
        """Queue what the client is to know of an element of its pipe."""
        if isinstance(event, TurnFailed):
            # The message of a model's error is for the server's log, not for the client.
            _log.warning("%s", event.error, exc_info=event.error)
            self._tell({**event.as_json(), "error": f"{event.error.stage} failed"})
        elif isinstance(event, Notice) and isinstance(event.detail, Exception):
            _log.warning("%s", event.message, exc_info=event.detail)
            told = replace(event, message=f"{event.stage} failed", detail=None)
            self._tell(told.as_json())
        elif isinstance(event, Event):
            self._tell(event.as_json())
        elif isinstance(cast("object", event), FinishedTurn):
            values = {field.name: getattr(event, field.name) for field in fields(event)}
            if values["source"] is None:
                del values["source"]
            self._tell({"event": "turn", **values})

    def complete(self) -> None:
        """Have `send` return when everything queued has been sent and heard."""
        self._completed = True
        self._something.set()

    async def send(self) -> None:
        """Send until `complete`, or until the socket is closed.

        Raises:
            Over: the client reads too slowly.
        """
        with suppress(_Gone):
            while await self._send_next():
                pass

    def _tell(self, message: dict[str, object]) -> None:
        if len(self._messages) >= self._limits.max_events:
            self._end(_too_slow())
            return
        self._messages.append(message)
        self._something.set()

    async def _send_next(self) -> bool:
        """Send what is next, or wait for it; returns whether there may be more."""
        self._something.clear()
        self.speaker.tick()
        if self._messages:
            await self._sent(self._messages.popleft())
            return True
        frame = self.speaker.next_frame()
        if frame is not None:
            data, rate = frame
            if rate is not None:
                await self._sent({"event": "format", "sample_rate": rate})
            await self._sent(data)
            return True
        if self._completed and not self.speaker.queued_ms:
            return False
        seconds = self.speaker.seconds_until_tick()
        tick = None if seconds is None else self._loop.call_later(seconds, self._something.set)
        try:
            await self._something.wait()
        finally:
            if tick is not None:
                tick.cancel()
        return True

    async def _sent(self, message: dict[str, object] | bytes) -> None:
        from starlette.websockets import WebSocketDisconnect

        data = message if isinstance(message, bytes) else json.dumps(message)
        try:
            async with asyncio.timeout(self._limits.send_seconds):
                if isinstance(data, bytes):
                    await self._socket.send_bytes(data)
                else:
                    await self._socket.send_text(data)
        except TimeoutError:
            raise _too_slow() from None
        except (WebSocketDisconnect, RuntimeError):  # the socket closed meanwhile
            raise _Gone from None


class _Gone(Exception):
    """The socket is closed."""


async def refuse(socket: WebSocket, over: Over) -> None:
    """Accept a socket only to tell its client why there is no session for it."""
    await socket.accept()
    await close(socket, over)


async def close(socket: WebSocket, over: Over | None) -> None:
    """Close a socket, and tell the client why if it did not come to its end."""
    from starlette.websockets import WebSocketDisconnect, WebSocketState

    if socket.client_state is not WebSocketState.CONNECTED:
        return
    # Do not wait for a client that does not read.
    with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            if over is not None:
                error = {"event": "error", "code": over.code, "message": str(over)}
                await socket.send_text(json.dumps(error))
            await socket.close(1000 if over is None else over.close_code)


def _too_slow() -> Over:
    return Over("slow_reader", 1008, "messages were not read in time")
