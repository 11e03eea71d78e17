"""How long ready work waits for the model thread: in lanes, against one plain queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import mlx.core as mx
from reactivex import abc

from benchmarks._measure import Result, median
from rxvoice.mlx.scheduler import MlxScheduler

KINDS = ("speech", "listening", "text")
SIZE = 128
ANSWERS = 4
TOKENS = 24


def round_of_work(lanes: dict[str, abc.SchedulerBase], matrix: mx.array) -> dict[str, float]:
    """The longest wait of a ready step of each kind, in milliseconds.

    Every step is one product of square float32 matrices of `SIZE`. Four answers write a token a
    step; for every second token there is a chunk to recognise, a step each, and for every sixth
    one a piece of speech to make, of two steps. What comes and when does not depend on the lanes.
    """
    longest = dict.fromkeys(KINDS, 0.0)
    tokens = 0
    left = ANSWERS * TOKENS * 11 // 6
    done = threading.Event()

    def job(kind: str, steps: int, arrive: Callable[[], None]) -> None:
        ready = time.perf_counter()

        def step(*_: object) -> None:
            nonlocal left
            longest[kind] = max(longest[kind], 1000 * (time.perf_counter() - ready))
            # At the worst moment: the thread has just begun something else.
            arrive()
            mx.eval(matrix @ matrix)
            if steps > 1:
                job(kind, steps - 1, arrive)
            left -= 1
            if not left:
                done.set()

        lanes[kind].schedule(step)

    def token() -> None:
        nonlocal tokens
        tokens += 1
        if tokens % 2 == 0:
            job("listening", 1, int)
        if tokens % 6 == 0:
            job("speech", 2, int)

    def begin(*_: object) -> None:
        for _ in range(ANSWERS):
            job("text", TOKENS, token)

    lanes["text"].schedule(begin)
    if not done.wait(60):
        raise TimeoutError("the model thread did not come to an end with its work")
    return longest


def measure() -> list[Result]:
    """Measure the same work with and without lanes alternately, on one thread."""
    with MlxScheduler() as scheduler:
        lanes: dict[str, abc.SchedulerBase] = {
            "speech": scheduler.speech,
            "listening": scheduler.listening,
            "text": scheduler.text,
        }
        plain: dict[str, abc.SchedulerBase] = dict.fromkeys(KINDS, scheduler.text)
        matrix = mx.random.normal((SIZE, SIZE))
        mx.eval(matrix)
        round_of_work(lanes, matrix)  # warm up
        ours: list[dict[str, float]] = []
        theirs: list[dict[str, float]] = []
        for _ in range(9):
            ours.append(round_of_work(lanes, matrix))
            theirs.append(round_of_work(plain, matrix))
    results: list[Result] = []
    for kind in KINDS:
        value = median([waits[kind] for waits in ours])
        other = median([waits[kind] for waits in theirs])
        name = f"longest wait of a ready {kind} step, in lanes"
        limit = 0.75 if kind == "speech" else None
        results.append(Result(name, value, "ms", f"one queue: {other:.2f}", value / other, limit))
    return results
