"""A client that misbehaves hurts its own session only."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread

import numpy as np
import pytest
from serve.realtime_kit import fake_models
from serve.running import WAIT, Server, ask, running, until
from websockets.exceptions import ConnectionClosed

from rxvoice.serve.realtime import _socket

pytest.importorskip("prometheus_client", reason="needs pip install 'rxvoice[serve]'")

SOUND = b64encode(np.zeros(24_000 * 5, "<i2").tobytes()).decode()


@pytest.fixture
def server() -> Iterator[Server]:
    with running(fake_models("Yes.")) as server:
        yield server


def _closed(server: Server, reason: str) -> bool:
    line = f'rxvoice_sessions_closed_total{{reason="{reason}"}} 1.0'
    return line in server.get("/metrics")[1].splitlines()


def test_broken_messages_are_answered_one_by_one(server: Server) -> None:
    broken = ["", "{", "[]", "null", '"x"', "{" * 5000, '{"type": 5}', '{"type": "nonsense"}']
    broken += ['{"type": "input_audio_buffer.append", "audio": "%%%"}', "\ud7ff" * 1000]
    with server.talk() as good, server.talk() as bad:
        until(bad, "conversation.created")
        for message in broken:
            bad.send(message)
            assert json.loads(bad.recv(timeout=WAIT))["type"] == "error"
        bad.send(b"\x00\xff")
        assert json.loads(bad.recv(timeout=WAIT))["type"] == "error"
        assert ask(good, "Hello?") == "Yes."
        assert ask(bad, "Hello?") == "Yes."  # and its session goes on


def test_a_message_that_is_too_large_ends_its_session(server: Server) -> None:
    with server.talk() as good, server.talk() as bad:
        until(bad, "conversation.created")
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
            bad.send("x" * (24 * 2**20 + 1))
            bad.recv(timeout=WAIT)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        assert ask(good, "Hello?") == "Yes."


def test_a_flood_of_sound_leaves_time_for_the_others(server: Server) -> None:
    over = Event()
    with server.talk() as good, server.talk() as bad:
        until(bad, "conversation.created")
        event = json.dumps({"type": "input_audio_buffer.append", "audio": SOUND})

        def flood() -> None:
            with suppress(ConnectionClosed):
                while not over.is_set():
                    bad.send(event)

        thread = Thread(target=flood)
        thread.start()
        try:
            took: list[float] = []
            for _ in range(5):
                began = time.monotonic()
                assert ask(good, "Hello?") == "Yes."
                took.append(time.monotonic() - began)
            assert server.get("/healthz")[0] == 200
        finally:
            over.set()
            thread.join(WAIT)
        assert not thread.is_alive()
        assert min(took) < 2


def test_a_client_that_does_not_read_loses_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_socket, "_MOST_BYTES", 200_000)
    # Each change of the session is answered with all of it.
    session = {"type": "realtime", "instructions": "Be brief. " * 5_000}
    update = _frame(json.dumps({"type": "session.update", "session": session}).encode())
    with (
        running(fake_models("Yes.")) as server,
        server.talk() as good,
        # A bare socket, which never reads and has little room for what comes.
        socket.socket() as bad,
    ):
        bad.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bad.settimeout(WAIT)
        bad.connect(("127.0.0.1", server.port))
        bad.sendall(
            b"GET /v1/realtime HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        with suppress(OSError):  # the server closes the connection meanwhile
            for _ in range(1_000):
                bad.sendall(update)
                if _closed(server, "slow_reader"):
                    break
        # Its session ends a little after its connection: while the server answers others.
        assert any(_closed(server, "slow_reader") for _ in range(200))
        assert ask(good, "Hello?") == "Yes."


def _frame(text: bytes) -> bytes:
    """A text frame of a client, with a mask of zeros."""
    assert len(text) < 65_536
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text
