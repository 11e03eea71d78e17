"""Servers on loopback for the tests: a small one that does as it is told, and real ones."""

from __future__ import annotations

import io
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

CHAT = "/v1/chat/completions"
HEAR = "/v1/audio/transcriptions"
SPEAK = "/v1/audio/speech"

Answer = Callable[["Handler"], None]


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # each part is sent at once

    def do_POST(self) -> None:
        stub = self.server.stub
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        stub.requests.append(Request(self.path, headers, body))
        answers = stub.answers[self.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        try:
            answer(self)
        except OSError:
            self.close_connection = True
            stub.left.set()

    def setup(self) -> None:
        self.server.stub.connections += 1
        super().setup()

    def do_GET(self) -> None:
        stub = self.server.stub
        stub.probes += 1
        gives(b'{"object": "list", "data": []}', status=stub.models_status)(self)

    def begin(self, media: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, *_: object) -> None:
        pass


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    stub: Stub

    def handle_error(self, *where: object) -> None:
        # Clients that are gone are what many tests are about.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*where)  # type: ignore[arg-type]


@dataclass
class Stub:
    """What it was asked, and what it is to answer: the answers of a path in order, the last again.

    Attributes:
        left: set once a client was gone while an answer was being written.
        over: set at the end, for answers that hang.
        connections: how many were opened.
        probes: how often it was asked for its models, which it answers with `models_status`.
    """

    base_url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    left: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)
    connections: int = 0
    probes: int = 0
    models_status: int = 200


@contextmanager
def stub_server() -> Iterator[Stub]:
    stub = Stub()
    http = _Http(("127.0.0.1", 0), Handler)
    http.stub = stub
    stub.base_url = f"http://127.0.0.1:{http.server_port}/v1"
    # The poll is of its own shutdown, which it would notice only after half a second.
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        stub.over.set()
        http.shutdown()
        http.server_close()
        thread.join()


def event(text: str | None, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    return f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def data(given: object) -> bytes:
    """An event with this for its data."""
    return f"data: {json.dumps(given)}\n\n".encode()


def choice(**choice: object) -> bytes:
    """An event with this for its only choice."""
    return data({"choices": [choice]})


def delta(**delta: object) -> bytes:
    """An event with this for what is new."""
    return choice(index=0, delta=delta, finish_reason=None)


def says(*deltas: str) -> Answer:
    """A complete answer, a delta for an event."""
    return streams(*map(event, deltas), event(None, "stop"), DONE)


def streams(*parts: bytes, media: str = "text/event-stream", end: bool = True) -> Answer:
    """These parts, each sent on its own; without an end the connection is lost after them."""

    def answer(handler: Handler) -> None:
        handler.begin(media, Transfer_Encoding="chunked")
        for part in parts:
            handler.chunk(part)
        if end:
            handler.chunk(b"")
        else:
            handler.close_connection = True

    return answer


def until_closed(*parts: bytes, media: str = "text/event-stream") -> Answer:
    """These parts as mlx_lm.server sends them: its only sign of the end is to close."""

    def answer(handler: Handler) -> None:
        handler.begin(media, Connection="close")
        for part in parts:
            handler.wfile.write(part)

    return answer


def endless(part: bytes, media: str = "text/event-stream") -> Answer:
    """This part again and again, until nobody listens."""

    def answer(handler: Handler) -> None:
        handler.begin(media, Transfer_Encoding="chunked")
        while not handler.server.stub.over.is_set():
            handler.chunk(part)

    return answer


def hangs(*parts: bytes, media: str = "text/event-stream") -> Answer:
    """These parts, and then nothing; without any not even a status."""

    def answer(handler: Handler) -> None:
        if parts:
            handler.begin(media, Transfer_Encoding="chunked")
        for part in parts:
            handler.chunk(part)
        handler.server.stub.over.wait()
        handler.close_connection = True

    return answer


def drips(first: bytes, part: bytes) -> Answer:
    """These bytes, headers and all, and then this part again and again, a few at a time."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(first)
        while not handler.server.stub.over.wait(0.02):
            handler.wfile.write(part)

    return answer


def head(media: str, status: int = 200) -> bytes:
    """The headers of an answer without an end, for `drips`."""
    return f"HTTP/1.1 {status} X\r\nContent-Type: {media}\r\n\r\n".encode()


def hangs_up(handler: Handler) -> None:
    handler.close_connection = True


def gives(body: bytes, media: str = "application/json", status: int = 200, **more: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.begin(media, status, Content_Length=str(len(body)), **more)
        handler.wfile.write(body)

    return answer


def refuses(status: int, said: object = "no", **more: str) -> Answer:
    return gives(json.dumps({"error": {"message": said}}).encode(), status=status, **more)


def hears(text: str) -> Answer:
    return gives(json.dumps({"text": text}).encode())


def pcm(*samples: int) -> bytes:
    return np.array(samples, "<i2").tobytes()


def wav(samples: bytes, *, rate: int = 24_000, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(channels)
        written.setsampwidth(width)
        written.setframerate(rate)
        written.writeframes(samples)
    return file.getvalue()


class Process:
    """A real server; see `process`."""

    def __init__(self, base_url: str, running: subprocess.Popen[bytes]) -> None:
        self.base_url = base_url
        self.running = running
        assert running.stdout is not None
        self._output = running.stdout.fileno()

    def written(self) -> str:
        """What it has written and nobody has read yet."""
        read = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while selector.select(0) and (data := os.read(self._output, 65536)):
                read += data
        return read.decode("utf-8", "replace")

    def wait_for_line(self, pattern: str, seconds: float) -> str:
        """Read what it writes up to a line with this in it; fail when there is none in time."""
        read = ""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while selector.select(deadline - time.monotonic()):
                data = os.read(self._output, 65536)
                if not data:
                    break
                read += data.decode("utf-8", "replace")
                for line in read.splitlines():
                    if re.search(pattern, line):
                        return line
        raise AssertionError(f"no line with {pattern!r} in:\n{read}")


@contextmanager
def process(command: list[str], folder: Path, ready: str, seconds: float = 60) -> Iterator[Process]:
    """Start a server, with a free port for ``{port}``; ready once a line with `ready` is written.

    No proxy, and no network: the models it is asked for are local.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        [part.format(port=port) for part in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        server = Process(f"http://127.0.0.1:{port}/v1", running)
        server.wait_for_line(ready, seconds)
        yield server
    finally:
        running.terminate()
        try:
            running.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
