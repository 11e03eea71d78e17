"""Beside pipecat and livekit-agents: from the last text of a reply to its first sound, on the wire.

Each runs in a process of its own, with the same stub models, and one client over loopback. The two
are installed into an environment that is removed afterwards (800 MB). livekit-agents speaks to its
clients by WebRTC, through a LiveKit server; here its sound goes straight into a WebSocket.
"""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from websockets.asyncio.client import connect

from benchmarks._measure import Result, median
from benchmarks.realtime import added, served

PEERS = {
    "pipecat": ("pipecat-ai[websocket]==1.14.0",),
    "livekit": ("livekit-agents==1.8.9", "websockets"),
}
"""What is installed for each; the first is what is measured."""
_REPLIES = 40
_PAUSE_S = 0.7  # the sound of a reply has half a second


async def _added(port: int) -> list[float]:
    """Milliseconds from the last text to the first sound at the client, for each reply."""
    delays: list[float] = []
    async with connect(f"ws://127.0.0.1:{port}", compression=None, proxy=None) as client:
        for n in range(_REPLIES + 1):
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


def _peer(name: str, python: Path) -> float:
    program = Path(__file__).with_name(f"_peer_{name}.py")
    server = subprocess.Popen(
        [python, program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline()
        if not port:
            raise RuntimeError(f"{program.name} did not start: run it with {python}")
        return median(asyncio.run(_added(int(port))))
    finally:
        server.kill()
        server.wait()


def measure() -> list[Result]:
    """Measure the three, one after the other."""
    server = served("stub")
    own = asyncio.run(added(server))
    server.end()
    what = "last text to first sound at the client, p50"
    results = [Result(f"rxvoice: {what}", own, "ms", "2 ms", own / 2, 1)]
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = Path(place) / "bin" / "python"
        for name, packages in PEERS.items():
            install = [python, "-m", "pip", "install", "--quiet", *packages]
            if subprocess.run(install, stderr=subprocess.DEVNULL, check=False).returncode:
                print(f"    {packages[0]} cannot be installed here", file=sys.stderr)
                continue
            peer = _peer(name, python)
            against = f"rxvoice: {own:.2f} ms"
            results.append(Result(f"{packages[0]}: {what}", peer, "ms", against, peer / own))
    return results
