"""One conversation over one WebSocket, from its first message to its end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from rxvoice.chunks import AudioChunk
from rxvoice.elements import FinishedTurn, Speech
from rxvoice.events import Event, Notice, TurnFailed
from rxvoice.web._incoming import Incoming
from rxvoice.web._limits import Limits, Over
from rxvoice.web._speaker import RemoteSpeaker

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

__all__ = ["Client", "Converse", "Session", "refuse"]

S = TypeVar("S")

_TURNS = 4  # of the loop, until every part of a pipe is subscribed to
_TURN = 0.001  # seconds of messages in a row before the loop's other tasks have their turn
_CLOSE_SECONDS = 1.0  # for a client to receive why it ends

_log = logging.getLogger("rxvoice")


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """One client's ends of the pipe; all on the thread of the server's event loop.

    Args:
        socket: its WebSocket, for what its request says: headers, path, user. Not to be read.
        microphone: what it says, at 16 kHz, as it comes; completes when it says that it ends.
        speaker: where its speech goes, for `play` and `converse`.
        interrupts: None when it wants silence, a text when it typed one, as `converse` takes
            them.
        user: what ``authenticate`` gave; None without one.
    """

    socket: WebSocket
    microphone: Observable[AudioChunk]
    speaker: RemoteSpeaker
    interrupts: Observable[str | None]
    user: object = None


Converse: TypeAlias = Callable[[Client], Observable[Speech | FinishedTurn | Event]]


class Session:
    """A conversation with the client of a socket that was not accepted yet.

    Args:
        ask: told of each text that it types; raises `Over` where there are too many.
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
        self._messages: deque[dict[str, object]] = deque()
        self._something = asyncio.Event()  # to send
        self._speaker = RemoteSpeaker(
            self._tell,
            self._something.set,
            ahead_ms=limits.ahead_ms,
            max_ms=limits.max_queued_ms,
        )
        self._incoming = Incoming(
            limits, socket.query_params.get("sample_rate"), self._speaker.acknowledge, ask
        )
        self._life: abc.DisposableBase | None = None
        self._completed = False

    async def run(self) -> Over | None:
        """Returns when it is over, and why where that was not its end; nothing of it is left."""
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
            # Not gather(), whose CancelledError anyio does not know again for its own.
            await asyncio.wait(tasks)
        await _close(self._socket, over)
        return over

    def _end(self, over: Over | None) -> None:
        """The session is over; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(over)

    def _raised(self) -> None:
        """A part of the app's pipe raised, rather than report it by on_error."""
        _log.exception("a conversation over a WebSocket raised")
        self._end(_failed())

    def _leave(self) -> None:
        for leave in (self._life.dispose if self._life else None, self._speaker.stop):
            try:
                if leave is not None:
                    leave()
            except Exception:  # of the app's pipe; what is left has to go all the same
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
        rested = self._loop.time()
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
                if self._loop.time() - rested > _TURN:
                    await asyncio.sleep(0)
                    rested = self._loop.time()
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
            self._happened,
            self._failed,
            self._complete,
            scheduler=_OnLoop(self._loop, self._raised),
        )
        # RxPY's merge() subscribes to what it merges in the loop's next turn.
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _happened(self, event: Speech | FinishedTurn | Event) -> None:
        if isinstance(event, TurnFailed):
            # What a model says of its failure is for the server's log.
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

    def _failed(self, error: Exception) -> None:
        _log.error("a conversation over a WebSocket failed: %s", error, exc_info=error)
        self._end(_failed())

    def _complete(self) -> None:
        self._completed = True
        self._something.set()

    def _tell(self, message: dict[str, object]) -> None:
        if len(self._messages) >= self._limits.max_events:
            self._end(_too_slow())
            return
        self._messages.append(message)
        self._something.set()

    async def _send(self) -> None:
        try:
            while await self._send_next():
                pass
            self._end(None)
        except _Gone:
            self._end(None)
        except Over as over:
            self._end(over)
        except Exception:  # of whom `played` was told
            self._raised()

    async def _send_next(self) -> bool:
        """Send what is next, or wait for it; whether there may be more."""
        self._something.clear()
        self._speaker.tick()
        if self._messages:
            await self._sent(self._messages.popleft())
            return True
        frame = self._speaker.next_frame()
        if frame is not None:
            data, rate = frame
            if rate is not None:
                await self._sent({"event": "format", "sample_rate": rate})
            await self._sent(data)
            return True
        if self._completed and not self._speaker.queued_ms:
            return False
        seconds = self._speaker.seconds_until_tick()
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
        except (WebSocketDisconnect, RuntimeError):  # it closed while it was sent to
            raise _Gone from None


class _OnLoop(AsyncIOThreadSafeScheduler):
    """The loop, which tells that an action raised: nobody else would, and the session hang on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_raise: Callable[[], None]) -> None:
        super().__init__(loop)
        self._on_raise = on_raise

    def invoke_action(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        try:
            return super().invoke_action(action, state)
        except Exception:
            self._on_raise()
            return Disposable()


class _Gone(Exception):
    """The socket is closed."""


async def refuse(socket: WebSocket, over: Over) -> None:
    """Tell the client of a socket that was not accepted yet why there is no session for it."""
    await socket.accept()
    await _close(socket, over)


async def _close(socket: WebSocket, over: Over | None) -> None:
    from starlette.websockets import WebSocketDisconnect, WebSocketState

    if socket.client_state is not WebSocketState.CONNECTED:
        return
    # A client that does not read is not waited for.
    with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            if over is not None:
                error = {"event": "error", "code": over.code, "message": str(over)}
                await socket.send_text(json.dumps(error))
            await socket.close(1000 if over is None else over.close_code)


def _failed() -> Over:
    return Over("failed", 1011, "the conversation failed")


def _too_slow() -> Over:
    return Over("slow_reader", 1008, "messages were not read in time")
