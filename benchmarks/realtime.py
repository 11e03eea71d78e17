"""The Realtime protocol: what the server adds to a reply, and how many sessions a core carries."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np

from benchmarks._measure import Result
from benchmarks._realtime_talk import CLEAR, CLEARED, said, silence
from benchmarks._sessions import CYCLES, Server, cpu, cycles, ramp

MOST = 1_000
_WANTED = 300  # sessions
REPLIES = 100


def served(vad: str, most: int = 10_000) -> Server:
    """A server whose sessions have this detector of voice activity, and that takes so many."""
    return Server("benchmarks._realtime_server", vad, str(most), path="/v1/realtime?model=x")


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


def measure() -> list[Result]:
    """Measure each in a server process of its own."""
    server = served("stub")
    delay = asyncio.run(added(server))
    stubs, _, _ = asyncio.run(ramp(server, said(), MOST))
    server.end()
    server = served("silero")
    listening, idle, each = asyncio.run(ramp(server, silence(), MOST))
    server.end()
    server = served("silero")
    carried, _, talking = asyncio.run(ramp(server, said(), MOST))
    server.end()
    server = served("silero")
    quiet = asyncio.run(cpu(server, silence(), CLEAR, CLEARED))
    spent = asyncio.run(cpu(server, said(), CLEAR, CLEARED))
    server.end()
    server = served("stub")
    before, after = asyncio.run(cycles(server, said(), 200))
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
            "sessions that listen, Silero for each, one event loop, p99 lag up to 20 ms",
            listening,
            "",
            f"p99 lag without sessions: {idle:.1f} ms",
            listening / _WANTED,
        ),
        Result(
            "the same, with a turn and its reply every 4 s",
            carried,
            "",
            f"with a stub for Silero: {stubs}",
            carried / max(1, stubs),
        ),
        Result(
            "computing for a session that listens, each second",
            quiet,
            "ms",
            f"with a turn every 4 s: {spent:.2f} ms",
            quiet / spent,
        ),
        Result(
            "memory of a session that listens",
            each,
            "MB",
            f"0.5 MB; while it talks: {talking:.2f} MB",
            each / 0.5,
            1,
        ),
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
