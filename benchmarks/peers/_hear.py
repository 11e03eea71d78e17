"""Sound through a chain of one system: ``python -m benchmarks.peers._hear SYSTEM CHAIN``.

The chain "hearing" is all that hears in a conversation, "passing" seven steps that do nothing, each
a function in `benchmarks.peers._hear_SYSTEM`. Sound goes through it frame by frame, each when the
one before has arrived at the end, turns of 1.6 s of speech with 1.6 s of silence between them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from importlib import import_module
from statistics import median

from benchmarks.peers._tell import QUICK, tell

TURN_S = 3.2
SECONDS = 16 if QUICK else 64


async def main(system: str, chain: str) -> None:
    """Tell the computing for a second and for a frame, and how long a frame is on its way."""
    its = import_module(f"benchmarks.peers._hear_{system.replace('-', '_')}")
    async with getattr(its, chain)() as push:
        frames = int(1000 * SECONDS / its.FRAME_MS)
        a_turn = 1000 * TURN_S / its.FRAME_MS
        loud = [at % a_turn < a_turn / 2 for at in range(frames)]
        for it in loud[: int(2 * a_turn)]:
            await push(it)
        clock = time.perf_counter
        delays: list[float] = []
        computed = time.process_time()
        for it in loud:
            begin = clock()
            await push(it)
            delays.append(clock() - begin)
        computed = 1e6 * (time.process_time() - computed)
    tell(f"{chain}_second", computed / SECONDS)
    tell(f"{chain}_frame", computed / frames)
    tell(f"{chain}_delay", 1e6 * median(delays))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
