"""The main thread, while a conversation goes on beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from rxvoice._threads.window import UiScheduler


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
