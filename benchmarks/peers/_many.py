"""Sessions that one core carries: ``python -m benchmarks.peers._many SYSTEM``.

Each session hears turns in real time, on stub models, in one process on one core. There are more
and more of them, until the event loop is late.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from importlib import import_module
from statistics import quantiles
from typing import Any

from benchmarks.peers._hear import TURN_S
from benchmarks.peers._tell import QUICK, tell

MOST_LAG_MS = 20
EVERY_S = 0.005
WATCHED_S = 1.0 if QUICK else 2.0
GROWTH = 2.0 if QUICK else 1.25
FIRST, MOST = 4, 4_000


async def lag_ms() -> float:
    """The 99th percentile of how late the loop comes back, for some time."""
    late: list[float] = []
    end = time.monotonic() + WATCHED_S
    while (began := time.monotonic()) < end:
        await asyncio.sleep(EVERY_S)
        late.append(1000 * (time.monotonic() - began - EVERY_S))
    return quantiles(late, n=100)[98]


async def session(its: Any, number: int) -> None:
    """Hear, each session at another place in its turn."""
    async with its.hearing() as push:
        frame_s = its.FRAME_MS / 1000
        began = time.monotonic() + number * 0.007 % frame_s
        a_turn = TURN_S / frame_s
        at = 0
        while True:
            at += 1
            await asyncio.sleep(max(0.0, began + at * frame_s - time.monotonic()))
            await push((at + 7 * number) % a_turn < a_turn / 2)


async def main(system: str) -> None:
    """Tell the greatest number of sessions at which the loop was in time."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    its = import_module(f"benchmarks.peers._hear_{system.replace('-', '_')}")
    tasks: list[asyncio.Task[None]] = []
    carried, wanted = 0, FIRST
    while wanted <= MOST:
        while len(tasks) < wanted:
            tasks.append(asyncio.create_task(session(its, len(tasks))))
            await asyncio.sleep(0.01)
        await asyncio.sleep(WATCHED_S / 2)  # they start
        if failed := [task for task in tasks if task.done()]:
            await failed[0]
        # Twice, since the machine is shared.
        if min(await lag_ms(), await lag_ms()) > MOST_LAG_MS:
            break
        carried, wanted = wanted, int(wanted * GROWTH)
    tell("sessions", carried)
    os._exit(0)  # to end each in good order is not what is measured


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
