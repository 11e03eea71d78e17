"""The cost of a turn grows with its length: 60 s cost at most 70 times as much as 1 s."""

from __future__ import annotations

import time

import rxvoice as rxv
from benchmarks._measure import CHUNK_MS, SILENCE, SPEECH, Result, median, subject, turns


def listen(turn: rxv.Turn) -> None:
    """Read the whole audio after every chunk."""
    turn.subscribe(lambda _: len(turn.audio))


def one_turn(seconds: float) -> float:
    """Milliseconds for one turn whose audio is read after every chunk."""
    pipe = subject()
    turns(pipe).subscribe(listen)
    blocks = [SPEECH] * int(seconds * 1000 / CHUNK_MS) + [SILENCE] * 15
    begin = time.perf_counter()
    for block in blocks:
        pipe.on_next(block)
    return 1000 * (time.perf_counter() - begin)


def measure() -> list[Result]:
    """Measure both alternately, so that both see the same load."""
    short: list[float] = []
    long: list[float] = []
    for _ in range(31):
        short.append(one_turn(1))
        long.append(one_turn(60))
    value, other = median(long), median(short)
    return [Result("a turn of 60 s", value, "ms", f"one of 1 s: {other:.3f}", value / other, 70)]
