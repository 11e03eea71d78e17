"""`Drain`: whether a server takes a session, and how it comes to its end without cutting one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from rxvoice._check import at_least, whole

Unready: TypeAlias = Literal["loading", "full", "draining"]
"""Why a server takes no session now; the client may try another, or later."""

_CLOSING_S = 2.0  # how long the sessions that are closed may take to end


class Drain:
    """Counts the sessions of a server that is loading, ready or draining. Lives on its event loop.

    Args:
        max_sessions: how many there may be at a time.
        timeout_s: how long sessions may go on after `begin`, in seconds.

    Attributes:
        over: how many sessions have ended.

    Raises:
        ConfigError: a number out of range.
    """

    def __init__(self, max_sessions: int, timeout_s: float) -> None:
        whole("max_sessions", max_sessions, 1, "sessions")
        at_least("drain_timeout_s", timeout_s, 0, "seconds")
        self.max_sessions = max_sessions
        self.timeout_s = timeout_s
        self.over = 0
        self._is_loaded = False
        self._is_draining = False
        self._closes: dict[object, Callable[[int, str], None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return len(self._closes)

    @property
    def unready(self) -> Unready | None:
        """Why no session is taken now; None if one is."""
        if self._is_draining:
            return "draining"
        if not self._is_loaded:
            return "loading"
        return "full" if self.sessions >= self.max_sessions else None

    def loaded(self) -> None:
        """The models are there."""
        self._is_loaded = True

    @contextmanager
    def session(self, close: Callable[[int, str], None]) -> Generator[None]:
        """Count a session in this block.

        Args:
            close: ends the session, with a WebSocket's close code and the reason.
        """
        key = object()
        self._closes[key] = close
        self._empty.clear()
        try:
            yield
        finally:
            del self._closes[key]
            self.over += 1
            if not self._closes:
                self._empty.set()

    def begin(self) -> None:
        """Take no more sessions."""
        self._is_draining = True

    async def done(self) -> int:
        """Take no more sessions, wait until all are over, and close those that last too long.

        Returns:
            how many were closed.
        """
        self.begin()
        try:
            async with asyncio.timeout(self.timeout_s):
                await self._empty.wait()
        except TimeoutError:
            pass
        closes = list(self._closes.values())
        for close in closes:
            close(1012, "draining")
        try:
            async with asyncio.timeout(_CLOSING_S):
                await self._empty.wait()
        except TimeoutError:  # the server's own end takes what is left
            pass
        return len(closes)
