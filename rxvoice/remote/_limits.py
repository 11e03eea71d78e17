"""How long one call to a server may take, and how much may come before the answer begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

BEFORE_IT_BEGINS = 256 * 1024
"""Bytes of headers, and of the body of a refusal, that a server may send."""

_WRITTEN_AT_ONCE = 16_384  # bytes; the time is checked between two of these


class OutOfTime(Exception):
    """A call took too much time."""


class TooMuch(Exception):
    """A server sent more than it may."""


class Allowance:
    """The time and the bytes that one call may still take.

    Only the time counts in which the client waits for the server. So a voice that is read as fast
    as it is played may go on for as long as it is played.

    Args:
        seconds: in all; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._left = float("inf") if seconds is None else seconds
        self._deadline = float("inf")
        self._bytes: int | None = None

    @property
    def left(self) -> float:
        """Seconds, 0 or more."""
        return max(0.0, min(self._left, self._deadline - time.monotonic()))

    @contextmanager
    def spent(self, *, bytes: int | None = None) -> Generator[None]:
        """Count what this thread's connections take in this block.

        Args:
            bytes: how many may be received meanwhile; None for any number.
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
        """Reduce what is left to at most this."""
        self._left = min(self._left, seconds)
        self._deadline = min(self._deadline, time.monotonic() + seconds)

    def within(self, timeout: float | None, act: Callable[[float | None], T]) -> T:
        """Call `act` with a time limit: `timeout`, or what is left if that is less.

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
        """Count received bytes.

        Raises:
            TooMuch: they are more than allowed.
        """
        if self._bytes is not None:
            self._bytes -= bytes
            if self._bytes < 0:
                raise TooMuch


_current: ContextVar[Allowance | None] = ContextVar("allowance", default=None)


def bound(client: Any) -> None:
    """Make the connections of an httpx client keep to the `Allowance` of the thread that waits.

    httpx itself counts only silence: each byte restarts its time limit, even one of a header. It
    has no public way to its connections; a test holds the private one that is used here.
    """
    for transport in (client._transport, *client._mounts.values()):
        if transport is not None:
            pool = transport._pool
            pool._network_backend = _Backend(pool._network_backend)


class _Connection(Protocol):
    """A ``NetworkStream`` of httpcore."""

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
