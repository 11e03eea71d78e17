"""`sessions`: one conversation per WebSocket, so many at a time."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np
from reactivex import Observable, Subject, abc
from reactivex.scheduler.eventloop import AsyncIOThreadSafeScheduler

from rxvoice._check import at_least, whole
from rxvoice._resample import Resampler
from rxvoice.elements import AudioChunk, Event, TurnEvent, TurnFailed
from rxvoice.errors import ConfigError
from rxvoice.web._speaker import RemoteSpeaker

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

__all__ = ["Client", "Sessions", "sessions"]

_RATE = 16_000
_RATES = (8_000, 96_000)
_BURST = 10.0  # seconds of audio that may come at once, after a gap in the network
_LEAST = 0.005  # seconds of audio that any message counts for
_TURNS = 4  # of the loop, until every part of a pipe is subscribed to
_TURN = 0.001  # seconds of messages in a row before the loop's other tasks have their turn

_log = logging.getLogger("rxvoice")


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """One client's ends of the pipe; all on the thread of the server's event loop.

    Args:
        socket: its WebSocket, for what its request says: headers, path, user. Not to be read.
        microphone: what it says, at 16 kHz, as it comes; completes when it says that it ends.
        speaker: where its speech goes, for `play` and `interruptible`.
        interrupts: None when it wants silence, a text when it typed one, as `interruptible` takes
            them.
    """

    socket: WebSocket
    microphone: Observable[AudioChunk]
    speaker: RemoteSpeaker
    interrupts: Observable[str | None]


def sessions(
    converse: Callable[[Client], Observable[TurnEvent | Event]],
    *,
    max_sessions: int = 64,
    max_seconds: float = 1800,
    max_idle_seconds: float = 60,
    max_frame_bytes: int = 65_536,
    max_speed: float = 1.25,
    max_events: int = 256,
    max_queued_ms: int = 120_000,
    ahead_ms: int = 500,
    send_seconds: float = 10,
) -> Sessions:
    """Conversations over the WebSockets of a Starlette or FastAPI app.

    Every conversation runs on the server's event loop: hundreds need no thread of their own. So a
    model that computes needs ``worker=``, the one model thread that they all share; one that
    awaits needs none. What a client does wrong ends its own session, and it is told why.

    Args:
        converse: makes the pipe of one client, from ``client.microphone`` to ``play(
            client.speaker)``; it is subscribed to with a scheduler of the loop, and disposed of
            when the socket closes. Its `Event` and `TurnEvent` elements are sent to the client;
            when it completes, the socket is closed once all speech was heard.
        max_sessions: how many at a time; the next is told that it is full.
        max_seconds: the longest session.
        max_idle_seconds: the longest that a client may send nothing.
        max_frame_bytes: the largest message that a client may send.
        max_speed: how much faster than it is spoken audio may come, once 10 s have come at once.
        max_events: how many messages wait for a client that reads slowly, before it is given up.
        max_queued_ms: how much speech waits for its playback; more fails the conversation.
        ahead_ms: how much speech is sent ahead of its playback.
        send_seconds: how long a client may take to receive one message.

    Raises:
        ConfigError: a bound that allows nothing.
    """
    if not callable(converse):
        raise ConfigError(f"sessions wanted a function of a Client, got {converse!r}")
    whole("sessions max_sessions", max_sessions, 1, "sessions")
    whole("sessions max_frame_bytes", max_frame_bytes, 2, "bytes")
    whole("sessions max_events", max_events, 1, "messages")
    whole("sessions max_queued_ms", max_queued_ms, 1, "ms")
    whole("sessions ahead_ms", ahead_ms, 1, "ms")
    at_least("sessions max_speed", max_speed, 1, "times")
    for name, seconds in (
        ("max_seconds", max_seconds),
        ("max_idle_seconds", max_idle_seconds),
        ("send_seconds", send_seconds),
    ):
        at_least(f"sessions {name}", seconds, 0.001, "s")
    return Sessions(
        converse,
        _Limits(
            max_sessions,
            max_seconds,
            max_idle_seconds,
            max_frame_bytes,
            max_speed,
            max_events,
            max_queued_ms,
            ahead_ms,
            send_seconds,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Limits:
    max_sessions: int
    max_seconds: float
    max_idle_seconds: float
    max_frame_bytes: int
    max_speed: float
    max_events: int
    max_queued_ms: int
    ahead_ms: int
    send_seconds: float


class Sessions:
    """Made by `sessions`."""

    def __init__(
        self, converse: Callable[[Client], Observable[TurnEvent | Event]], limits: _Limits
    ) -> None:
        self._converse = converse
        self._limits = limits
        self._active = 0

    @property
    def active(self) -> int:
        """How many sessions there are."""
        return self._active

    async def serve(self, socket: WebSocket) -> None:
        """Hold a conversation over a socket that was not accepted yet; returns when it is over.

        Nothing of it is left then: no task, no subscription, no timer.
        """
        session = _Session(socket, self._limits)
        if self._active >= self._limits.max_sessions:
            await session.refuse(
                _Over("full", 1013, f"all {self._active} conversations are taken: try again later")
            )
            return
        self._active += 1
        try:
            await session.run(self._converse)
        finally:
            self._active -= 1


class _Over(Exception):
    """Why a session ends, for its client."""

    def __init__(self, code: str, close_code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code


class _Session:
    def __init__(self, socket: WebSocket, limits: _Limits) -> None:
        self._socket = socket
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[_Over | None] = self._loop.create_future()
        self._messages: deque[dict[str, object]] = deque()
        self._something = asyncio.Event()  # to send
        self._microphone: Subject[AudioChunk] = Subject()
        self._interrupts: Subject[str | None] = Subject()
        self._speaker: RemoteSpeaker | None = None
        self._life: abc.DisposableBase | None = None
        self._rate = _RATE
        self._resampler: Resampler | None = None
        self._start = 0
        self._said = False  # the client has said all
        self._started = self._completed = False
        self._began = self._last = self._refilled = self._rested = self._loop.time()
        self._credit = _BURST

    async def run(self, converse: Callable[[Client], Observable[TurnEvent | Event]]) -> None:
        await self._socket.accept()
        watch = self._loop.call_later(self._limits.max_seconds, self._too_long)
        self._watch_idle()
        sending: asyncio.Task[None] | None = None
        receiving = self._loop.create_task(self._receive(converse))
        try:
            sending = self._loop.create_task(self._send())
            over = await self._ended
        finally:
            self._end(None)
            watch.cancel()
            self._idle.cancel()
            self._leave()
            tasks = [task for task in (receiving, sending) if task is not None]
            for task in tasks:
                task.cancel()
            # Not gather(), whose CancelledError anyio does not know again for its own.
            await asyncio.wait(tasks)
        await self._close(over)

    async def refuse(self, over: _Over) -> None:
        await self._socket.accept()
        await self._close(over)

    def _end(self, over: _Over | None) -> None:
        """The session is over; the first reason counts."""
        if not self._ended.done():
            self._ended.set_result(over)

    def _leave(self) -> None:
        if self._life is not None:
            self._life.dispose()
        if self._speaker is not None:
            self._speaker.stop()

    async def _close(self, over: _Over | None) -> None:
        from starlette.websockets import WebSocketDisconnect, WebSocketState

        if self._socket.client_state is not WebSocketState.CONNECTED:
            return
        # A client that does not read is not waited for.
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(min(1.0, self._limits.send_seconds)):
                if over is not None:
                    error = {"event": "error", "code": over.code, "message": str(over)}
                    await self._socket.send_text(json.dumps(error))
                await self._socket.close(over.close_code if over is not None else 1000)

    def _too_long(self) -> None:
        seconds = self._limits.max_seconds
        self._end(_Over("time", 1008, f"a conversation may last {seconds:g} s"))

    def _watch_idle(self) -> None:
        seconds = self._limits.max_idle_seconds
        left = self._last + seconds - self._loop.time()
        if left <= 0 and not self._said:
            self._end(_Over("idle", 1008, f"nothing came for {seconds:g} s"))
        self._idle = self._loop.call_later(left if left > 0 else seconds, self._watch_idle)

    # What comes in.

    async def _receive(self, converse: Callable[[Client], Observable[TurnEvent | Event]]) -> None:
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    self._end(None)
                    return
                data: bytes | str = message.get("bytes") or message.get("text") or b""
                self._check(data)
                if self._life is None:
                    await self._begin(converse, data)
                self._take(data)
                self._started = True
                if self._loop.time() - self._rested > _TURN:
                    await asyncio.sleep(0)
                    self._rested = self._loop.time()
        except _Over as over:
            self._end(over)
        except Exception:  # of the app's pipe, which does not report it by on_error
            _log.exception("a conversation over a WebSocket raised")
            self._end(_Over("failed", 1011, "the conversation failed"))

    def _check(self, data: bytes | str) -> None:
        self._last = self._loop.time()
        most = self._limits.max_frame_bytes
        if len(data) > most:
            raise _Over("too_big", 1009, f"a message may have {most} bytes, got {len(data)}")

    def _take(self, data: bytes | str) -> None:
        if isinstance(data, str):
            self._pay(0)
            message = _parsed(data)
            self._command(message.get("type"), message)
            return
        if len(data) % 2:
            _bad(f"wanted 16-bit samples, got {len(data)} bytes, an odd number")
        if self._said:
            _bad('got audio after {"type": "end"}')
        self._pay(len(data) / 2 / self._rate)
        self._hear(np.frombuffer(data, "<i2"))

    def _asked_rate(self, first: bytes | str) -> int:
        """The rate that the client says in its first message, or in its query."""
        if isinstance(first, str):
            message = _parsed(first)
            if message.get("type") == "start" and "sample_rate" in message:
                return _rate(message["sample_rate"])
        given = self._socket.query_params.get("sample_rate", str(_RATE))
        return _rate(int(given) if given.isascii() and given.isdecimal() else given)

    def _command(self, kind: object, message: dict[str, object]) -> None:
        if kind == "interrupt":
            self._interrupts.on_next(None)
        elif kind == "text":
            text = message.get("text")
            if not isinstance(text, str) or not text.strip():
                _bad(f"wanted some text, got {_shown(text)}")
            self._interrupts.on_next(text)
        elif kind == "played":
            samples, clears = message.get("samples"), message.get("clears", 0)
            if not _count(samples) or not _count(clears):
                _bad(f"wanted numbers of samples and clears, got {_shown(message)}")
            if self._speaker is not None:
                try:
                    self._speaker.acknowledge(cast("int", samples), cast("int", clears))
                except ValueError as error:
                    _bad(f"wanted {error}, got {samples}")
                self._something.set()
        elif kind == "start":
            if self._started:
                _bad('"start" must be the first message')
        elif kind == "end":
            if not self._said:
                self._said = True
                if self._resampler is not None:
                    self._feed(self._resampler.end())
                self._microphone.on_completed()
                self._interrupts.on_completed()
        else:
            _bad(f"wanted a type of start, text, interrupt, played or end, got {_shown(kind)}")

    def _pay(self, seconds: float) -> None:
        now = self._loop.time()
        speed = self._limits.max_speed
        self._credit = min(_BURST, self._credit + (now - self._refilled) * speed)
        self._refilled = now
        self._credit -= max(seconds, _LEAST)
        if self._credit < 0:
            raise _Over("flood", 1008, "audio came faster than it is spoken: pace it")

    def _hear(self, samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> None:
        floats = samples.astype(np.float32) * np.float32(1 / 32768)
        if self._resampler is not None:
            floats = self._resampler.feed(floats)
        self._feed(floats)

    def _feed(self, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        if not len(samples):
            return
        start, self._start = self._start, self._start + len(samples)
        captured = time.monotonic() - len(samples) / _RATE
        self._microphone.on_next(AudioChunk(samples, _RATE, start, time=captured))

    # The conversation.

    async def _begin(
        self,
        converse: Callable[[Client], Observable[TurnEvent | Event]],
        first: bytes | str,
    ) -> None:
        self._rate = rate = self._asked_rate(first)
        self._resampler = Resampler(rate, _RATE) if rate != _RATE else None
        self._speaker = RemoteSpeaker(
            self._tell,
            self._something.set,
            ahead_ms=self._limits.ahead_ms,
            max_ms=self._limits.max_queued_ms,
        )
        client = Client(self._socket, self._microphone, self._speaker, self._interrupts)
        self._life = converse(client).subscribe(
            self._happened,
            self._failed,
            self._complete,
            scheduler=AsyncIOThreadSafeScheduler(self._loop),
        )
        # RxPY's merge() subscribes to what it merges in the loop's next turn.
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _happened(self, event: TurnEvent | Event) -> None:
        if isinstance(event, TurnFailed):
            # What a model says of its failure is for the server's log.
            _log.warning("%s", event.error, exc_info=event.error)
            stage = event.error.stage
            self._tell({"event": "turn_failed", "turn": event.turn.id, "error": f"{stage} failed"})
        elif isinstance(event, Event):
            self._tell(event.as_json())
        elif isinstance(cast("object", event), TurnEvent):
            values = {field.name: getattr(event, field.name) for field in fields(event)}
            self._tell({"event": "turn", **values})

    def _failed(self, error: Exception) -> None:
        _log.error("a conversation over a WebSocket failed: %s", error, exc_info=error)
        self._end(_Over("failed", 1011, "the conversation failed"))

    def _complete(self) -> None:
        self._completed = True
        self._something.set()

    # What goes out.

    def _tell(self, message: dict[str, object]) -> None:
        if len(self._messages) >= self._limits.max_events:
            self._slow()
            return
        self._messages.append(message)
        self._something.set()

    def _slow(self) -> None:
        self._end(_Over("slow_reader", 1008, "messages were not read in time"))

    async def _send(self) -> None:
        from starlette.websockets import WebSocketDisconnect

        try:
            while await self._send_next():
                pass
            self._end(None)
        except TimeoutError:
            self._slow()
        except (WebSocketDisconnect, RuntimeError):  # it closed while it was sent to
            self._end(None)
        except Exception:  # of whom `played` was told
            _log.exception("a conversation over a WebSocket raised")
            self._end(_Over("failed", 1011, "the conversation failed"))

    async def _send_next(self) -> bool:
        """Send what is next, or wait for it; whether there may be more."""
        speaker = self._speaker
        self._something.clear()
        if self._messages:
            await self._sent(text=json.dumps(self._messages.popleft()))
            return True
        if speaker is not None:
            speaker.tick()
            frame = speaker.next_frame()
            if frame is not None:
                data, rate = frame
                if rate is not None:
                    await self._sent(text=json.dumps({"event": "format", "sample_rate": rate}))
                await self._sent(data=data)
                return True
        if self._messages:
            return True
        if self._completed and (speaker is None or not speaker.queued_ms):
            return False
        seconds = None if speaker is None else speaker.seconds_until_tick()
        tick = None if seconds is None else self._loop.call_later(seconds, self._something.set)
        try:
            await self._something.wait()
        finally:
            if tick is not None:
                tick.cancel()
        return True

    async def _sent(self, *, text: str = "", data: bytes | None = None) -> None:
        async with asyncio.timeout(self._limits.send_seconds):
            if data is None:
                await self._socket.send_text(text)
            else:
                await self._socket.send_bytes(data)


def _parsed(data: str) -> dict[str, object]:
    try:
        message: object = json.loads(data)
    except (ValueError, RecursionError):
        _bad(f"wanted JSON, got {_shown(data)}")
    if not isinstance(message, dict):
        _bad(f"wanted a JSON object, got {_shown(message)}")
    return cast("dict[str, object]", message)


def _rate(value: object) -> int:
    least, most = _RATES
    if not _count(value) or not least <= cast("int", value) <= most:
        _bad(f"sample_rate must be a whole number from {least} to {most} Hz, got {_shown(value)}")
    return cast("int", value)


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _bad(message: str) -> NoReturn:
    raise _Over("bad_message", 1007, message)
