"""An async answer, as a task of an event loop that outlives it.

The loop is the one that runs where the answer is asked for; else the app's own, where `adopt` or
the subscription's scheduler names it; else one on a thread "rxvoice-async", which all conversations
of the process share: a client of one loop, such as an ``AsyncOpenAI`` that a whole program uses, is
then on the same one at every turn of each of them.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from reactivex import abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler.eventloop import AsyncIOScheduler

from rxvoice._answers.limits import Watch
from rxvoice._answers.pieces import close_async, raise_if_ctrl_c
from rxvoice._answers.steps import ON_WAY

__all__ = ["adopt", "follow_async", "running_loop"]

T = TypeVar("T")
P = TypeVar("P", contravariant=True)

Action: TypeAlias = Callable[[], None]

_CLOSING_S = 2.0
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


class Taken(Protocol[P]):
    """An answer, whose pieces come by themselves."""

    def take(self, piece: P, /) -> None:
        """Deliver a piece, unless life is over."""
        ...

    def end(self) -> None:
        """Deliver the end, unless life is over."""
        ...

    def stop(self, error: BaseException, /) -> None:
        """Deliver an error, unless life is over."""
        ...


def follow_async(
    pieces: AsyncGenerator[T],
    source: object,
    answer: Taken[T],
    *,
    life: CompositeDisposable,
    watch: Watch,
    scheduler: abc.SchedulerBase | None,
    place: abc.SchedulerBase | None,
) -> None:
    """Deliver an async answer; disposing of `life` cancels its task at once.

    Args:
        source: what the pieces were made of: closed where it was never awaited.
        scheduler: of the subscription.
        place: where to deliver them, for a loop of another thread. None: here, and so this thread
            waits for all of the answer.
    """
    here = running_loop()
    if here is not None:
        _Task(here, pieces, source, answer, life, watch, _at_once).start()
        return
    loop = _loop_of(scheduler)
    if place is not None:
        _Task(loop, pieces, source, answer, life, watch, _send_to(place)).start()
        return
    inbox = _Inbox(life, watch)
    # One at a time, as a generator is pulled: the model is asked no further than was taken.
    task = _Task(loop, pieces, source, answer, life, watch, inbox.put, ahead=1, on_done=inbox.close)
    task.start()
    try:
        inbox.run()
    except BaseException as error:
        task.cancel()
        if isinstance(error, KeyboardInterrupt):  # of this thread, which only waited
            answer.stop(error)
        raise


def _at_once(action: Action, taken: Action) -> None:
    action()
    taken()


def _send_to(place: abc.SchedulerBase) -> Callable[[Action, Action], None]:
    def send(action: Action, taken: Action) -> None:
        def run(*_: object) -> None:
            try:
                action()
            finally:
                taken()

        place.schedule(run)

    return send


class _Inbox:
    """What is delivered on a thread that waits for it."""

    def __init__(self, life: CompositeDisposable, watch: Watch) -> None:
        self._life = life
        self._watch = watch
        self._actions: SimpleQueue[Action | None] = SimpleQueue()
        life.add(Disposable(lambda: self._actions.put(_nothing)))

    def put(self, action: Action, taken: Action) -> None:
        self._actions.put(action)
        self._actions.put(taken)

    def close(self) -> None:
        self._actions.put(None)

    def run(self) -> None:
        while True:
            over = self._life.is_disposed
            left = _CLOSING_S if over else self._watch.left()
            try:
                action = self._actions.get(timeout=min(max(left, 0.0), threading.TIMEOUT_MAX))
            except Empty:
                if over:
                    _log.warning("a model takes longer than %g s to be closed", _CLOSING_S)
                    return
                self._watch.expire()
                continue
            if action is None:
                return
            action()


class _Task(Generic[T]):
    """A task that takes the pieces of an answer.

    Args:
        send: delivers, and calls the second argument when that is done.
        ahead: how many pieces there may be that were not taken.
        on_done: called when all is over, closing too.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pieces: AsyncGenerator[T],
        source: object,
        answer: Taken[T],
        life: CompositeDisposable,
        watch: Watch,
        send: Callable[[Action, Action], None],
        *,
        ahead: int = ON_WAY,
        on_done: Action | None = None,
    ) -> None:
        self._loop = loop
        self._pieces = pieces
        self._source = source
        self._answer = answer
        self._life = life
        self._watch = watch
        self._send = send
        self._on_done = on_done
        self._begun = self._asked = False  # the first step is asked for with the answer
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Semaphore(ahead)

    def start(self) -> None:
        self._life.add(Disposable(self.cancel))
        if running_loop() is self._loop:
            self._start()
        elif not self._call(self._start):
            if asyncio.iscoroutine(self._source):
                self._source.close()
            self._answer.stop(RuntimeError("the event loop of the app is closed"))
            self._done()
            return
        self._watch.arm()

    def cancel(self) -> None:
        """Take no more of it, and close it; from any thread."""
        if running_loop() is self._loop:
            self._cancel()
        else:
            self._call(self._cancel)

    def _call(self, action: Action) -> bool:
        try:
            self._loop.call_soon_threadsafe(action, context=contextvars.copy_context())
        except RuntimeError:  # it is closed
            return False
        return True

    def _start(self) -> None:
        self._task = task = self._loop.create_task(self._run())
        task.add_done_callback(self._finished)

    def _cancel(self) -> None:
        # Before its first step, and while it delivers, it sees for itself that life is over.
        task = self._task
        if task is not None and self._begun and asyncio.current_task() is not task:
            task.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._done()
        if not task.cancelled():
            task.result()  # what downstream raised, to the loop's exception handler

    def _done(self) -> None:
        if self._on_done is not None:
            self._on_done()

    async def _run(self) -> None:
        self._begun = True
        try:
            await self._take_all()
        except asyncio.CancelledError as error:
            if not self._life.is_disposed:  # it is the loop that ends, or the model's own doing
                self._stop(error)
            raise
        finally:
            await close_async(self._pieces, self._source)

    async def _take_all(self) -> None:
        while not self._life.is_disposed:
            await self._room.acquire()
            if self._asked:
                self._watch.asked()
                self._watch.arm()
            self._asked = True
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                if self._watch.came():
                    self._deliver(self._answer.end)
                return
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and _is_cancelling():
                    raise
                self._stop(error)
                raise_if_ctrl_c(error)
                return
            if not self._watch.came():
                return
            self._deliver(partial(self._answer.take, piece))

    def _stop(self, error: BaseException) -> None:
        if self._watch.came(raised=True):
            self._deliver(partial(self._answer.stop, error))

    def _deliver(self, action: Action) -> None:
        self._send(action, self._taken)

    def _taken(self) -> None:
        if running_loop() is self._loop:
            self._room.release()
        else:
            self._call(self._room.release)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _nothing() -> None:
    """Wakes whoever waits."""


def _loop_of(scheduler: abc.SchedulerBase | None) -> asyncio.AbstractEventLoop:
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
            thread.join(_CLOSING_S)

    def forget(self) -> None:
        """The thread is the parent process's."""
        self.__init__()


_shared = _SharedLoop()
atexit.register(_shared.end)
os.register_at_fork(after_in_child=_shared.forget)
