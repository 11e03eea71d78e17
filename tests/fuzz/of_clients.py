"""Clients of servers: their messages, requests and headers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from serve.realtime_kit import VirtualSession, fake_models
from serve.virtual_loop import VirtualLoop

from rxvoice import serve, web
from rxvoice._language.calls import WrittenCall
from rxvoice.serve._access_log import AccessLog
from rxvoice.serve.realtime import to_beta
from rxvoice.serve.realtime._socket import wire_text
from rxvoice.web._incoming import Incoming
from rxvoice.web._limits import Over

KEY = "sk-fuzz-0123456789abcdef"
"""The secret of the server, which no answer and no log may have."""
_LONGEST_MS = 400


def _lines(data: bytes) -> Iterator[Any]:
    """The objects of the lines; a line that is no JSON as the text that it is."""
    for line in data.split(b"\n")[:60]:
        text = line.decode("utf-8", "surrogatepass" if b"\xed" in line else "replace")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        yield found if isinstance(found, dict) else text


class _Caller:
    """A model that calls a tool at every second question."""

    def __init__(self) -> None:
        self._n = 0

    def write(self, messages: Any, *, tools: Any) -> Iterator[Any]:
        self._n += 1
        yield "One moment. Two. "
        if self._n % 2 and tools:
            yield WrittenCall("weather", {"city": "Oslo"})


def realtime_events(data: bytes, folder: Path) -> None:
    """Events of the Realtime protocol, in any order: each is followed or answered by an error."""
    session = VirtualSession(fake_models(llm=_Caller()), transcribes=data[:1] == b"#")
    for line in _lines(data):
        if isinstance(line, dict) and set(line) == {"wait"}:
            session.advance(min(2_000, line["wait"]) if isinstance(line["wait"], int) else 0)
        elif isinstance(line, dict) and set(line) == {"speak"}:
            session.speak(_LONGEST_MS if line["speak"] is True else 0)
        else:
            session.send_text(line if isinstance(line, str) else json.dumps(line))
    session.be_silent(_LONGEST_MS)
    session.advance(2_000)
    session.dialogue.close()
    assert not session.failures, session.failures
    for event in session.events:
        for sent in (event, *to_beta({**event})):
            wire_text(sent).encode()
            json.dumps(sent, allow_nan=False)  # clients are strict about what JSON is


def web_messages(data: bytes, folder: Path) -> None:
    """Messages to a conversation of `rxvoice.web`: the first bad one ends the session."""

    async def talk() -> None:
        incoming = Incoming(web.Limits(), None, _acknowledge)
        heard: list[int] = []
        incoming.microphone.subscribe(lambda chunk: heard.append(len(chunk.samples)), raised.append)
        incoming.interrupts.subscribe(lambda text: text is None or text.encode(), raised.append)
        with contextlib.suppress(Over):
            for line in _lines(data):
                message = _message(line)
                incoming.admit(message)
                incoming.take(message)
        assert sum(heard) <= 16_000 * 30

    raised: list[Exception] = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(talk())
    assert not raised, raised


def _message(line: Any) -> bytes | str:
    if isinstance(line, str):
        return line
    if set(line) == {"b64"} and isinstance(line["b64"], str):
        with contextlib.suppress(ValueError):
            return b64decode(line["b64"])
    return json.dumps(line)


def _acknowledge(samples: int, clears: int) -> None:
    if samples > 1_000:
        raise ValueError("at most 1000 samples")


# Requests over HTTP, and to open a WebSocket


@cache
def _server(has_key: bool) -> Any:
    return serve.app(fake_models(), api_key=KEY if has_key else None, beta=True, log_content=False)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.told = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.told += self.format(record)


def requests(data: bytes, folder: Path) -> None:
    """Requests with any method, path, headers and body, and WebSockets with any messages."""
    log = _Log()
    names = ("rxvoice", "rxvoice.access")
    levels = {name: logging.getLogger(name).level for name in names}
    answers = b""
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger("rxvoice").addHandler(log)
    try:
        with asyncio.Runner() as runner:  # its threads read files, in real time
            for line in _lines(data):
                if isinstance(line, dict):
                    answers += runner.run(_ask(line))
    finally:
        logging.getLogger("rxvoice").removeHandler(log)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert KEY not in log.told, "the key is in the log"
    assert KEY.encode() not in answers, "the key is in an answer"
    assert "Traceback" not in log.told, log.told


async def _ask(line: dict[str, Any]) -> bytes:
    """Ask the app itself. The answer's bytes; no answer is a fault of the server."""
    has_key = bool(line.get("key", True))
    app = AccessLog(_server(has_key))
    is_socket = line.get("socket") is True
    body = _text(line.get("body")).encode("utf-8", "replace")
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": body}]
    if is_socket:
        told = line.get("says")
        texts = [_text(it) for it in told] if isinstance(told, list) else []
        waiting = [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "text": it} for it in texts[:20]),
            {"type": "websocket.disconnect", "code": 1000},
        ]
    answered = b""

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        return {"type": "websocket.disconnect" if is_socket else "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal answered
        if message["type"] == "http.response.start":
            assert message["status"] < 500 or message["status"] == 503, message["status"]
        if message["type"] == "websocket.close":
            assert message.get("code") != 1011, "the session failed"
        answered += (message.get("body") or b"") + (message.get("text") or "").encode()

    async with asyncio.timeout(60):
        await app(_scope(line, is_socket), receive, send)
    return answered


def _scope(line: dict[str, Any], is_socket: bool) -> dict[str, Any]:
    headers = line.get("headers")
    given = headers if isinstance(headers, dict) else {}
    sent = [
        (_latin(name).lower(), _latin(value if isinstance(value, str) else json.dumps(value)))
        for name, value in given.items()
    ]
    offered = next((v.decode("latin-1") for n, v in sent if n == b"sec-websocket-protocol"), "")
    return {
        "type": "websocket" if is_socket else "http",
        "method": "POST" if line.get("post") is True else "GET",
        "path": "/" + _text(line.get("path")).lstrip("/").encode("utf-8", "replace").decode(),
        "raw_path": b"/",
        "query_string": _latin(_text(line.get("query"))),
        "headers": [(b"host", b"here:80"), *sent],
        "subprotocols": [it.strip() for it in offered.split(",") if it.strip()],
        "client": ("127.0.0.1", 1),
        "server": ("here", 80),
        "scheme": "ws" if is_socket else "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
        "extensions": {"websocket.http.response": {}},
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace").replace(b"\n", b" ")
