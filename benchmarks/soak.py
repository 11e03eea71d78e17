"""A server at a part of its capacity for half an hour: what it drops, refuses, takes and leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from benchmarks._measure import Result, median
from benchmarks._realtime_talk import said
from benchmarks._scrape import Scraped, scrape
from benchmarks._sessions import ramp
from benchmarks._visitor import Counts, Visitor
from benchmarks.realtime import MOST, served

LOAD = 0.8
MINUTES = 30.0
_SPARE = 1.5
"""The server takes more than there are clients: on a busy machine it is late to notice an end."""
_LEAST_SAMPLES = 6
_GROWTH = 1.05
_WARM_UP = 3
"""Minutes in which the process still takes memory; a soak that is not much longer says nothing."""


class Soaked(Protocol):
    """A server process."""

    url: str

    async def ask(self, question: str) -> dict[str, float]:
        """Have it measure something."""
        ...


@dataclass
class Soak:
    """What was seen.

    Args:
        before: what the server had before the first client.
        after: the same, one second after the last.
        counts: what the clients saw.
        metrics: what the server told at the end.
        mb: its memory, each minute.
        lags: the p99 of its loop's lag in each minute, in ms.
    """

    before: dict[str, float]
    after: dict[str, float]
    counts: Counts
    metrics: Scraped
    mb: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


async def soak(
    server: Soaked,
    sessions: int,
    seconds: float,
    tell: Callable[[str], None],
) -> Soak:
    """Have so many clients talk for so long.

    Args:
        tell: takes a line each minute.
    """
    ask, counts = server.ask, Counts()
    before = await ask("left")
    now = asyncio.get_running_loop().time
    until = now() + seconds
    clients = [
        asyncio.create_task(Visitor(server.url, said(), counts, Random(n), until).run())
        for n in range(sessions)
    ]
    every = min(60.0, seconds / _LEAST_SAMPLES)
    mb: list[float] = []
    lags: list[float] = []
    while now() < until - every / 2:
        await asyncio.sleep(every)
        mb.append((await ask("mb"))["mb"])
        lags.append((await ask("lag"))["p99"])
        metrics = await scrape(server.url)
        tell(
            f"    {len(mb) * every / 60:5.1f} min: {metrics.sum('sessions'):.0f} sessions, "
            f"{counts.visits} visits, {metrics.sum('turns_total'):.0f} turns, "
            f"{metrics.sum('interruptions_total'):.0f} interruptions, {counts.refused} refused, "
            f"{counts.errors} errors, {metrics.sum('audio_dropped_seconds_total'):.1f} s dropped, "
            f"{mb[-1]:.1f} MB, p99 lag {lags[-1]:.1f} ms"
        )
    for failed in await asyncio.gather(*clients, return_exceptions=True):
        if failed is not None:
            raise failed
    await asyncio.sleep(1)
    after, metrics = await ask("left"), await scrape(server.url)
    return Soak(before, after, counts, metrics, mb, lags)


def rows(seen: Soak, sessions: int, against: str) -> list[Result]:
    """The table. Each row that has a limit is something that must not happen."""
    counts, metrics = seen.counts, seen.metrics
    received = metrics.sum("audio_received_seconds_total")
    dropped = metrics.sum("audio_dropped_seconds_total")
    lost = received - metrics.sum("audio_judged_seconds_total") - dropped
    closed = sum(
        metrics.sum("sessions_closed_total", reason=it) for it in ("failed", "slow_reader")
    )
    warm = seen.mb[_WARM_UP:] or seen.mb
    third = max(1, len(warm) // 3)
    first, last = median(warm[:third]), median(warm[-third:])
    growth = _GROWTH if third >= _WARM_UP else None
    left = sum(seen.after[name] - seen.before[name] for name in ("active", "threads", "parts"))
    wrong = counts.refused + counts.errors + closed
    turns, interruptions = metrics.sum("turns_total"), metrics.sum("interruptions_total")
    lag = 1000 * metrics.percentile("loop_lag_seconds", 99)

    def result(
        name: str, value: float, unit: str, against: str, limit: float | None = None
    ) -> Result:
        return Result(name, value, unit, against, value, limit, "value")

    return [
        result("soak: clients at a time", sessions, "", against),
        result(
            "their visits",
            counts.visits,
            "",
            f"turns: {turns:.0f}, interruptions: {interruptions:.0f}, "
            f"broken off: {counts.broken_off}",
        ),
        result(
            "refused, errors, and sessions that failed", wrong, "", f"refused: {counts.refused}", 0
        ),
        result(
            "sound that was neither judged nor counted as dropped",
            abs(lost),
            "s",
            f"received: {received:.1f} s",
            1e-3,
        ),
        Result(
            "sound that was sent and not received",
            counts.sent_s - received,
            "s",
            f"sent: {counts.sent_s:.1f} s",
            (counts.sent_s - received) / max(1.0, counts.sent_s),
            0.01,
        ),
        Result(
            "sound that was dropped",
            dropped,
            "s",
            f"received: {received:.1f} s",
            dropped / max(1.0, received),
            0.01,
        ),
        Result(
            "memory in the last third", last, "MB", f"first: {first:.1f} MB", last / first, growth
        ),
        result(
            "sessions, tasks and threads left after 1 s",
            left,
            "",
            f"before: {seen.before['parts']:.0f}",
            0,
        ),
        result(
            "the loop's p99 lag is at most", lag, "ms", f"worst minute: {max(seen.lags):.1f} ms"
        ),
    ]


def measure(
    *, minutes: float = MINUTES, load: float = LOAD, sessions: int | None = None
) -> list[Result]:
    """Measure the capacity, and hold a part of it.

    Args:
        minutes: how long.
        load: the part of the capacity, 0 to 1.
        sessions: how many, in place of a part of the capacity.
    """
    against = "as --sessions says"
    if sessions is None:
        server = served("silero")
        carried, _, _ = asyncio.run(ramp(server, said(), MOST))
        server.end()
        sessions = max(1, round(load * carried))
        against = f"one core carries: {carried}"
    server = served("silero", int(sessions * _SPARE) + 1)
    began = time.monotonic()
    seen = asyncio.run(soak(server, sessions, 60 * minutes, lambda it: print(it, flush=True)))
    server.end()
    print(f"    over after {(time.monotonic() - began) / 60:.1f} min", flush=True)
    return rows(seen, sessions, against)
