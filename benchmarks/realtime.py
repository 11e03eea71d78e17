"""The Realtime protocol: what the server adds to a reply, and how many sessions a core carries."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from base64 import b64encode

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks._measure import Result

FRAME_MS = 100
LOUD, QUIET = (
    json.dumps(
        {
            "type": "input_audio_buffer.append",
            "audio": b64encode(np.full(24 * FRAME_MS, level, "<i2").tobytes()).decode(),
        }
    )
    for level in (8_000, 0)
)
TURN = [LOUD] * 16 + [QUIET] * 24  # 1.6 s of speech, 2.4 s for the reply
STEP = 25
MEASURED = 100  # sessions, for their memory
MOST = 1_000
MOST_LAG = 20.0
SECONDS = 1.0
CYCLES = 1000
REPLIES = 100


class Server:
    """A server process, whose sessions have this detector of voice activity."""

    def __init__(self, vad: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._realtime_server", vad],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"ws://127.0.0.1:{self._read()['port']:.0f}/v1/realtime?model=x"

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


async def added(server: Server) -> float:
    """The median of ms from the last text of a reply to its first sound at the client."""
    text = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
    delays: list[float] = []
    async with server.connect() as client:
        for _ in range(REPLIES):
            await client.send(json.dumps({"type": "conversation.item.create", "item": text}))
            await client.send(json.dumps({"type": "response.create"}))
            first: float | None = None
            async for message in client:
                if first is None and '"response.output_audio.delta"' in message[:80]:
                    first = time.monotonic()
                if '"response.done"' in message[:80]:
                    break
            assert first is not None
            delays.append(1000 * (first - (await server.ask("written"))["at"]))
    return float(np.median(delays))


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
            client = await server.connect()
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
        async with server.connect() as client:
            for frame in TURN[8 : 8 + n % 30]:  # closed while it listens, writes or speaks
                await client.send(frame)

    async def some(count: int) -> None:
        for first in range(0, count, 20):
            await asyncio.gather(*(cycle(n) for n in range(first, first + 20)))
        await asyncio.sleep(1)

    await some(200)
    before = await server.ask("left")
    await some(CYCLES)
    return before, await server.ask("left")


def measure() -> list[Result]:
    """Measure each in a server process of its own."""
    server = Server("stub")
    delay = asyncio.run(added(server))
    stubs, _, _ = asyncio.run(ramp(server))
    server.end()
    server = Server("silero")
    carried, idle, each = asyncio.run(ramp(server))
    server.end()
    server = Server("stub")
    before, after = asyncio.run(cycles(server))
    server.end()
    left = sum(after[name] - before[name] for name in ("active", "threads", "parts"))
    return [
        Result(
            "from the last text to the first sound at the client, p50",
            delay,
            "ms",
            "2 ms",
            delay / 2,
            1,
        ),
        Result(
            "sessions on one event loop with Silero for each, p99 lag up to 20 ms",
            carried,
            "",
            f"with a stub for it: {stubs}; p99 lag without sessions: {idle:.1f} ms",
            carried / max(1, stubs),
        ),
        Result("memory per session", each, "MB", "0.5 MB", each / 0.5, 1),
        Result(
            f"sessions, tasks and threads left 1 s after {CYCLES} sessions",
            left,
            "",
            f"before: {before['parts']:.0f}",
            left,
            0,
            "value",
        ),
    ]
