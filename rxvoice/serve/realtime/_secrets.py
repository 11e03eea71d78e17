"""`Secrets`: keys for browsers, which are good for a while and for one configuration."""

from __future__ import annotations

import time
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Any

PREFIX = "ek_"
LIFE_S = 600
_LIVES = (10, 7_200)
_MOST = 10_000


class Secrets:
    """Makes short-lived keys and remembers them.

    Args:
        now: returns the time in seconds since 1970.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}

    def make(self, config: dict[str, Any], seconds: float = LIFE_S) -> tuple[str, int]:
        """Make a key, with the configuration of its sessions. Returns when it expires, too."""
        self._forget()
        least, most = _LIVES
        expires = self._now() + min(most, max(least, seconds))
        value = f"{PREFIX}{token_urlsafe(24)}"
        self._known[value] = (expires, config)
        return value, int(expires)

    def find(self, value: str) -> dict[str, Any] | None:
        """The configuration of a key; None if it is unknown or has expired."""
        self._forget()
        found = self._known.get(value)
        return None if found is None else found[1]

    def _forget(self) -> None:
        now = self._now()
        self._known = {key: it for key, it in self._known.items() if it[0] > now}
        while len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
