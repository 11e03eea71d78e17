"""asyncio: a conversation's events in an ``async for``, and async iterables as sources.

It works with asyncio's own loop and with loops that replace it, such as uvloop's; not with trio.

- ``aio.events(pipe, ...)`` needs no scheduler: the conversation gets a thread of its own, and
  your loop is never held up.
- For callbacks on your loop, use ``rxv.live(pipe, deliver_on=AsyncIOThreadSafeScheduler(loop))``
  (from ``reactivex.scheduler.eventloop``). Do not use ``AsyncIOScheduler``: it does not wake the
  loop when another thread schedules something.
- ``worker=`` of a stage takes neither of them. A model that computes needs a thread of its own. A
  model that awaits, an ``async def`` or an async generator, needs no worker.

Models that await run as tasks of your own loop in ``aio.events``, and wherever you subscribe to a
pipe on a running loop or with one of asyncio's schedulers. Everywhere else they are tasks of one
loop on a thread "rxvoice-async", which lasts as long as the process. So you can keep and share a
client that belongs to a loop, such as an ``AsyncOpenAI``.
"""

from __future__ import annotations

from rxvoice._threads.bounded import Overflow
from rxvoice.aio._events import EventIterator, Events, events
from rxvoice.aio._source import source

__all__ = ["EventIterator", "Events", "Overflow", "events", "source"]
