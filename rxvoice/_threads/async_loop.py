"""asyncio's loops: which one an async model's answer runs on, and how long a task may hold it.

An async answer runs on the loop that is running where the model is called. Without one it runs on
the app's loop, if `adopt` or the subscription's scheduler names it. Otherwise it runs on one loop
on the thread "rxvoice-async", which all conversations of the process share. So a client that
belongs to a loop, such as an ``AsyncOpenAI`` that a whole program uses, stays on the same loop from
turn to turn.
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

CLOSING_S = 2.0
"""How long an answer that is over may take to close."""
_SLICE_S = 0.001

_log = logging.getLogger("rxvoice")
_apps: WeakKeyDictionary[abc.SchedulerBase, asyncio.AbstractEventLoop] = WeakKeyDictionary()


def adopt(scheduler: abc.SchedulerBase, loop: asyncio.AbstractEventLoop) -> None:
    """Run async answers on the app's loop where a pipe is subscribed to with this scheduler."""
    _apps[scheduler] = loop


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs on this thread; None where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def loop_of(scheduler: abc.SchedulerBase | None) -> asyncio.AbstractEventLoop:
    """Return the loop for an async answer on a thread where no loop runs."""
    if scheduler is not None and (app := _apps.get(scheduler)) is not None:
        return app
    if isinstance(scheduler, AsyncIOScheduler):
        return scheduler._loop  # pyright: ignore[reportPrivateUsage]
    return _shared.get()


class Slice:
    """A task's slice of its loop's time: after a millisecond of work other tasks run."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.begin()

    def begin(self) -> None:
        """Begin a slice: other tasks have run."""
        self._began = self._loop.time()

    async def rest(self) -> None:
        """Let other tasks run if the slice is over."""
        if self._loop.time() - self._began > _SLICE_S:
            await asyncio.sleep(0)
            self.begin()


class _SharedLoop:
    """The loop on the thread "rxvoice-async": from the first async answer to the process's end."""

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
            except BaseException:  # asyncio raises the SystemExit of a model's own task
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
        """Cancel what is left, and wait a while for the thread to end."""
        with self._lock:
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLOSING_S)

    def forget(self) -> None:
        """Start afresh in a forked process: the thread stayed with the parent."""
        self.__init__()


_shared = _SharedLoop()
atexit.register(_shared.end)
os.register_at_fork(after_in_child=_shared.forget)
