"""A server as `rxvoice serve` runs it, in a thread; and clients of it."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.sync.client import ClientConnection, connect

from rxvoice import serve
from rxvoice.cli._server import Ender, hold, listening
from rxvoice.serve._drain import Drain
from rxvoice.serve._metrics import Metrics

WAIT = 60


@dataclass
class Server:
    """A running server.

    Attributes:
        port: where it listens.
        told: what it told people.
        over: set when it has ended.
    """

    port: int
    drain: Drain
    metrics: Metrics
    ender: Ender
    told: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=WAIT) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def talk(self, **options: Any) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.port}/v1/realtime"
        return connect(url, proxy=None, max_size=None, open_timeout=WAIT, **options)


@contextmanager
def running(
    models: serve.Models | Callable[[], serve.Models],
    *,
    wrap: Callable[[Any], Any] = lambda app: app,
    encrypted: ssl.SSLContext | None = None,
    **options: Any,
) -> Iterator[Server]:
    metrics = Metrics()
    made = serve.app(models, observer=metrics, **options)
    where = listening("127.0.0.1", 0)
    server = Server(where.getsockname()[1], made.state.drain, metrics, Ender())

    def run() -> None:
        try:
            told = server.told.append
            hold(wrap(made), where, server.drain, server.ender, told=told, encrypted=encrypted)
        finally:
            server.over.set()

    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        yield server
    finally:
        server.drain.timeout_s = 0
        server.ender.ask()
        thread.join(WAIT)
        where.close()
        assert not thread.is_alive()


def until(client: ClientConnection, kind: str) -> dict[str, Any]:
    """The next event of this type."""
    while True:
        event = json.loads(client.recv(timeout=WAIT))
        assert event["type"] != "error", event
        if event["type"] == kind:
            return event


def ask(client: ClientConnection, text: str) -> str:
    """Type a question; returns what was said to it."""
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }
    client.send(json.dumps({"type": "conversation.item.create", "item": item}))
    client.send(json.dumps({"type": "response.create"}))
    said = until(client, "response.output_audio_transcript.done")["transcript"]
    assert until(client, "response.done")["response"]["status"] == "completed"
    return said
