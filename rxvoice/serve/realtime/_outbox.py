"""`Outbox`: the messages that wait for one client."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

_SEND_S = 10.0
"""Seconds that a client may take to receive a message."""


_BURST = 4
"""Messages that are written without a pause, in which the loop notices that the client is gone.
asyncio warns of each further write to a connection that is lost, from the fifth one on."""


class TooSlow(Exception):
    """The client reads too slowly."""


class Outbox:
    """Sends messages in order, and gives up on a client that does not read them.

    Args:
        socket: where they go.
        most_bytes: how much may wait.
        on_too_slow: called once when more waits.
        on_depth: called with the number of messages that wait.
    """

    def __init__(
        self,
        socket: WebSocket,
        most_bytes: int,
        on_too_slow: Callable[[], None],
        on_depth: Callable[[int], None],
    ) -> None:
        self._socket = socket
        self._most = most_bytes
        self._on_too_slow = on_too_slow
        self._on_depth = on_depth
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, message: str) -> None:
        """Send a message after those before it."""
        if self._bytes > self._most:
            self._on_too_slow()
            return
        self._waiting.append(message)
        self._bytes += len(message)
        self._something.set()
        self._empty.clear()
        self._on_depth(len(self._waiting))

    async def send(self) -> None:
        """Send until cancelled, or until the socket is closed.

        Raises:
            TooSlow: a message was not received in time.
        """
        from starlette.websockets import WebSocketDisconnect

        while True:
            await self._something.wait()
            burst = 0
            while self._waiting:
                message = self._waiting.popleft()
                self._bytes -= len(message)
                try:
                    async with asyncio.timeout(_SEND_S):
                        await self._socket.send_text(message)
                except TimeoutError:
                    raise TooSlow from None
                except (WebSocketDisconnect, RuntimeError):  # the socket closed meanwhile
                    return
                burst += 1
                if burst % _BURST == 0:
                    await asyncio.sleep(0)
            self._something.clear()
            self._empty.set()

    async def drained(self) -> None:
        """Wait until everything was sent."""
        await self._empty.wait()
