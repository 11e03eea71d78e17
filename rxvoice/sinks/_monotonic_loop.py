"""A thread with a clock that nobody can set, for what plays without a device."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from reactivex import typing
from reactivex.internal.basic import default_now
from reactivex.scheduler import EventLoopScheduler

__all__ = ["MonotonicLoop"]


class MonotonicLoop(EventLoopScheduler):
    """An event loop by ``time.monotonic()``; its thread lasts as long as there is work.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        def thread(target: typing.StartableTarget) -> threading.Thread:
            return threading.Thread(target=target, name=name, daemon=True)

        super().__init__(thread, exit_if_empty=True)
        self._began = default_now()
        self._monotonic = time.monotonic()

    @property
    def now(self) -> datetime:
        """When it was made, and the time since."""
        return self._began + timedelta(seconds=time.monotonic() - self._monotonic)
