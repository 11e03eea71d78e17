"""A real server on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

WAIT = 60


@contextmanager
def serving(app: Any, **config: Any) -> Iterator[str]:
    """Run an app in a thread; gives its host and port.

    Args:
        config: for uvicorn.
    """
    options = uvicorn.Config(app, log_level="error", ws="websockets-sansio", **config)
    server = uvicorn.Server(options)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],), name="server")
    thread.start()
    try:
        # What connects before the server has started waits in the socket's queue.
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT)
        listening.close()
        assert not thread.is_alive()
