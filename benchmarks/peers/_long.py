"""Hours of sound through one system: ``python -m benchmarks.peers._long SYSTEM HOURS``.

As `benchmarks.peers._hear`, but for long: what a second of sound costs in the last ten minutes, and
what the process takes then.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from importlib import import_module

from benchmarks.peers._hear import TURN_S
from benchmarks.peers._tell import QUICK, tell

SOME_S = 60 if QUICK else 600
"""The parts of an hour; the first one settles what is kept."""


def resident_mb() -> float:
    """The memory of this process, on Linux and on a Mac."""
    gc.collect()
    shown = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True
    )
    return int(shown.stdout) / 1024


async def main(system: str, hours: int) -> None:
    """Tell the memory, how much it grew, and the computing for a second."""
    its = import_module(f"benchmarks.peers._hear_{system.replace('-', '_')}")
    async with its.hearing() as push:
        a_turn = 1000 * TURN_S / its.FRAME_MS
        settled, computed = 0.0, 0.0
        for part in range(2 if QUICK else 6 * hours):
            began = time.process_time()
            for at in range(int(1000 * SOME_S / its.FRAME_MS)):
                await push(at % a_turn < a_turn / 2)
            computed = time.process_time() - began
            if part == 0:
                settled = resident_mb()
        after = resident_mb()
    tell(f"hours_{hours}_memory", after)
    tell(f"hours_{hours}_grown", max(0, round(after - settled)))
    tell(f"hours_{hours}_cost", 1e6 * computed / SOME_S)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
