"""The main thread, while a conversation goes on beside it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType

from rxvoice._ui import UiScheduler

__all__ = ["MainLoop", "ending_signals"]


class MainLoop(UiScheduler):
    """A scheduler whose actions run on the thread that is in `run`."""

    def __init__(self) -> None:
        super().__init__()
        self._awake: SimpleQueue[None] = SimpleQueue()

    def run(
        self, until: Callable[[], bool], draw: Callable[[float], None], *, every: float
    ) -> None:
        """Run what is scheduled, and draw, until that is so.

        Args:
            until: asked after whatever happens, and at each drawing.
            draw: told ``time.monotonic()``.
            every: seconds between two drawings.
        """
        due = time.monotonic()
        while not until():
            with suppress(Empty):
                self._awake.get(timeout=max(0.0, due - time.monotonic()))
                self._run()
            if (now := time.monotonic()) >= due:
                due = now + every
                draw(now)

    def wake(self) -> None:
        """Have `until` asked; from any thread or signal handler."""
        self._awake.put(None)

    def _wake(self) -> None:
        self._awake.put(None)

    def _later(self, ms: int, action: Callable[[], None]) -> None:
        def due(*_: object) -> None:
            action()

        timer = threading.Timer(ms / 1000, self.schedule, (due,))
        timer.daemon = True
        timer.start()


@contextmanager
def ending_signals(first: Callable[[], None], second: Callable[[], None]) -> Generator[None]:
    """Ctrl-C, a polite kill or a closed terminal calls `first`; another one calls `second`.

    On another thread than the main one, where there are no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        call, asked = second if asked else first, True
        call()

    which = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):
        which.append(signal.SIGHUP)
    before = [signal.signal(it, handle) for it in which]
    try:
        yield
    finally:
        for it, handler in zip(which, before, strict=True):
            signal.signal(it, handler)
