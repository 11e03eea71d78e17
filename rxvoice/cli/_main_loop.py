"""The loop of the main thread, while a conversation runs on another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from rxvoice._threads.window import UiScheduler


class MainLoop(UiScheduler):
    """A scheduler whose actions run on the thread that calls `run`."""

    def __init__(self) -> None:
        super().__init__()
        self._awake: SimpleQueue[None] = SimpleQueue()

    def run(
        self, until: Callable[[], bool], draw: Callable[[float], None], *, every: float
    ) -> None:
        """Run scheduled actions, and draw, until a condition holds.

        Args:
            until: the condition; checked after each action and each drawing.
            draw: called with ``time.monotonic()``.
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
        """Make the loop check `until`. Any thread or signal handler may call this."""
        self._awake.put(None)

    def _wake(self) -> None:
        self._awake.put(None)

    def _later(self, ms: int, action: Callable[[], None]) -> None:
        def due(*_: object) -> None:
            action()

        timer = threading.Timer(ms / 1000, self.schedule, (due,))
        timer.daemon = True
        timer.start()
