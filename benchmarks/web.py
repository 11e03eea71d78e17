"""Conversations over WebSockets: how many a core carries, and what each costs and leaves behind."""

from __future__ import annotations

import asyncio

import numpy as np

from benchmarks._measure import Result
from benchmarks._sessions import CYCLES, MEASURED, Server, Talk, cycles, ramp

FRAME_MS = 32
LOUD = np.full(512, 8000, "<i2").tobytes()
QUIET = bytes(1024)
# 1.6 s of speech, 2.4 s for the reply.
SAID = Talk([LOUD] * 50 + [QUIET] * 75, FRAME_MS, slice(30, 90))
MOST = 400


def measure() -> list[Result]:
    """Measure each in a server process of its own."""
    server = Server("benchmarks._web_server", path="/talk")
    carried, idle, each = asyncio.run(ramp(server, SAID, MOST))
    server.end()
    server = Server("benchmarks._web_server", path="/talk")
    before, after = asyncio.run(cycles(server, SAID, 500))
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
