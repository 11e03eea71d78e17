"""The event loop of an async answer.

It is the one that runs where the answer is asked for; else the app's own, where `adopt` or
the subscription's scheduler names it; else one on a thread "rxvoice-async", which all conversations
of the process share: a client of one loop, such as an ``AsyncOpenAI`` that a whole program uses, is
then on the same one at every turn of each of them.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from weakref import WeakKeyDictionary

from reactivex import abc
from reactivex.scheduler.eventloop import AsyncIOScheduler

__all__ = ["CLOSING_S", "adopt", "loop_of", "running_loop"]

CLOSING_S = 2.0
"""How long an answer that is over may take to close."""

_log = logging.getLogger("rxvoice")
_apps: WeakKeyDictionary[abc.SchedulerBase, asyncio.AbstractEventLoop] = WeakKeyDictionary()


def adopt(scheduler: abc.SchedulerBase, loop: asyncio.AbstractEventLoop) -> None:
    """Have the async answers of what is subscribed to with this scheduler run on the app's loop."""
    _apps[scheduler] = loop


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop of this thread, if one runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def loop_of(scheduler: abc.SchedulerBase | None) -> asyncio.AbstractEventLoop:
    """The loop for what is asked on a thread where none runs."""
    if scheduler is not None and (app := _apps.get(scheduler)) is not None:
        return app
    if isinstance(scheduler, AsyncIOScheduler):
        return scheduler._loop  # pyright: ignore[reportPrivateUsage]
    return _shared.get()


class _SharedLoop:
    """The loop of the thread "rxvoice-async", from the first async answer to the process's end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="rxvoice-async", daemon=True
                )
                self._thread.start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                loop.run_forever()
            except BaseException:  # asyncio lets the SystemExit of a task of the model's own pass
                _log.exception("a task on the thread 'rxvoice-async' raised")
            else:
                break
        try:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def end(self) -> None:
        """Cancel what is left, and end the thread; waits for it a while."""
        with self._lock:
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLOSING_S)

    def forget(self) -> None:
        """The thread is the parent process's."""
        self.__init__()


_shared = _SharedLoop()
atexit.register(_shared.end)
os.register_at_fork(after_in_child=_shared.forget)
