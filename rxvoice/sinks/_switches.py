"""Requests to play on another device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeAlias

from rxvoice.devices import Device
from rxvoice.errors import SinkStalled

_Asked: TypeAlias = tuple[Device, bool]
"""The device, and whether it was chosen because it is the default one."""


class Switches:
    """Requests that threads make and one thread serves, in order."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[_Asked, Future[None]]] = deque()

    def ask(self, device: _Asked) -> Future[None]:
        """Ask for a device. The future ends when it plays, or with the reason why it does not."""
        done: Future[None] = Future()
        self._waiting.append((device, done))
        return done

    def serve(self, switch: Callable[[_Asked], None]) -> None:
        """Serve the requests that wait."""
        with suppress(IndexError):
            while True:
                device, done = self._waiting.popleft()
                try:
                    switch(device)
                except Exception as error:
                    done.set_exception(error)
                else:
                    done.set_result(None)

    def refuse(self) -> None:
        """End the requests that wait: the speaker has been stopped."""
        with suppress(IndexError):
            while True:
                _, done = self._waiting.popleft()
                done.set_exception(SinkStalled("the speaker has been stopped: make a new one"))
