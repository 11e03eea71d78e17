"""An event loop whose clock nobody can set, for sinks that play without a device."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from reactivex import typing
from reactivex.internal.basic import default_now
from reactivex.scheduler import EventLoopScheduler


class MonotonicLoop(EventLoopScheduler):
    """An event loop by ``time.monotonic()``. Its thread lasts as long as there is work.

    Args:
        name: the name of the thread.
    """

    def __init__(self, name: str) -> None:
        def thread(target: typing.StartableTarget) -> threading.Thread:
            return threading.Thread(target=target, name=name, daemon=True)

        super().__init__(thread, exit_if_empty=True)
        self._began = default_now()
        self._monotonic = time.monotonic()

    @property
    def now(self) -> datetime:
        """The time by the wall clock when the loop was made, plus the time since."""
        return self._began + timedelta(seconds=time.monotonic() - self._monotonic)
