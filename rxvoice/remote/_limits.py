"""How long a server may keep one call, and how much it may send before its answer begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

__all__ = ["BEFORE_IT_BEGINS", "Allowance", "OutOfTime", "TooMuch", "bound"]

T = TypeVar("T")

BEFORE_IT_BEGINS = 256 * 1024
"""Bytes of headers, and of the body of a refusal, that a server may send."""

_WRITTEN_AT_ONCE = 16_384  # bytes; the time is looked at between two of these


class OutOfTime(Exception):
    """The time for a call is used up."""


class TooMuch(Exception):
    """A server sends more than it may."""


class Allowance:
    """What one call may still take: only the time that is spent waiting for the server counts.

    So a voice that is read as fast as it is played may go on for as long as it is played.

    Args:
        seconds: in all; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._left = float("inf") if seconds is None else seconds
        self._deadline = float("inf")
        self._bytes: int | None = None

    @property
    def left(self) -> float:
        """Seconds; not below 0."""
        return max(0.0, min(self._left, self._deadline - time.monotonic()))

    @contextmanager
    def spent(self, *, bytes: int | None = None) -> Generator[None]:
        """Within it, what connections of this thread take is taken from here.

        Args:
            bytes: how much may be received meanwhile; None for any amount.
        """
        began = time.monotonic()
        self._deadline, self._bytes = began + self._left, bytes
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            self._left = self.left
            self._deadline = float("inf")

    def hurry(self, seconds: float) -> None:
        """Have no more than this left."""
        self._left = min(self._left, seconds)
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def within(self, timeout: float | None, act: Callable[[float | None], T]) -> T:
        """Do what takes a time limit, with what is left where that is less.

        Raises:
            OutOfTime: nothing is left, before or after.
        """
        left = self.left
        if not left:
            raise OutOfTime
        limit = left if timeout is None else min(timeout, left)
        try:
            return act(None if limit == float("inf") else limit)
        except Exception:
            if not self.left:
                raise OutOfTime from None
            raise

    def took(self, bytes: int) -> None:
        """Count what was received.

        Raises:
            TooMuch: it is more than may be.
        """
        if self._bytes is not None:
            self._bytes -= bytes
            if self._bytes < 0:
                raise TooMuch


_current: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def bound(client: Any) -> None:
    """Have the connections of an httpx client keep to the `Allowance` of whoever waits.

    httpx itself counts only silence: each byte that comes starts its time limit again, and so do
    those of a header. No public way leads to its connections; a test holds this one.
    """
    for transport in (client._transport, *client._mounts.values()):
        if transport is not None:
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend)


class _Connection(Protocol):
    """What httpcore calls a NetworkStream."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...
    def write(self, buffer: bytes, timeout: float | None = None) -> None: ...
    def close(self) -> None: ...
    def get_extra_info(self, info: str) -> Any: ...
    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Connection: ...


class _Backend:
    """Opens connections that keep to the allowance."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> _Connection:
        def connect(timeout: float | None) -> _Connection:
            return self._backend.connect_tcp(host, port, timeout=timeout, **options)

        return _Bounded(_within(timeout, connect))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Bounded:
    """A connection that keeps to the allowance."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.close = connection.close
        self.get_extra_info = connection.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = _within(timeout, lambda limit: self._connection.read(max_bytes, limit))
        if allowance := _current.get():
            allowance.took(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), _WRITTEN_AT_ONCE):
            part = buffer[at : at + _WRITTEN_AT_ONCE]
            _within(timeout, lambda limit, part=part: self._connection.write(part, limit))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Connection:
        def start(timeout: float | None) -> _Connection:
            return self._connection.start_tls(ssl_context, server_hostname, timeout)

        return _Bounded(_within(timeout, start))


def _within(timeout: float | None, act: Callable[[float | None], T]) -> T:
    allowance = _current.get()
    return act(timeout) if allowance is None else allowance.within(timeout, act)
