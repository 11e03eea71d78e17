"""`Session`: one conversation over one WebSocket, from its first message to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from reactivex import abc
from reactivex.disposable import Disposable
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from rxvoice._threads.async_loop import Slice
from rxvoice.web._client import Client, Converse
from rxvoice.web._incoming import Incoming
from rxvoice.web._limits import Limits, Over
from rxvoice.web._outgoing import Outgoing, close

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

S = TypeVar("S")

_SLICES = 4  # of the loop, until every part of a pipe is subscribed to

_log = logging.getLogger("rxvoice")


class Session:
    """A conversation with the client of a socket that has not been accepted yet.

    Args:
        ask: called for each text that the client types; raises `Over` if there are too many.
    """

    def __init__(
        self,
        socket: WebSocket,
        converse: Converse,
        limits: Limits,
        user: object,
        ask: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._user = user
        self._converse = converse
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Over | None] = self._loop.create_future()
        self._outgoing = Outgoing(socket, limits, self._end)
        self._speaker = self._outgoing.speaker
        self._incoming = Incoming(
            limits, socket.query_params.get("sample_rate"), self._speaker.acknowledge, ask
        )
        self._life: abc.DisposableBase | None = None

    async def run(self) -> Over | None:
        """Hold the conversation; returns why it ended, None if it came to its end.

        Nothing of it is left then: no task, no subscription, no timer.
        """
        await self._socket.accept()
        watch = self._loop.call_later(self._limits.max_seconds, self._too_long)
        self._watch_idle()
        tasks = [self._loop.create_task(it) for it in (self._receive(), self._send())]
        try:
            over = await self._ended
        finally:
            self._end(None)
            watch.cancel()
            self._idle.cancel()
            self._leave()
            for task in tasks:
                task.cancel()
            # Not gather(): anyio would not recognise the CancelledError that it raises as its own.
            await asyncio.wait(tasks)
        await close(self._socket, over)
        return over

    def _end(self, over: Over | None) -> None:
        """End the session; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(over)

    def _raised(self) -> None:
        """Log what a part of the app's pipe raised instead of passing it to on_error, and end."""
        _log.exception("a conversation over a WebSocket raised")
        self._end(_failed())

    def _leave(self) -> None:
        for leave in (self._life.dispose if self._life else None, self._speaker.stop):
            try:
                if leave is not None:
                    leave()
            except Exception:  # the app's; the rest has to be let go all the same
                _log.exception("a conversation over a WebSocket raised when it was disposed of")

    def _too_long(self) -> None:
        seconds = self._limits.max_seconds
        self._end(Over("time", 1008, f"a conversation may last {seconds:g} s"))

    def _watch_idle(self) -> None:
        seconds = self._limits.max_idle_seconds
        if self._life is None:
            seconds = min(seconds, self._limits.max_silent_seconds)
        left = self._incoming.last + seconds - self._loop.time()
        if left <= 0 and not self._incoming.ended:
            self._end(Over("idle", 1008, f"nothing came for {seconds:g} s"))
        self._idle = self._loop.call_later(left if left > 0 else seconds, self._watch_idle)

    async def _receive(self) -> None:
        time = Slice(self._loop)
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    self._end(None)
                    return
                data: bytes | str = message.get("bytes") or message.get("text") or b""
                self._incoming.admit(data)
                if self._life is None:
                    await self._begin()
                self._incoming.take(data)
                await time.rest()
        except Over as over:
            self._end(over)
        except Exception:
            self._raised()

    async def _begin(self) -> None:
        incoming = self._incoming
        client = Client(
            self._socket, incoming.microphone, self._speaker, incoming.interrupts, self._user
        )
        self._life = self._converse(client).subscribe(
            self._outgoing.tell,
            self._failed,
            self._outgoing.complete,
            scheduler=_OnLoop(self._loop, self._raised),
        )
        # RxPY's merge() subscribes to what it merges in the loop's next slice.
        for _ in range(_SLICES):
            await asyncio.sleep(0)

    def _failed(self, error: Exception) -> None:
        _log.error("a conversation over a WebSocket failed: %s", error, exc_info=error)
        self._end(_failed())

    async def _send(self) -> None:
        try:
            await self._outgoing.send()
            self._end(None)
        except Over as over:
            self._end(over)
        except Exception:  # from a subscriber of the speaker's `played`
            self._raised()


class _OnLoop(AsyncIOThreadSafeScheduler):
    """Runs actions on the loop, and reports one that raises, which would hang the session."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_raise: Callable[[], None]) -> None:
        super().__init__(loop)
        self._on_raise = on_raise

    def invoke_action(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run `action`."""
        try:
            return super().invoke_action(action, state)
        except Exception:
            self._on_raise()
            return Disposable()


def _failed() -> Over:
    return Over("failed", 1011, "the conversation failed")
