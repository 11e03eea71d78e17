"""asyncio: events of a conversation in an ``async for``, async iterables as sources.

For asyncio's own loop, or one that stands in for it (uvloop); not for trio.

Which scheduler goes where, in an app with a running loop:

- ``aio.events(pipe, ...)`` needs none: what wants a thread gets one, and the loop is never held.
- To have a subscription's callbacks on the loop: ``AsyncIOThreadSafeScheduler(loop)`` of
  ``reactivex.scheduler.eventloop``, as ``rxv.live(pipe, deliver_on=...)``. Not
  ``AsyncIOScheduler``: what it is given by another thread waits until something else wakes the
  loop.
- ``worker=`` of a stage takes neither: a model that computes belongs on a thread of its own, and
  one that awaits, an ``async def`` or an async generator, needs no worker.

Models that await: in ``aio.events`` they are tasks of the app's own loop, and so they are wherever
a pipe is subscribed to on a running loop or with one of asyncio's schedulers. Everywhere else they
are tasks of one loop on a thread "rxvoice-async", which lasts as long as the process: a client that
belongs to a loop, such as an ``AsyncOpenAI``, may be kept, and shared.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from threading import Lock
from typing import Generic, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._check import whole
from rxvoice._threads.async_loop import adopt, running_loop
from rxvoice._threads.loop import Loop
from rxvoice.errors import ConfigError, QueueFull
from rxvoice.events import Notice
from rxvoice.operators.handoff import Overflow

__all__ = ["EventIterator", "Events", "Overflow", "events", "source"]

T = TypeVar("T")

_TURN = 0.001  # seconds that an iteration may go on before the loop's other tasks have their turn


def events(
    observable: Observable[T],
    *,
    max_items: int,
    overflow: Overflow,
    scheduler: abc.SchedulerBase | None = None,
) -> Events[T]:
    """What an observable emits, on whichever thread, for an ``async for`` in a running loop.

    ```python
    async for event in rxv.aio.events(pipe, max_items=100, overflow="drop_oldest"):
        print(event)
    ```

    Emits: the elements, in order; where some were dropped, a `Notice` in their place, whose
        ``detail`` says how many.
    Completes: with the observable, after what is queued; and by ``aclose()``.
    Errors: raises the observable's error, or what a part of it raised, after what is queued;
        `QueueFull` with ``overflow="fail"``.
    Drops: what does not fit, as `overflow` says; counted in ``dropped``. An app that stops reading
        stops nothing else.
    Runs on: the loop in which the iteration begins. It is woken once for a burst of elements, and
        its other tasks have a turn at least every millisecond of a burst.

    Each iteration subscribes, and disposes of it at once when it ends: by ``break``, by an error,
    or when its task is cancelled while it waits.

    Args:
        max_items: how many elements wait at the most, 1 or more.
        overflow: what happens to one more: ``"drop_oldest"`` drops the one that waited longest,
            ``"drop_newest"`` that one, ``"fail"`` ends the iteration.
        scheduler: what to subscribe with; None for a thread of its own, which starts when the
            observable asks for it, as a file does and a `Subject` does not.
    """
    whole("events max_items", max_items, 1, "items")
    if overflow not in ("drop_oldest", "drop_newest", "fail"):
        raise ConfigError(
            f'events overflow must be "drop_oldest", "drop_newest" or "fail", got {overflow!r}'
        )
    return Events(observable, max_items, overflow, scheduler)


class Events(AsyncIterable[T | Notice]):
    """Made by `events`."""

    def __init__(
        self,
        observable: Observable[T],
        max_items: int,
        overflow: Overflow,
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._observable = observable
        self._max_items = max_items
        self._overflow: Overflow = overflow
        self._scheduler = scheduler
        self._boxes: set[_Mailbox[T]] = set()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many elements were dropped so far, in all iterations."""
        return self._dropped + sum(box.dropped for box in tuple(self._boxes))

    def __aiter__(self) -> EventIterator[T]:
        """Subscribe, in a running loop."""
        box = _Mailbox[T](asyncio.get_running_loop(), self._max_items, self._overflow, self._gone)
        self._boxes.add(box)
        box.follow(self._observable, self._scheduler)
        return EventIterator(box)

    async def aclose(self) -> None:
        """End the iterations in progress, and dispose of their subscriptions."""
        for box in tuple(self._boxes):
            box.close()

    def _gone(self, box: _Mailbox[T]) -> None:
        if box in self._boxes:
            self._boxes.remove(box)
            self._dropped += box.dropped


class EventIterator(AsyncIterator[T | Notice]):
    """One iteration of `Events`; for one task at a time."""

    def __init__(self, box: _Mailbox[T]) -> None:
        self._box = box

    def __aiter__(self) -> EventIterator[T]:
        return self

    async def __anext__(self) -> T | Notice:
        """The next element; a cancelled wait ends the iteration."""
        try:
            return await self._box.take()
        except asyncio.CancelledError:
            self._box.close()
            raise

    async def aclose(self) -> None:
        """End it, and dispose of its subscription; again does nothing."""
        self._box.close()

    def __del__(self) -> None:
        # A `break` leaves the iterator to nobody, and it ends here.
        self._box.close()


