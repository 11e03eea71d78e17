"""A server that says what a test tells it to, and notes what the page sends."""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import loopback_kit
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from rxvoice.serve import page

Event = dict[str, Any]

RATE = 24_000
WAIT = 30
SECRET = "ek_of_the_test"
FORMAT = {"type": "audio/pcm", "rate": RATE}
DETECTION = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500}


class FakeServer:
    """One conversation at a time.

    Attributes:
        key: the API key that it wants; None for none.
        refuse: the code and reason with which it closes a WebSocket at once; None to take it.
        protocols: the subprotocols that the last WebSocket asked for.
        audio: what the microphone sent, as samples.
    """

    def __init__(self) -> None:
        self.url = ""
        self.key: str | None = None
        self.refuse: tuple[int, str] | None = None
        self.protocols: list[str] = []
        self.sessions = 0
        self._audio = bytearray()
        self._heard = threading.Condition()
        self._received: queue.Queue[Event] = queue.Queue()
        self._outgoing: asyncio.Queue[Event | tuple[int, str]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._count = 0

    # For the test

    def wait(self, kind: str) -> Event:
        """The next event of this type; what came before it is passed over."""
        while True:
            event = self._received.get(timeout=WAIT)
            if event["type"] == kind:
                return event

    def received(self) -> list[Event]:
        """All events that no `wait` has taken, but for the microphone."""
        events: list[Event] = []
        with suppress(queue.Empty):
            while True:
                events.append(self._received.get_nowait())
        return events

    def wait_for_audio(self, samples: int) -> np.ndarray:
        """The microphone, once so much of it has come."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self._audio) >= 2 * samples, WAIT)
            return np.frombuffer(bytes(self._audio), "<i2") / 32768

    def forget_audio(self) -> None:
        with self._heard:
            self._audio.clear()

    @property
    def samples(self) -> int:
        return len(self._audio) // 2

    def send(self, *events: Event) -> None:
        for event in events:
            self._count += 1
            self._put({"event_id": f"event_{self._count}", **event})

    def close(self, code: int, reason: str = "") -> None:
        self._put((code, reason))

    # The server

    def app(self) -> Starlette:
        routes = [
            Route("/v1/models", self._models),
            Route("/v1/realtime/client_secrets", self._secrets, methods=["POST"]),
            WebSocketRoute("/v1/realtime", self._talk),
            *page.routes(),
        ]
        return Starlette(routes=routes)

    def _allows(self, request: Request) -> bool:
        return self.key is None or request.headers.get("authorization") == f"Bearer {self.key}"

    async def _models(self, request: Request) -> Response:
        if not self._allows(request):
            return JSONResponse({"error": {"code": "invalid_api_key"}}, 401)
        return JSONResponse({"object": "list", "data": [{"id": "SmolLM2", "object": "model"}]})

    async def _secrets(self, request: Request) -> Response:
        if not self._allows(request):
            return JSONResponse({"error": {"code": "invalid_api_key"}}, 401)
        return JSONResponse({"value": SECRET, "expires_at": 2_000_000_000, "session": {}})

    async def _talk(self, socket: WebSocket) -> None:
        self.protocols = list(socket.scope["subprotocols"])
        await socket.accept("realtime")
        if self.refuse is not None:
            await socket.close(*self.refuse)
            return
        self.sessions += 1
        self._loop, self._outgoing = asyncio.get_running_loop(), asyncio.Queue()
        self.send({"type": "session.created", "session": session()})
        writing = asyncio.create_task(self._write(socket, self._outgoing))
        with suppress(WebSocketDisconnect):
            while True:
                self._take(json.loads(await socket.receive_text()))
        writing.cancel()
        self._received.put({"type": "closed"})

    def _take(self, event: Event) -> None:
        if event["type"] == "input_audio_buffer.append":
            with self._heard:
                self._audio += base64.b64decode(event["audio"], validate=True)
                self._heard.notify_all()
            return
        self._received.put(event)
        if event["type"] == "session.update":
            self.send({"type": "session.updated", "session": event["session"]})

    async def _write(
        self, socket: WebSocket, outgoing: asyncio.Queue[Event | tuple[int, str]]
    ) -> None:
        while True:
            match await outgoing.get():
                case (code, reason):
                    await socket.close(code, reason)
                    return
                case event:
                    await socket.send_text(json.dumps(event))

    def _put(self, it: Event | tuple[int, str]) -> None:
        assert self._loop is not None
        assert self._outgoing is not None, "nobody has connected"
        self._loop.call_soon_threadsafe(self._outgoing.put_nowait, it)


def session() -> Event:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "SmolLM2",
        "output_modalities": ["audio"],
        "instructions": "You are brief.",
        "audio": {
            "input": {
                "format": FORMAT,
                "transcription": {"model": "whisper"},
                "turn_detection": DETECTION,
            },
            "output": {"format": FORMAT, "voice": "joe", "speed": 1.0},
        },
        "x_rxvoice": {"voices": ["joe", "amy"], "version": "0.1.0"},
    }


def user_speaks(item: str) -> list[Event]:
    started = "input_audio_buffer.speech_started"
    return [{"type": started, "item_id": item, "audio_start_ms": 100}]


def partial(item: str, delta: str) -> Event:
    kind = "conversation.item.input_audio_transcription.delta"
    return {"type": kind, "item_id": item, "content_index": 0, "delta": delta}


def user_stops(item: str) -> list[Event]:
    return [
        {"type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": 1600},
        {"type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": None},
        {"type": "conversation.item.added", "item": _audio_item(item)},
        {"type": "conversation.item.done", "item": _audio_item(item)},
    ]


def transcript(item: str, text: str) -> Event:
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item,
        "content_index": 0,
        "transcript": text,
        "usage": {"type": "duration", "seconds": 1.5},
    }


def _audio_item(item: str) -> Event:
    content = [{"type": "input_audio", "transcript": None}]
    return {"id": item, "type": "message", "role": "user", "content": content}


def reply_begins(response: str, item: str) -> list[Event]:
    ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    message = {"id": item, "type": "message", "role": "assistant", "content": []}
    return [
        {"type": "response.created", "response": {"id": response, "status": "in_progress"}},
        {"type": "response.output_item.added", **ids, "item": message},
        {"type": "conversation.item.added", "item": message},
        {"type": "response.content_part.added", **ids, "part": {"type": "audio"}},
    ]


def sentence(
    response: str,
    item: str,
    text: str,
    sound: np.ndarray,
    extra: Event | None = None,
    *,
    piece_seconds: float = 0.2,
) -> list[Event]:
    """The words, then their sound in pieces, the first with ``extra``."""
    ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    said = {"type": "response.output_audio_transcript.delta", **ids, "delta": text}
    events: list[Event] = [said]
    length = round(RATE * piece_seconds)
    for start in range(0, len(sound), length):
        piece = (sound[start : start + length] * 32767).round().astype("<i2").tobytes()
        delta = base64.b64encode(piece).decode()
        events.append({"type": "response.output_audio.delta", **ids, "delta": delta})
    if extra is not None and len(events) > 1:
        events[1]["x_rxvoice"] = extra
    return events


def reply_ends(response: str, item: str, text: str, status: str = "completed") -> list[Event]:
    ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    message = {
        "id": item,
        "type": "message",
        "role": "assistant",
        "status": "completed" if status == "completed" else "incomplete",
        "content": [{"type": "output_audio", "transcript": text}],
    }
    over = {"id": response, "status": status, "output": [message], "conversation_id": "conv_1"}
    return [
        {"type": "response.output_audio.done", **ids},
        {"type": "response.output_audio_transcript.done", **ids, "transcript": text},
        {"type": "response.content_part.done", **ids, "part": {"type": "audio"}},
        {"type": "conversation.item.done", "item": message},
        {"type": "response.output_item.done", **ids, "item": message},
        {"type": "response.done", "response": over},
    ]


def tone(seconds: float, hertz: float = 440, gain: float = 0.4) -> np.ndarray:
    return gain * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)


RECORDER = """
class Recorder extends AudioWorkletProcessor {
  process([input]) {
    if (input.length) this.port.postMessage(input[0].slice());
    return true;
  }
}
registerProcessor("recorder", Recorder);
"""
"""Where the test listens: on the audio thread of the page. A worklet must come from its host."""


def with_recorder(app: ASGIApp) -> ASGIApp:
    recorder = Response(RECORDER, media_type="text/javascript")

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        wanted = recorder if scope.get("path") == "/recorder.js" else app
        await wanted(scope, receive, send)

    return both


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Run a server in a thread; gives its address."""
    with loopback_kit.serving(with_recorder(app)) as where:
        yield f"http://{where}/"
