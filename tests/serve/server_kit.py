"""A real server on loopback, for tests with real clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn

from rxvoice import serve

WAIT = 20


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Run a server in a thread; gives its host and port."""
    config = uvicorn.Config(
        app,
        port=0,
        log_level="error",
        ws="websockets-sansio",
        ws_max_size=serve.MAX_MESSAGE_BYTES,
    )
    server = uvicorn.Server(config)
    started = threading.Event()
    address: list[str] = []

    async def run() -> None:
        sockets = [config.bind_socket()]
        task = asyncio.ensure_future(server.serve(sockets))
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        address.append(f"127.0.0.1:{sockets[0].getsockname()[1]}")
        started.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(run()), name="server")
    thread.start()
    try:
        assert started.wait(WAIT)
        yield address[0]
    finally:
        server.should_exit = True
        thread.join(WAIT)
        assert not thread.is_alive()


def pcm(ms: int, value: float = 0.5) -> bytes:
    """Sound at 24 kHz."""
    return np.full(24 * ms, value * 32767, "<i2").tobytes()


def a_turn() -> list[bytes]:
    """Loud for 0.4 s, quiet for 0.7 s."""
    return [pcm(100)] * 4 + [pcm(100, 0)] * 7
