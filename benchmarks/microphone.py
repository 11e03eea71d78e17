"""The callback of the microphone, the delay from capture to chunk, and a long live run.

``RXVOICE_MINUTES=10 python -m benchmarks microphone`` also listens for ten minutes and counts lost
samples. The live measures need a sound device and are left out without one. A headless machine gets
a virtual one by ``.ci/virtual_audio.sh start`` and ``eval "$(.ci/virtual_audio.sh env)"``.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks._measure import Result, holding_the_gil
from rxvoice import AudioChunk, Event, devices, sources
from rxvoice.errors import RxvoiceError
from rxvoice.events import AudioLost, DeviceLost
from rxvoice.sources._ring import Ring

RATE = 16_000
FRAMES = 512
BLOCK_MS = 32
CALLS = 20_000
LIVE_S = 10


@dataclass
class _Info:
    inputBufferAdcTime: float = 1.0
    currentTime: float = 1.1


@dataclass
class _Flags:
    input_overflow: bool = False

    def __bool__(self) -> bool:
        return self.input_overflow


def ours() -> Callable[[memoryview], None]:
    """The microphone's callback, and a thread that takes its blocks."""
    wake = threading.Lock()
    wake.acquire()
    ring = Ring(
        slots=62,
        frames=FRAMES,
        frame_bytes=4,
        keep_oldest=False,
        wake=wake,
        clock=time.monotonic,
    )
    info, flags = _Info(), _Flags()

    def read() -> None:
        while not ring.finished:
            wake.acquire(timeout=1)
            while ring.take() is not None:
                pass

    threading.Thread(target=read, daemon=True).start()
    return lambda data: ring.callback(data, FRAMES, info, flags)


def usual() -> Callable[[memoryview], None]:
    """The way of sounddevice's examples: a copy into a ``queue.Queue``, and a thread for it."""
    blocks: queue.Queue[np.ndarray] = queue.Queue()
    flags = _Flags()

    def callback(indata: np.ndarray, frames: int, time: object, status: _Flags) -> None:
        if status:
            print(status, file=sys.stderr)
        blocks.put(indata.copy())

    def read() -> None:
        while True:
            blocks.get()

    threading.Thread(target=read, daemon=True).start()

    def call(data: memoryview) -> None:
        # sounddevice makes the array; both are given the same buffer.
        callback(np.frombuffer(data, np.float32).reshape(-1, 1), FRAMES, None, flags)

    return call


def callbacks(call: Callable[[memoryview], None], count: int, pause: float) -> list[float]:
    """The microseconds of each call, measured inside, where the GIL is already held."""
    data = memoryview(np.zeros(FRAMES, np.float32)).cast("B")
    spent: list[float] = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        call(data)
        spent.append((time.perf_counter_ns() - begin) / 1000)
        if pause:
            time.sleep(pause)
    return spent


def _percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def _callback_results() -> Iterator[Result]:
    for where, count, pause in (("alone", CALLS, 0.0), ("beside a busy thread", 2_000, 0.001)):
        mine, theirs = ours(), usual()
        if pause:
            with holding_the_gil():
                a, b = callbacks(mine, count, pause), callbacks(theirs, count, pause)
        else:
            a, b = callbacks(mine, count, pause), callbacks(theirs, count, pause)
        for percent in (50, 99.9):
            value, other = _percentile(a, percent), _percentile(b, percent)
            yield Result(
                f"microphone callback, {where}, p{percent:g}",
                value,
                "µs",
                f"into a queue.Queue: {other:.1f}",
                value / other,
                # A tenth of the block.
                limit=BLOCK_MS * 100,
                limited="value",
            )


def listen(seconds: float) -> tuple[list[float], int, int]:
    """Milliseconds from a chunk's last sample to its arrival; samples received and lost."""
    late: list[float] = []
    came = lost = 0
    failed: list[Exception] = []
    ended = threading.Event()

    def hear(element: AudioChunk | Event) -> None:
        nonlocal came, lost
        if isinstance(element, AudioChunk):
            assert element.time is not None
            end = element.time + len(element.samples) / element.sample_rate
            late.append(1000 * (time.monotonic() - end))
            came += len(element.samples)
        elif isinstance(element, AudioLost):
            lost = element.total
        elif isinstance(element, DeviceLost):
            fail(RuntimeError(f"the device went away: {element.reason}"))

    def fail(error: Exception) -> None:
        failed.append(error)
        ended.set()

    subscription = sources.microphone(sample_rate=RATE).subscribe(hear, fail)
    ended.wait(seconds)
    subscription.dispose()
    if failed:
        raise failed[0]
    return late, came, lost


def _live_results() -> Iterator[Result]:
    late, _, lost = listen(LIVE_S)
    with holding_the_gil():
        busy, _, lost_busy = listen(LIVE_S)
    for percent in (50, 99):
        value, other = _percentile(late, percent), _percentile(busy, percent)
        yield Result(
            f"microphone, capture to chunk, p{percent}",
            value,
            "ms",
            f"beside a busy thread: {other:.1f}",
            value / other,
        )
    yield Result(
        f"microphone, samples lost in {LIVE_S} s",
        lost,
        "samples",
        f"beside a busy thread: {lost_busy}",
        lost / max(1, lost_busy),
        limit=0,
        limited="value",
    )
    if minutes := float(os.environ.get("RXVOICE_MINUTES", "0")):
        _, came, lost = listen(60 * minutes)
        expected = round(60 * minutes * RATE)
        yield Result(
            f"microphone, samples lost in {minutes:g} minutes",
            lost,
            "samples",
            f"came of {expected}: {came}",
            lost / expected,
            limit=0,
            limited="value",
        )


def measure() -> list[Result]:
    """Measure the callback against the usual one, and live if there is a device."""
    results = list(_callback_results())
    try:
        devices.find(None, "microphone")
    except RxvoiceError as error:
        print(f"    no live microphone: {error}", file=sys.stderr)
        return results
    return results + list(_live_results())
