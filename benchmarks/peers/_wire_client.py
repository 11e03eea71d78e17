"""A client of one system: ``python -m benchmarks.peers._wire_client SYSTEM``.

rxvoice's server is `rxvoice serve`'s own; pipecat and livekit-agents run in
`benchmarks.peers._wire_SYSTEM`, a process of its own.
"""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
import time
from statistics import median

from websockets.asyncio.client import connect

from benchmarks.peers._tell import QUICK, tell

REPLIES = 5 if QUICK else 20
_PAUSE_S = 0.7  # the sound of a reply has half a second


async def theirs(port: int) -> list[float]:
    """Milliseconds from the last text to the first sound at the client, for each reply."""
    delays: list[float] = []
    async with connect(f"ws://127.0.0.1:{port}", compression=None, proxy=None) as client:
        for n in range(REPLIES + 1):
            await client.send("hi")
            message = await client.recv()
            heard = time.monotonic()
            assert isinstance(message, bytes)
            if n:  # the first one loads something
                delays.append(1000 * (heard - struct.unpack_from("<d", message)[0]))
            while True:
                try:
                    async with asyncio.timeout(_PAUSE_S):
                        await client.recv()
                except TimeoutError:
                    break
    return delays


def main(system: str) -> None:
    """Tell the median."""
    if system == "rxvoice":
        from benchmarks.realtime import added, served

        own = served("stub")
        tell("wire", asyncio.run(added(own)))
        own.end()
        return
    server = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.peers._wire_{system}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        tell("wire", median(asyncio.run(theirs(int(server.stdout.readline())))))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main(sys.argv[1])
