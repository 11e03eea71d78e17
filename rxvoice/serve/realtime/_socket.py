"""`RealtimeSession`: one client of the protocol, over a WebSocket."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from rxvoice._text.unicode import whole_text
from rxvoice._threads.async_loop import Slice
from rxvoice.serve._models import Models
from rxvoice.serve._observer import Observer
from rxvoice.serve._traces import Traces
from rxvoice.serve.realtime._commands import WireCommands
from rxvoice.serve.realtime._errors import ClientError
from rxvoice.serve.realtime._outbox import Outbox, TooSlow
from rxvoice.serve.realtime._server_events import Event, ServerEvents
from rxvoice.serve.realtime._settings import dialogue_settings
from rxvoice.serve.session.dialogue import Dialogue
from rxvoice.serve.session.happenings import Happening

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

_log = logging.getLogger("rxvoice")

_MOST_BYTES = 32 * 2**20
"""Of messages that may wait for a client: eight minutes of speech."""
_CLOSE_S = 1.0
_HOUR_S = 3_600


class RealtimeSession:
    """Holds a conversation with a client whose socket is accepted.

    Args:
        socket: its WebSocket.
        models: what hears, writes and speaks.
        config: the session's configuration.
        observer: is told what metrics are made of.
        rewrite: changes each event on its way out, for old clients; None: not at all.
        traces: records the session; None: it is not recorded.
    """

    def __init__(
        self,
        socket: WebSocket,
        models: Models,
        config: dict[str, Any],
        observer: Observer,
        rewrite: Callable[[Event], list[Event]] | None = None,
        traces: Traces | None = None,
    ) -> None:
        self._socket = socket
        self._observer = observer
        self._rewrite = rewrite
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[tuple[int, str]] = self._loop.create_future()
        self.id = _new_id("sess")
        self._extra = {"voices": list(models.voices), "version": _version()}
        self._expires_at = int(time.time()) + _HOUR_S
        self._events = ServerEvents(_new_id("conv"), _new_id)
        self._outbox = Outbox(
            socket, _MOST_BYTES, lambda: self.end(1008, "slow_reader"), observer.queue_depth
        )
        self._dialogue = Dialogue(
            models,
            dialogue_settings(config),
            self._tell,
            scheduler=AsyncIOThreadSafeScheduler(self._loop),
            on_failed=self._failed,
            new_id=_new_id,
            observer=observer,
            record=None if traces is None else traces.of(self.id),
        )
        self._commands = WireCommands(
            self._dialogue, config, _new_id, lambda _: self._send_session("session.updated")
        )

    def end(self, code: int, reason: str) -> None:
        """Close the socket. The first reason counts."""
        if not self._ended.done():
            self._ended.set_result((code, reason))

    async def run(self) -> str:
        """Hold the conversation. Returns why it ended; nothing of it is left then."""
        self._observer.session_opened(self.id)
        self._dialogue.open()
        self._send_session("session.created")
        if self._commands.config["type"] == "realtime":
            conversation = {"id": self._events.conversation_id, "object": "realtime.conversation"}
            self._send(self._events.event("conversation.created", conversation=conversation))
        tasks = [self._loop.create_task(it) for it in (self._receive(), self._write())]
        code, reason = 1000, "client"
        try:
            code, reason = await self._ended
        finally:
            self._dialogue.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._observer.session_closed(self.id, reason)
        if reason != "client":
            with suppress(Exception):  # the client may have gone
                async with asyncio.timeout(_CLOSE_S):
                    await self._socket.close(code, reason)
        return reason

    async def _receive(self) -> None:
        slice = Slice(self._loop)
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    self.end(1000, "client")
                    return
                await self._take(message, slice)
                await slice.rest()
        except Exception as error:
            self._failed(error)

    async def _take(self, message: Any, slice: Slice) -> None:
        try:
            text = message.get("text")
            if text is None:
                raise ClientError("invalid_event", "Invalid event: wanted text, got bytes.")
            for _ in self._commands.follow(text):
                await slice.rest()
        except ClientError as error:
            self._send(self._events.event("error", error=error.wire()))

    async def _write(self) -> None:
        try:
            await self._outbox.send()
        except TooSlow:
            self.end(1008, "slow_reader")

    def _tell(self, happening: Happening) -> None:
        for event in self._events.of(happening):
            self._send(event)

    def _send_session(self, type: str) -> None:
        session: dict[str, Any] = {
            **self._commands.config,
            "id": self.id,
            "expires_at": self._expires_at,
            "x_rxvoice": {**(self._commands.config.get("x_rxvoice") or {}), **self._extra},
        }
        self._send(self._events.event(type, session=session))

    def _send(self, event: Event) -> None:
        for out in (event,) if self._rewrite is None else self._rewrite(event):
            self._outbox.put(wire_text(out))

    def _failed(self, error: Exception | None) -> None:
        _log.error("a session failed: %s", error, exc_info=error)
        self.end(1011, "failed")


def wire_text(event: Event) -> str:
    """The event as it is sent. A client may have written half of a surrogate pair, to be told it
    again, and no socket takes one.
    """
    return whole_text(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


def _new_id(kind: str) -> str:
    return f"{kind}_{token_hex(10)}"


@cache
def _version() -> str:
    try:
        return version("rxvoice")
    except PackageNotFoundError:  # it runs from its sources
        return "unknown"
