"""Conversations over WebSockets: how many a core carries, and what each costs and leaves behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks._measure import Result

FRAME_MS = 32
LOUD = np.full(512, 8000, "<i2").tobytes()
QUIET = bytes(1024)
TURN = [LOUD] * 50 + [QUIET] * 75  # 1.6 s of speech, 2.4 s for the reply
STEP = 25
MEASURED = 100  # sessions, for their memory
MOST = 400
MOST_LAG = 20.0
SECONDS = 1.0
CYCLES = 1000


class Server:
    """A server process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._web_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"ws://127.0.0.1:{self._read()['port']:.0f}/talk"

    async def ask(self, question: str) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return await asyncio.to_thread(self._read)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


async def drain(client: ClientConnection) -> None:
    async for _ in client:
        pass


async def talk(client: ClientConnection, at: int) -> None:
    """Turns, in real time, from some place in them on."""
    began = time.monotonic()
    for n in range(1_000_000):
        await asyncio.sleep(max(0.0, began + n * FRAME_MS / 1000 - time.monotonic()))
        await client.send(TURN[(at + n) % len(TURN)])


async def ramp(server: Server) -> tuple[int, float, float]:
    """Sessions until the loop's p99 lag is too long, its lag without any, and what each takes."""

    async def lag() -> float:
        await server.ask("lag")
        await asyncio.sleep(SECONDS)
        return (await server.ask("lag"))["p99"]

    idle = await lag()
    before = (await server.ask("left"))["mb"]
    tasks: list[asyncio.Task[None]] = []
    clients: list[ClientConnection] = []
    carried, over, each = 0, False, 0.0
    while len(clients) < MOST and not (over and each):
        for _ in range(STEP):
            client = await connect(server.url, compression=None, ping_interval=None)
            clients.append(client)
            tasks.append(asyncio.create_task(talk(client, 7 * len(clients))))
            tasks.append(asyncio.create_task(drain(client)))
            await asyncio.sleep(0.005)
        # Twice, since the machine is shared.
        if not over and min(await lag(), await lag()) <= MOST_LAG:
            carried = len(clients)
        else:
            over = True
        if len(clients) == MEASURED:
            each = ((await server.ask("left"))["mb"] - before) / MEASURED
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(client.close() for client in clients), return_exceptions=True)
    return carried, idle, each


async def cycles(server: Server) -> tuple[dict[str, float], dict[str, float]]:
    """What the server has before and one second after so many sessions."""

    async def cycle(n: int) -> None:
        async with connect(server.url, compression=None, ping_interval=None) as client:
            for frame in TURN[30 : 30 + n % 60]:  # closed while it listens, writes or speaks
                await client.send(frame)

    async def some(count: int) -> None:
        for first in range(0, count, 20):
            await asyncio.gather(*(cycle(n) for n in range(first, first + 20)))
        await asyncio.sleep(1)

    await some(500)
    before = await server.ask("left")
    await some(CYCLES)
    return before, await server.ask("left")


def measure() -> list[Result]:
    """Measure each in a server process of its own."""
    server = Server()
    carried, idle, each = asyncio.run(ramp(server))
    server.end()
    server = Server()
    before, after = asyncio.run(cycles(server))
    server.end()
    left = sum(after[name] - before[name] for name in ("active", "threads", "parts"))
    return [
        Result(
            "sessions on one event loop, p99 lag up to 20 ms",
            carried,
            "",
            f"p99 lag without any: {idle:.1f} ms",
            carried / MEASURED,
        ),
        Result("memory per session", each, "MB", "10 MB", each / 10, 1),
        Result(
            f"sessions, tasks and threads left 1 s after {CYCLES} sessions",
            left,
            "",
            f"before: {before['parts']:.0f}",
            left,
            0,
            "value",
        ),
        Result(
            f"memory after {CYCLES} more sessions",
            after["mb"],
            "MB",
            f"before: {before['mb']:.1f}",
            after["mb"] / before["mb"],
            1.05,
        ),
    ]
