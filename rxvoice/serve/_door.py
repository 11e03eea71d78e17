"""`Door`: who may come in, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Door:
    """Counts the sessions, and closes the door when the server drains.

    Args:
        max_sessions: how many there may be at a time.
    """

    def __init__(self, max_sessions: int) -> None:
        self._most = max_sessions
        self._here: set[Callable[[int, str], None]] = set()
        self._empty = asyncio.Event()
        self.draining = False

    @property
    def here(self) -> int:
        """How many sessions there are."""
        return len(self._here)

    def admit(self) -> str | None:
        """Why nobody may come in now; None if one may."""
        if self.draining:
            return "draining"
        return "full" if len(self._here) >= self._most else None

    @contextmanager
    def enter(self, close: Callable[[int, str], None]) -> Iterator[None]:
        """Count a session while it lasts.

        Args:
            close: ends it, with the socket's code and a reason.
        """
        self._here.add(close)
        try:
            yield
        finally:
            self._here.discard(close)
            if not self._here:
                self._empty.set()

    async def drain(self, timeout_s: float) -> None:
        """Let nobody in, wait for the sessions to end, and end those that are left."""
        self.draining = True
        self._empty.clear()
        if self._here:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()
            except TimeoutError:
                for close in list(self._here):
                    close(1012, "draining")
