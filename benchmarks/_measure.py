"""What the benchmarks share: a pipe on stub models, and measures of time and memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import operators as vox

SIZE = 512
CHUNK_MS = 32
SPEECH = np.full(SIZE, 0.25, np.float32)
SILENCE = np.zeros(SIZE, np.float32)


@dataclass(frozen=True)
class Result:
    """A row of the table.

    Args:
        name: what was measured.
        value: the measured value.
        unit: the unit of the value.
        against: what the value is compared with, and the value of that in the same unit.
        ratio: the value, divided by the value that it is compared with.
        limit: the most that `limited` may be; None for no limit.
        limited: "value" or "ratio".
    """

    name: str
    value: float
    unit: str
    against: str
    ratio: float
    limit: float | None = None
    limited: str = "ratio"

    @property
    def ok(self) -> bool:
        """Whether the row keeps its limit."""
        measured = self.value if self.limited == "value" else self.ratio
        return self.limit is None or measured <= self.limit


def loud(samples: rxv.Samples) -> bool:
    """A stub detector."""
    return bool(samples[0])


def turns(microphone: Observable[rxv.Samples | rxv.AudioChunk]) -> Observable[rxv.Turn]:
    """The five operators that every chunk passes, with stub models."""
    return microphone.pipe(
        vox.chunk(SIZE),
        vox.vad(loud),
        vox.barge_in(playing=lambda: True),
        vox.preroll(250),
        vox.turn_window(rxv.silence(480), max_duration_ms=3_600_000),
    )


def conversation(seconds: float) -> list[rxv.Samples]:
    """Blocks of one chunk each: turns of 1.6 s of speech, with 1.6 s of silence between them."""
    chunks = int(seconds * 1000 / CHUNK_MS)
    return [SPEECH if i % 100 < 50 else SILENCE for i in range(chunks)]


def per_element(
    push: Callable[[rxv.Samples], None], blocks: list[rxv.Samples]
) -> NDArray[np.float64]:
    """How long each block took, in microseconds."""
    clock = time.perf_counter_ns
    spent = np.empty(len(blocks))
    for at, block in enumerate(blocks):
        begin = clock()
        push(block)
        spent[at] = (clock() - begin) / 1000
    return spent


def subject() -> Subject[rxv.Samples]:
    """A hot source to push blocks into."""
    return Subject()


def median(values: ArrayLike) -> float:
    """The middle of the values."""
    return float(np.median(values))


def resident_mb() -> float:
    """The memory of this process in MB, on Linux and on a Mac."""
    pid = str(os.getpid())
    shown = subprocess.run(["ps", "-o", "rss=", "-p", pid], capture_output=True, check=True)
    return int(shown.stdout) / 1024


@contextmanager
def holding_the_gil() -> Iterator[None]:
    """Run a thread that releases the GIL only when it must."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sum(range(20_000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
