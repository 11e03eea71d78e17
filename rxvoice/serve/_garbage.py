"""The garbage collector of a server, so that it does not stop all sessions again and again."""

from __future__ import annotations

import asyncio
import gc

from rxvoice.serve._drain import Drain

_YOUNG = (5_000, 20, 1_000_000)
"""Thresholds of the collector: by itself it does not look at what has lived for long."""
_EVERY_S = 1.0
_SESSIONS = 50
_LONGEST_S = 300


async def collect_garbage(drain: Drain) -> None:
    """Say when garbage is collected in this process, until cancelled. Then all is as before.

    A collection of everything stops the loop for the longer the more sessions there are: 0.1 s with
    300. Turns leave nothing to it, and models are never garbage. So everything is collected only
    when no session is there, once as many are over as there are, 50 at the least, and at least
    every five minutes.
    """
    while drain.unready == "loading":
        await asyncio.sleep(_EVERY_S)
    _seldom.begin()
    loop = asyncio.get_running_loop()
    over, at = drain.over, loop.time()
    try:
        while True:
            await asyncio.sleep(_EVERY_S)
            ended = drain.over - over
            due = ended >= max(_SESSIONS, drain.sessions) or (ended and not drain.sessions)
            if due or loop.time() - at >= _LONGEST_S:
                gc.collect()
                over, at = drain.over, loop.time()
    finally:
        _seldom.end()


class _Seldom:
    """The process's own collections, seldom while any server wants that."""

    def __init__(self) -> None:
        self._servers = 0
        self._before = gc.get_threshold()

    def begin(self) -> None:
        if not self._servers:
            self._before = gc.get_threshold()
            gc.set_threshold(*_YOUNG)
        self._servers += 1
        gc.collect()
        gc.freeze()

    def end(self) -> None:
        self._servers -= 1
        if not self._servers:
            gc.set_threshold(*self._before)
            gc.unfreeze()


_seldom = _Seldom()
