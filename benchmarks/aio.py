"""The delay of an event from the conversation thread to an `async for`, against `asyncio.Queue`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
from reactivex import Subject

from benchmarks._measure import Result
from rxvoice import aio

EVENTS = 1500
PAUSE = 0.001
ROUNDS = 3


def produce(send: Callable[[int], None]) -> threading.Thread:
    """Send the time from a thread, with pauses in which the loop becomes idle."""

    def run() -> None:
        for _ in range(EVENTS):
            time.sleep(PAUSE)
            send(time.perf_counter_ns())

    thread = threading.Thread(target=run)
    thread.start()
    return thread


async def by_events() -> list[float]:
    times: Subject[int] = Subject()
    iterator = aiter(aio.events(times, max_events=EVENTS, overflow="fail"))
    return await received(iterator, produce(times.on_next))


async def by_queue() -> list[float]:
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[int]()

    async def items() -> AsyncIterator[int]:
        while True:
            yield await queue.get()

    def send(now: int) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, now)

    return await received(items(), produce(send))


async def received(items: AsyncIterator[object], thread: threading.Thread) -> list[float]:
    took: list[float] = []
    while len(took) < EVENTS:
        sent = await anext(items)
        assert isinstance(sent, int)
        took.append((time.perf_counter_ns() - sent) / 1000)
    thread.join()
    return took


def measure() -> list[Result]:
    """Measure both alternately, so that both see the same load."""
    ours: list[float] = []
    queues: list[float] = []
    for _ in range(ROUNDS):
        ours += asyncio.run(by_events())
        queues += asyncio.run(by_queue())
    results: list[Result] = []
    for share, limit in ((50, 1.5), (99, None)):
        mine, other = (float(np.percentile(times, share)) for times in (ours, queues))
        results.append(
            Result(
                f"conversation thread to `async for`, p{share}",
                mine,
                "µs",
                f"asyncio.Queue: {other:.0f}",
                mine / other,
                limit,
            )
        )
    return results
