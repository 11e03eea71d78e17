"""What a chunk costs in the operators, against seven `map` as the floor."""

from __future__ import annotations

import numpy as np
from reactivex import operators as ops

import rxvoice as rxv
from benchmarks._measure import Result, conversation, median, per_element, subject, turns


def same(block: rxv.Samples) -> rxv.Samples:
    """Do nothing."""
    return block


def measure() -> list[Result]:
    """Measure both pipes alternately over the same blocks. The quietest round of each counts.

    A shared machine is disturbed in bursts, which the other rounds would measure.
    """
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
        Result(f"{name}, p50", p50, "µs", f"7 x map: {floor50:.2f}", p50 / floor50, 15, "value"),
        Result(f"{name}, p99", p99, "µs", f"7 x map: {floor99:.2f}", p99 / floor99),
    ]
