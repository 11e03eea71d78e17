"""`Visitors`: how many sessions each address has, and how many texts it types."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from rxvoice.web._limits import Limits, Over

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

_MINUTE = 60.0


def address_of(socket: WebSocket) -> str:
    """Return the address of a client; with IPv6, its network of 64 bits, which one user may have.

    "" if the server does not know it, as on a Unix socket.
    """
    host = socket.client.host if socket.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


class Visitors:
    """Counts the sessions, and the texts that were typed in the last minute, by address.

    Args:
        limits: how many of both there may be.
        now: returns the time, in seconds.
    """

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits = limits
        self._now = now
        self._here: Counter[str] = Counter()
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()  # the latest is last

    @property
    def here(self) -> int:
        """How many sessions are going on."""
        return self._here.total()

    def enter(self, address: str) -> None:
        """Count one more session of an address; raises `Over` if that is one too many."""
        if self.here >= self._limits.max_sessions:
            taken = f"all conversations ({self.here}) are taken: try again later"
            raise Over("full", 1013, taken)
        most = self._limits.max_per_address
        if address and self._here[address] >= most:
            raise Over("address", 1013, f"one address may hold {most} conversations at a time")
        self._here[address] += 1

    def leave(self, address: str) -> None:
        """Count one session less of an address."""
        self._here[address] -= 1
        self._here += Counter[str]()  # removes addresses that have none

    def ask(self, address: str) -> None:
        """Count a text that an address types; raises `Over` if there are too many in a minute."""
        self._forget()
        asked = self._asked.setdefault(address, deque())
        while asked and asked[0] <= self._now() - _MINUTE:
            asked.popleft()
        most = self._limits.max_texts_per_minute
        if len(asked) >= most:
            raise Over("questions", 1008, f"one address may type {most} texts in a minute")
        asked.append(self._now())
        self._asked.move_to_end(address)

    def _forget(self) -> None:
        """Forget addresses that typed nothing for a minute."""
        while self._asked:
            address, asked = next(iter(self._asked.items()))
            if asked and asked[-1] > self._now() - _MINUTE:
                return
            del self._asked[address]
