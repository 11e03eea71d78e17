"""`source`: what an async iterable gives, as an observable."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import Generic, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._threads.async_loop import Slice, running_loop
from rxvoice.errors import ConfigError

T = TypeVar("T")


def source(
    iterable: AsyncIterable[T] | Callable[[], AsyncIterable[T]],
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Observable[T]:
    """Make an observable of an async iterable, such as an async generator that reads a socket.

    Emits: each item, when it comes.
    Completes: with the iterable.
    Errors: with what the iterable raises. `ConfigError` when no loop is known, when the function
        makes no async iterable, and on the second subscription to something that can be iterated
        once, such as an async generator. `RuntimeError` when somebody cancels the task.
    Drops: nothing: the next item is asked for when the subscriber is done with the last.
    Runs on: a task of the loop, in the context (``contextvars``) of the subscriber. Disposal, on
        any thread, cancels the task and closes the generator there.

    Args:
        iterable: an async iterable, or a function that makes one for each subscription.
        loop: where the task runs. None for the loop that runs where `source` is subscribed to,
            or, without one, the loop that ran where `source` was called.
    """
    if not callable(iterable) and not isinstance(cast("object", iterable), AsyncIterable):
        raise ConfigError(
            f"source wanted an async iterable or a function that makes one, got {iterable!r}"
        )
    called_in = running_loop()
    used = False

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        nonlocal used
        home = loop or running_loop() or called_in
        if home is None:
            observer.on_error(
                ConfigError(
                    "source found no running asyncio loop: subscribe in one, or pass loop=..."
                )
            )
            return Disposable()
        once = isinstance(iterable, AsyncIterator)
        if once and used:
            observer.on_error(
                ConfigError(
                    "an async generator can be subscribed to once: pass the function that makes "
                    "it, as source(function)"
                )
            )
            return Disposable()
        used = True
        made = iterable() if not once and callable(iterable) else iterable
        if not isinstance(made, AsyncIterable):
            if isinstance(made, Coroutine):
                made.close()
            observer.on_error(
                ConfigError(
                    f"source wanted an async iterable of {iterable!r}, and it gave {made!r}: an "
                    "async generator is an async def with a yield"
                )
            )
            return Disposable()
        return _IterableTask(home, cast("AsyncIterable[T]", made), observer).begin()

    return Observable(subscribe)


class _IterableTask(Generic[T]):
    """A task of a loop that gives the items of an async iterable to an observer."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        iterable: AsyncIterable[T],
        observer: abc.ObserverBase[T],
    ) -> None:
        self._loop = loop
        self._iterable = iterable
        self._observer = observer
        self._task: asyncio.Task[None] | None = None
        self._begun = self._over = False

    def begin(self) -> abc.DisposableBase:
        self._on_loop(self._start)
        return Disposable(self._dispose)

    def _on_loop(self, action: Callable[[], None]) -> None:
        if running_loop() is self._loop:
            action()
            return
        try:
            self._loop.call_soon_threadsafe(action, context=contextvars.copy_context())
        except RuntimeError:
            if not self._over:
                self._over = True
                self._observer.on_error(ConfigError("the loop of this source is closed"))

    def _start(self) -> None:
        self._task = self._loop.create_task(self._run())
        # What downstream raises goes to the loop's exception handler.
        self._task.add_done_callback(lambda done: None if done.cancelled() else done.result())

    def _dispose(self) -> None:
        self._over = True
        self._on_loop(self._cancel)

    def _cancel(self) -> None:
        # Before its first step, and within `on_next`, the task checks `_over` itself.
        task = self._task
        if task is not None and self._begun and task is not asyncio.current_task(self._loop):
            task.cancel()

    async def _run(self) -> None:
        self._begun = True
        try:
            items = aiter(self._iterable)
        except BaseException as error:
            self._fail(error)
            return
        try:
            await self._deliver(items)
        except asyncio.CancelledError:
            self._finish(RuntimeError("the task of this source was cancelled"))
            raise
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    async def _deliver(self, items: AsyncIterator[T]) -> None:
        time = Slice(self._loop)
        while not self._over:
            try:
                item = await anext(items)
            except StopAsyncIteration:
                self._finish(None)
                return
            except asyncio.CancelledError as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                self._fail(error)
                return
            except BaseException as error:
                self._fail(error)
                return
            if self._over:
                return
            self._observer.on_next(item)
            await time.rest()

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._finish(error)
            return
        failed = RuntimeError(f"the async iterable of this source raised {error!r}")
        failed.__cause__ = error
        self._finish(failed)
        raise_if_ctrl_c(error)

    def _finish(self, error: Exception | None) -> None:
        if self._over:
            return
        self._over = True
        if error is None:
            self._observer.on_completed()
        else:
            self._observer.on_error(error)
