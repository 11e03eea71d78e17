"""What a chunk costs in the operators, against seven `map`; and what it costs to build one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from timeit import timeit

import numpy as np
from reactivex import operators as ops

import rxvoice as rxv
from benchmarks._measure import SPEECH, Result, conversation, median, per_element, subject, turns
from rxvoice._value import Value

_BUILT = 10_000


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FrozenChunk(Value):
    """The fields of `AudioChunk`, with the ``__init__`` that `dataclass` writes."""

    samples: rxv.Samples
    sample_rate: int = 16_000
    start: int = 0
    speech: bool | None = None
    probability: float | None = None
    barge_in: bool = False
    lead_in: rxv.Samples | None = None
    partial: bool = False
    time: float | None = None


def same(block: rxv.Samples) -> rxv.Samples:
    """Do nothing."""
    return block


def measure() -> list[Result]:
    """Measure each pair alternately. The quietest round of each counts.

    A shared machine is disturbed in bursts, which the other rounds would measure.
    """
    return [*_operators(), _building()]


def _operators() -> list[Result]:
    blocks = conversation(64)
    pipe, floor = subject(), subject()
    turns(pipe).subscribe()
    seven = [ops.map(same) for _ in range(7)]
    floor.pipe(*seven).subscribe()
    rounds = [
        (per_element(pipe.on_next, blocks), per_element(floor.on_next, blocks)) for _ in range(20)
    ]
    ours, theirs = (min(side, key=median) for side in zip(*rounds, strict=True))
    p50, floor50 = median(ours), median(theirs)
    p99, floor99 = float(np.percentile(ours, 99)), float(np.percentile(theirs, 99))
    name = "chunk > vad > barge_in > preroll > turn_window, per 32 ms chunk"
    return [
        Result(f"{name}, p50", p50, "µs", f"7 x map: {floor50:.2f}", p50 / floor50, 12, "value"),
        Result(f"{name}, p99", p99, "µs", f"7 x map: {floor99:.2f}", p99 / floor99),
    ]


def _building() -> Result:
    pairs = [(_microseconds(_chunk), _microseconds(_frozen)) for _ in range(20)]
    ours, theirs = (min(side) for side in zip(*pairs, strict=True))
    against = f"frozen dataclass: {theirs:.2f}"
    return Result("AudioChunk built", ours, "µs", against, ours / theirs, 0.75)


def _chunk() -> rxv.AudioChunk:
    return rxv.AudioChunk(SPEECH, 16_000, 0, True, None, False, None, False, None)


def _frozen() -> FrozenChunk:
    return FrozenChunk(SPEECH, 16_000, 0, True, None, False, None, False, None)


def _microseconds(build: Callable[[], object]) -> float:
    return timeit(build, number=_BUILT) / _BUILT * 1e6
