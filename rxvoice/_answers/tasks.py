"""An async answer, as a task of an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeAlias, TypeVar

from reactivex import abc
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice._answers.limits import Watch
from rxvoice._answers.pieces import close_async, raise_if_ctrl_c
from rxvoice._answers.steps import ON_WAY
from rxvoice._threads.async_loop import CLOSING_S, loop_of, running_loop

T = TypeVar("T")
P = TypeVar("P", contravariant=True)

Action: TypeAlias = Callable[[], None]

_log = logging.getLogger("rxvoice")


class Taken(Protocol[P]):
    """An answer whose pieces come by themselves."""

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
    """Deliver an async answer. Disposing of `life` cancels its task at once.

    Args:
        source: what the pieces were made of; closed if it was never awaited.
        scheduler: of the subscription.
        place: where to deliver the pieces that a loop on another thread makes. None for here: then
            this thread waits for the whole answer.
    """
    here = running_loop()
    if here is not None:
        _Task(here, pieces, source, answer, life, watch, _at_once).start()
        return
    loop = loop_of(scheduler)
    if place is not None:
        _Task(loop, pieces, source, answer, life, watch, _send_to(place)).start()
        return
    inbox = _WaitingThread(life, watch)
    # One piece ahead, as with a generator: the model is not asked further than was delivered.
    task = _Task(loop, pieces, source, answer, life, watch, inbox.put, ahead=1, on_done=inbox.close)
    task.start()
    try:
        inbox.run()
    except BaseException as error:
        task.cancel()
        if isinstance(error, KeyboardInterrupt):  # it hit this thread, not the model
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


class _WaitingThread:
    """Delivers on a thread that waits for the answer."""

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
            left = CLOSING_S if over else self._watch.left()
            try:
                action = self._actions.get(timeout=min(max(left, 0.0), threading.TIMEOUT_MAX))
            except Empty:
                if over:
                    _log.warning("a model takes longer than %g s to be closed", CLOSING_S)
                    return
                self._watch.expire()
                continue
            if action is None:
                return
            action()


class _Task(Generic[T]):
    """A task that iterates the pieces of an answer.

    Args:
        send: runs the first argument, which delivers a piece, and then the second.
        ahead: how many pieces may be made before the first of them is delivered.
        on_done: called at the very end, after the answer has been closed.
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
        self._begun = self._asked = False  # `deliver` has counted the first step as asked for
        self._task: asyncio.Task[None]
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
        """Stop iterating, and close the answer; from any thread."""
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
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._finished)

    def _cancel(self) -> None:
        # Before its first step, and while it delivers, the task checks `life` itself.
        if self._begun and asyncio.current_task() is not self._task:
            self._task.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._done()
        if not task.cancelled():
            task.result()  # raises what downstream raised, to the loop's exception handler

    def _done(self) -> None:
        if self._on_done is not None:
            self._on_done()

    async def _run(self) -> None:
        self._begun = True
        try:
            await self._take_all()
        finally:
            await close_async(self._pieces, self._source)

    async def _take_all(self) -> None:
        while not self._life.is_disposed:
            try:
                await self._room.acquire()
                if self._asked:
                    self._watch.asked()
                    self._watch.arm()
                self._asked = True
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                if self._watch.came():
                    self._deliver(self._answer.end)
                return
            except BaseException as error:  # also if the loop ends, or the model cancels itself
                self._stop(error)
                raise_if_ctrl_c(error)
                return
            if not self._watch.came():
                return
            self._deliver(partial(self._answer.take, piece))

    def _stop(self, error: BaseException) -> None:
        if not self._life.is_disposed and self._watch.came(raised=True):
            self._deliver(partial(self._answer.stop, error))

    def _deliver(self, action: Action) -> None:
        self._send(action, self._taken)

    def _taken(self) -> None:
        if running_loop() is self._loop:
            self._room.release()
        else:
            self._call(self._room.release)


def _nothing() -> None:
    """Do nothing but wake the thread that waits."""
