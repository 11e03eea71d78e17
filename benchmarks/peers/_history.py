"""A question with turns before it: ``python -m benchmarks.peers._history SYSTEM TURNS``.

`benchmarks.peers._history_SYSTEM` asks a server with OpenAI's interface, whose model takes no time.
What is told is the computing of this process from the user's text to the end of the reply.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from importlib import import_module
from statistics import median

from benchmarks.peers._tell import QUICK, tell

QUESTION = "What was it that you told me about the moon, and about its light, in turn {}?"
REPLY = (
    "The moon is about three hundred and eighty four thousand kilometers away. Its light reaches "
    "us in a little more than one second, and that was what I said in turn {}."
)
ASKED = 4 if QUICK else 10
BEFORE = 2


async def main(system: str, turns: int) -> None:
    """Tell the median of some questions, each with one more turn before it."""
    its = import_module(f"benchmarks.peers._history_{system.replace('-', '_')}")
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peers._history_server"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        # The first questions load something.
        history = [(QUESTION.format(n), REPLY.format(n)) for n in range(turns - BEFORE)]
        async with its.asking(url, history) as ask:
            spent: list[float] = []
            for n in range(turns, turns + BEFORE + ASKED):
                began = time.process_time()
                await ask(QUESTION.format(n))
                spent.append(1000 * (time.process_time() - began))
        tell(f"history_{turns}", median(spent[BEFORE:]))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
