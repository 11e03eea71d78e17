"""`events`: what an observable emits, for an ``async for``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import TypeVar, get_args

from reactivex import Observable, abc

from rxvoice._check import whole
from rxvoice._threads.bounded import Overflow
from rxvoice.aio._queue import EventQueue
from rxvoice.errors import ConfigError
from rxvoice.events import Notice

T = TypeVar("T")


def events(
    observable: Observable[T],
    *,
    max_events: int,
    overflow: Overflow,
    scheduler: abc.SchedulerBase | None = None,
) -> Events[T]:
    """Give what an observable emits, on any thread, to an ``async for`` in a running loop.

    ```python
    async for event in rxv.aio.events(pipe, max_events=100, overflow="drop_oldest"):
        print(event)
    ```

    Emits: the elements, in order. Where some were dropped, a `Notice` takes their place; its
        ``detail`` is how many.
    Completes: with the observable, after what is queued; and by ``aclose()``.
    Errors: raises the observable's error, or what a part of it raised, after what is queued;
        `QueueFull` with ``overflow="fail"``.
    Drops: what does not fit, as `overflow` says; counted in ``dropped``. The observable goes on
        while the app does not read.
    Runs on: the loop in which the iteration begins. A burst of elements wakes the loop once, and
        lets its other tasks run at least once a millisecond.

    Each iteration subscribes. It disposes of the subscription at once when it ends: by ``break``,
    by an error, or when its task is cancelled while it waits.

    Args:
        max_events: how many elements may wait, 1 or more.
        overflow: what happens when one more comes: ``"drop_oldest"`` drops the one that has waited
            longest, ``"drop_newest"`` drops the one that comes, ``"fail"`` ends the iteration.
        scheduler: what to subscribe with. None for a thread of its own, which starts when the
            observable first schedules something: a file does, a `Subject` does not.
    """
    whole("events max_events", max_events, 1, "events")
    if overflow not in get_args(Overflow):
        raise ConfigError(
            f'events overflow must be "drop_oldest", "drop_newest" or "fail", got {overflow!r}'
        )
    return Events(observable, max_events, overflow, scheduler)


class Events(AsyncIterable[T | Notice]):
    """An observable's elements, to be iterated with ``async for``. Made by `events`."""

    def __init__(
        self,
        observable: Observable[T],
        max_events: int,
        overflow: Overflow,
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._observable = observable
        self._max_events = max_events
        self._overflow: Overflow = overflow
        self._scheduler = scheduler
        self._queues: set[EventQueue[T]] = set()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many elements were dropped so far, in all iterations together."""
        return self._dropped + sum(queue.dropped for queue in tuple(self._queues))

    def __aiter__(self) -> EventIterator[T]:
        """Subscribe. Call it in a running loop."""
        queue = EventQueue[T](
            asyncio.get_running_loop(), self._max_events, self._overflow, self._gone
        )
        self._queues.add(queue)
        queue.follow(self._observable, self._scheduler)
        return EventIterator(queue)

    async def aclose(self) -> None:
        """End the iterations in progress, and dispose of their subscriptions."""
        for queue in tuple(self._queues):
            queue.close()

    def _gone(self, queue: EventQueue[T]) -> None:
        if queue in self._queues:
            self._queues.remove(queue)
            self._dropped += queue.dropped


class EventIterator(AsyncIterator[T | Notice]):
    """One iteration of `Events`. One task at a time may wait for it."""

    def __init__(self, queue: EventQueue[T]) -> None:
        self._queue = queue

    def __aiter__(self) -> EventIterator[T]:
        return self

    async def __anext__(self) -> T | Notice:
        """Wait for the next element. Cancelling the wait ends the iteration."""
        try:
            return await self._queue.take()
        except asyncio.CancelledError:
            self._queue.close()
            raise

    async def aclose(self) -> None:
        """End the iteration, and dispose of its subscription. A second call does nothing."""
        self._queue.close()

    def __del__(self) -> None:
        # After a `break` nobody holds the iterator, and this is all that ends it.
        self._queue.close()
