"""Clients of a server process: how many it carries, what each costs, and what they leave behind."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

MEASURED = 100  # sessions, for their memory
CYCLES = 1000
_STEP = 25
_MOST_LAG = 20.0
_SECONDS = 1.0
_MESSAGES = 60


@dataclass(frozen=True)
class Talk:
    """What a client says.

    Args:
        turn: the messages of a turn and of the silence after it, again and again.
        frame_ms: how much sound a message has.
        broken_off: which of the messages a client that breaks off sends; all or a part of them.
    """

    turn: list[Any]
    frame_ms: int
    broken_off: slice


class Server:
    """A server process, which `benchmarks._session_server` runs.

    Args:
        module: the program, with its arguments.
        path: of its WebSocket.
    """

    def __init__(self, *module: str, path: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"ws://127.0.0.1:{self._read()['port']:.0f}{path}"

    def connect(self) -> connect:
        return connect(self.url, compression=None, ping_interval=None, max_queue=None)

    async def ask(self, question: str) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return await asyncio.to_thread(self._read)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


async def ramp(server: Server, said: Talk, most: int) -> tuple[int, float, float]:
    """Sessions until the loop's p99 lag is too long, its lag without any, and what each takes."""

    async def lag() -> float:
        await server.ask("lag")
        await asyncio.sleep(_SECONDS)
        return (await server.ask("lag"))["p99"]

    idle = await lag()
    before = (await server.ask("left"))["mb"]
    tasks: list[asyncio.Task[None]] = []
    clients: list[ClientConnection] = []
    carried, over, each = 0, False, 0.0
    while len(clients) < most and not (over and each):
        for _ in range(_STEP):
            client = await server.connect()
            clients.append(client)
            tasks.append(asyncio.create_task(_talk(client, said, 7 * len(clients))))
            tasks.append(asyncio.create_task(_drain(client)))
            await asyncio.sleep(0.005)
        # Twice, since the machine is shared.
        if not over and min(await lag(), await lag()) <= _MOST_LAG:
            carried = len(clients)
        else:
            over = True
        if len(clients) == MEASURED:
            each = ((await server.ask("left"))["mb"] - before) / MEASURED
    await _end(tasks, clients)
    return carried, idle, each


async def cpu(server: Server, said: Talk, last: str, wanted: str, sessions: int = 50) -> float:
    """Milliseconds of computing for a session and a second of its sound, without the clients'.

    Args:
        last: the message after the sound, which is answered once all of it was heard.
        wanted: what the answer has in it.
    """

    async def whole(client: ClientConnection, at: int) -> None:
        began = time.monotonic()
        for n in range(_MESSAGES):
            await asyncio.sleep(max(0.0, began + n * said.frame_ms / 1000 - time.monotonic()))
            await client.send(said.turn[(at + n) % len(said.turn)])
        await client.send(last)
        async for message in client:
            if wanted in message[:200]:
                return

    clients = [await server.connect() for _ in range(sessions)]
    before = await server.ask("cpu")
    await asyncio.gather(*(whole(client, 7 * n) for n, client in enumerate(clients)))
    spent = (await server.ask("cpu"))["seconds"] - before["seconds"]
    await _end([], clients)
    return 1e6 * spent / (sessions * _MESSAGES * said.frame_ms)


async def cycles(
    server: Server, said: Talk, first: int
) -> tuple[dict[str, float], dict[str, float]]:
    """What the server has one second after the first sessions, and after `CYCLES` more."""

    async def cycle(n: int) -> None:
        async with server.connect() as client:
            frames = said.turn[said.broken_off]
            for frame in frames[: n % len(frames)]:  # closed while it listens, writes or speaks
                await client.send(frame)

    async def some(count: int) -> None:
        for begin in range(0, count, 20):
            await asyncio.gather(*(cycle(n) for n in range(begin, begin + 20)))
        await asyncio.sleep(1)

    await some(first)
    before = await server.ask("left")
    await some(CYCLES)
    return before, await server.ask("left")


async def _drain(client: ClientConnection) -> None:
    async for _ in client:
        pass


async def _end(tasks: list[asyncio.Task[None]], clients: list[ClientConnection]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(client.close() for client in clients), return_exceptions=True)


async def _talk(client: ClientConnection, said: Talk, at: int) -> None:
    """Turns, in real time, from some place in them on."""
    began = time.monotonic()
    for n in range(1_000_000):
        await asyncio.sleep(max(0.0, began + n * said.frame_ms / 1000 - time.monotonic()))
        await client.send(said.turn[(at + n) % len(said.turn)])
