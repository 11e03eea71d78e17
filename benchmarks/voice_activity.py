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

STREAMS = 64
GATHER_MS = 8
ROUNDS = 12
"""How often each stream gives a chunk, in each way."""


def measure() -> list[Result]:
    """Measure both ways at the pace of 64 streams, whose chunks are spread over 32 ms."""
    if sys.platform == "linux":
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
    results = _rows("idle", limit=1.0)
    with text_model():
        results += _rows("beside a text model", limit=0.25)
    return results


def _rows(when: str, limit: float) -> list[Result]:
    chunks = speech()
    at_once = STREAMS * GATHER_MS // CHUNK_MS
    singly, together = _one_by_one(), _together(at_once)
    ones: list[float] = []
    groups: list[float] = []
    for turn in range(2 * ROUNDS):
        spent = ones if turn % 2 else groups
        size, judge = (1, singly) if turn % 2 else (at_once, together)
        for first in range(0, STREAMS, size):
            sounds = [chunks[(turn * STREAMS + first + i) % len(chunks)] for i in range(size)]
            time.sleep(size * CHUNK_MS / 1000 / STREAMS)
            begin = time.perf_counter_ns()
            judge(first, sounds)
            spent.append((time.perf_counter_ns() - begin) / 1000 / size)
    one, group = median(ones), median(groups)
    return [
        Result(
            f"{STREAMS} streams, {at_once} chunks at once, {when}: per chunk",
            group,
            "us",
            f"one by one: {one:.0f}",
            group / one,
            limit,
        )
    ]


def _one_by_one() -> Callable[[int, list[Samples]], object]:
    parent = offline.silero()
    detectors = [parent.fresh() for _ in range(STREAMS)]
    for each in detectors:
        each.probability(np.zeros(each.chunk_size, np.float32))
    return lambda first, sounds: detectors[first].probability(sounds[0])


def _together(at_once: int) -> Callable[[int, list[Samples]], object]:
    weights = offline.silero()._weights  # pyright: ignore[reportPrivateUsage]
    together = Together(weights.network(), at_once)
    streams = [Remembered(weights.layout) for _ in range(STREAMS)]
    return lambda first, sounds: together.probabilities(streams[first : first + at_once], sounds)
