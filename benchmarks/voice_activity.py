"""Silero for many streams: a chunk of each at once against one by one, idle and beside a model."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks._measure import CHUNK_MS, Result, median
from benchmarks.silero import speech, text_model
from rxvoice import Samples, offline
from rxvoice._silero.together import Remembered, Together

Judge = Callable[[int, list[Samples]], object]

STREAMS = 64
GATHER_MS = 8
ALONE = 100
ROUNDS = 12
"""How often each stream gives a chunk, in each way."""


def measure() -> list[Result]:
    """Measure at the pace of 64 streams, whose chunks are spread over 32 ms, and of one."""
    if sys.platform == "linux":
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
    results = _rows("idle")
    with text_model():
        results += _rows("beside a text model")
    return results


def _rows(when: str) -> list[Result]:
    chunks = speech()
    at_once = STREAMS * GATHER_MS // CHUNK_MS
    singly, together = _one_by_one(), _together(at_once)
    alone = [_timed(CHUNK_MS, singly, 0, [it]) for it in chunks[:ALONE]]
    ones: list[float] = []
    groups: list[float] = []
    for turn in range(2 * ROUNDS):
        spent = ones if turn % 2 else groups
        size, judge = (1, singly) if turn % 2 else (at_once, together)
        for first in range(0, STREAMS, size):
            sounds = [chunks[(turn * STREAMS + first + i) % len(chunks)] for i in range(size)]
            spent.append(_timed(size * CHUNK_MS / STREAMS, judge, first, sounds))
    group = median(groups)
    name = f"{at_once} chunks of {STREAMS} streams at once, {when}: per chunk"
    against = {"one stream alone": alone, "one by one": ones}
    limits = {"one stream alone": 0.25, "one by one": 0.75}
    return [
        Result(name, group, "us", f"{what}: {median(its):.0f}", group / median(its), limits[what])
        for what, its in against.items()
    ]


def _timed(wait_ms: float, judge: Judge, first: int, sounds: list[Samples]) -> float:
    """Wait, then judge a chunk of each stream from `first` on; returns us per chunk."""
    time.sleep(wait_ms / 1000)
    begin = time.perf_counter_ns()
    judge(first, sounds)
    return (time.perf_counter_ns() - begin) / 1000 / len(sounds)


def _one_by_one() -> Judge:
    parent = offline.silero()
    detectors = [parent.fresh() for _ in range(STREAMS)]
    for each in detectors:
        each.probability(np.zeros(each.chunk_size, np.float32))
    return lambda first, sounds: detectors[first].probability(sounds[0])


def _together(at_once: int) -> Judge:
    weights = offline.silero()._weights  # pyright: ignore[reportPrivateUsage]
    together = Together(weights.network(), at_once)
    streams = [Remembered(weights.layout) for _ in range(STREAMS)]
    return lambda first, sounds: together.probabilities(streams[first : first + at_once], sounds)
