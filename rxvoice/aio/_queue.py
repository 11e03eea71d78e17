"""`EventQueue`: the queue between an observable and one task of an asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import Empty
from threading import Lock
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable

from rxvoice._threads.async_loop import Slice, adopt
from rxvoice._threads.bounded import Bounded, Ended, Hole, Overflow, Room
from rxvoice._threads.loop import Loop
from rxvoice.errors import QueueFull
from rxvoice.events import Notice

T = TypeVar("T")

_FULL = (
    "{} events wait and another came: read them sooner, raise max_events, or choose what to drop "
    "by overflow"
)


class EventQueue(Generic[T]):
    """Carries elements from any thread to one task of a loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        max_events: int,
        overflow: Overflow,
        gone: Callable[[EventQueue[T]], None],
    ) -> None:
        self._loop = loop
        self._gone = gone
        self._source = CompositeDisposable()
        self._waiting_turns = CompositeDisposable()
        room = Room(max_events, str(max_events))
        self._queue: Bounded[T, Notice] = Bounded(
            overflow, lambda _: (room, 1), _report, life=self._waiting_turns, full=_FULL
        )
        self._lock = Lock()
        self._asleep = False
        self._waiter: asyncio.Future[None] | None = None
        self._taken: T | Notice | None = None
        self._slice = Slice(loop)

    @property
    def dropped(self) -> int:
        """How many elements were dropped so far."""
        return self._queue.dropped

    def follow(self, observable: Observable[T], scheduler: abc.SchedulerBase | None) -> None:
        """Subscribe."""
        if scheduler is None:
            scheduler = own = Loop("rxvoice-conversation", on_raise=self._raised)
            self._source.add(Disposable(own.dispose))
        adopt(scheduler, self._loop)
        source = SingleAssignmentDisposable()
        self._source.add(source)
        source.disposable = observable.subscribe(
            self._put, self._end, self._end, scheduler=scheduler
        )

    def _put(self, item: T) -> None:
        try:
            self._queue.put(item)
        except QueueFull as error:
            self._end(error)
        else:
            self._wake()

    def _end(self, error: Exception | None = None) -> None:
        self._queue.end(error)
        self._source.dispose()
        self._wake()

    def _raised(self, error: BaseException) -> None:
        """End it: a part of the observable raised on the thread that it was given."""
        if isinstance(error, Exception):
            self._end(error)
        else:
            self._end(RuntimeError(f"the conversation thread was told to end by {error!r}"))

    def close(self) -> None:
        """End at once, without what waits; from any thread."""
        self._queue.close()
        self._source.dispose()
        self._waiting_turns.dispose()
        self._gone(self)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            wake, self._asleep = self._asleep, False
        if not wake:
            return
        try:
            self._loop.call_soon_threadsafe(self._woken)
        except RuntimeError:  # the loop is closed: nobody will read any more
            self.close()

    def _woken(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> T | Notice:
        """Wait for the next element."""
        if self._waiter is not None:
            raise RuntimeError("another task waits for this iterator: give each one of its own")
        self._queue.passed_on(self._taken)
        self._taken = None
        await self._slice.rest()
        while True:
            with self._lock:
                try:
                    self._taken = self._queue.take()
                except Empty:
                    self._asleep = True
                    self._waiter = self._loop.create_future()
                except Ended as ended:
                    error = ended.error
                    break
                else:
                    return self._taken
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._slice.begin()
        self.close()
        if error is not None:
            raise error
        raise StopAsyncIteration


def _report(hole: Hole) -> tuple[Notice]:
    lost = hole.elements
    what = "event was" if lost == 1 else "events were"
    return (Notice(f"{lost} {what} dropped here: they were not read in time", lost),)