class _Mailbox(Generic[T]):
    """Elements on their way from any thread to one task of a loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        max_items: int,
        overflow: Overflow,
        gone: Callable[[_Mailbox[T]], None],
    ) -> None:
        self._loop = loop
        self._max_items = max_items
        self._overflow: Overflow = overflow
        self._gone = gone
        self._lock = Lock()
        self._items: deque[T | Notice] = deque()
        self._lost = 0  # dropped, and not told yet
        self._over = False
        self._error: Exception | None = None
        self._closed = False
        self._asleep = False
        self._waiter: asyncio.Future[None] | None = None
        self._rested = loop.time()
        self._life = SingleAssignmentDisposable()
        self._thread: Loop | None = None
        self.dropped = 0

    def follow(self, observable: Observable[T], scheduler: abc.SchedulerBase | None) -> None:
        if scheduler is None:
            scheduler = self._thread = Loop("rxvoice-conversation", on_raise=self._raised)
        adopt(scheduler, self._loop)
        self._life.disposable = observable.subscribe(
            self._put, self._end, self._end, scheduler=scheduler
        )

    def _put(self, item: T) -> None:
        with self._lock:
            if self._over:
                return
            full = len(self._items) >= self._max_items
            if full and self._overflow == "fail":
                failed = QueueFull(
                    f"{self._max_items} events wait and another came: read them sooner, raise "
                    "max_items, or choose what to drop by overflow"
                )
            else:
                failed = None
                self._keep(item, full=full)
                wake, self._asleep = self._asleep, False
                if not wake:
                    return
        if failed is not None:
            self._end(failed)
        else:
            self._wake()

    def _keep(self, item: T, *, full: bool) -> None:
        if full:
            self._lost += 1
            self.dropped += 1
            if self._overflow == "drop_newest":
                return
            self._items.popleft()
        elif self._overflow == "drop_newest":
            self._tell()
        self._items.append(item)

    def _tell(self) -> None:
        """Put the notice of what was dropped behind what waits."""
        if self._lost:
            self._items.append(_notice(self._lost))
            self._lost = 0

    def _end(self, error: Exception | None = None) -> None:
        with self._lock:
            if self._over:
                return
            if self._overflow == "drop_newest":
                self._tell()
            self._over, self._error = True, error
            wake, self._asleep = self._asleep, False
        self._leave()
        if wake:
            self._wake()

    def _raised(self, error: BaseException) -> None:
        """A part of the observable raised on the thread that it was given."""
        if isinstance(error, Exception):
            self._end(error)
        else:
            self._end(RuntimeError(f"the conversation thread was told to end by {error!r}"))

    def close(self) -> None:
        """End it at once, without what waits; from any thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = self._over = True
            self._error = None
            self._items.clear()
            self._lost = 0
            wake, self._asleep = self._asleep, False
        self._leave()
        self._gone(self)
        if wake:
            self._wake()

    def _leave(self) -> None:
        self._life.dispose()
        if self._thread is not None:
            self._thread.dispose()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._woken)
        except RuntimeError:  # the loop is closed: nobody will read any more
            self.close()

    def _woken(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> T | Notice:
        if self._waiter is not None:
            raise RuntimeError("another task waits for this iterator: give each one of its own")
        if self._loop.time() - self._rested > _TURN:
            await asyncio.sleep(0)
            self._rested = self._loop.time()
        while True:
            with self._lock:
                if self._lost and self._overflow != "drop_newest":
                    lost, self._lost = self._lost, 0
                    return _notice(lost)
                if self._items:
                    return self._items.popleft()
                if self._over:
                    error = self._error
                    break
                self._asleep = True
                self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._rested = self._loop.time()
        self.close()
        if error is not None:
            raise error
        raise StopAsyncIteration


def _notice(lost: int) -> Notice:
    what = "event was" if lost == 1 else "events were"
    return Notice(f"{lost} {what} dropped here: they were not read in time", lost)


def source(
    iterable: AsyncIterable[T] | Callable[[], AsyncIterable[T]],
    *,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Observable[T]:
    """What an async iterable gives, such as an async generator that reads a socket.

    Emits: each item, when it comes.
    Completes: with the iterable.
    Errors: with what it raises; `ConfigError` where no loop is known, for a function that makes
        something else, and for a second subscription to what can be iterated only once: an async
        generator, rather than the function that makes one; `RuntimeError` when somebody cancels
        its task.
    Drops: nothing; what is subscribed holds the iterable back.
    Runs on: a task of the loop, in the context (``contextvars``) of the subscriber. Disposing of
        it, on any thread, cancels the task and closes the generator there.

    Args:
        iterable: it, or a function that makes one for each subscription.
        loop: None for the loop that runs where it is subscribed to, or else where `source` was
            called.
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
        return _Drive(home, cast("AsyncIterable[T]", made), observer).begin()

    return Observable(subscribe)


class _Drive(Generic[T]):
    """A task that hands the items of an async iterable to an observer."""

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
        # What comes from downstream goes to the loop's exception handler.
        self._task.add_done_callback(lambda done: None if done.cancelled() else done.result())

    def _dispose(self) -> None:
        self._over = True
        self._on_loop(self._cancel)

    def _cancel(self) -> None:
        # Before its first step, and within `on_next`, it sees for itself that it is over.
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
        rested = self._loop.time()
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
            if self._loop.time() - rested > _TURN:
                await asyncio.sleep(0)
                rested = self._loop.time()

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
