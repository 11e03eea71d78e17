"""The callback of the loudspeaker, how soon it is heard and how soon it is silent.

It is compared with ``mlx_audio.tts.audio_player.AudioPlayer``. For both, the clock of the device
says what is heard when. The live measures need a sound device and are left out without one. A
headless machine gets a virtual one by ``.ci/virtual_audio.sh start`` and
``eval "$(.ci/virtual_audio.sh env)"``.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_audio.tts import audio_player

from benchmarks._measure import Result, holding_the_gil, median
from rxvoice import devices, sinks
from rxvoice.errors import RxvoiceError
from rxvoice.mlx import Resampler

RATE = 24_000
FRAMES = 480
BLOCK_MS = 10
CALLS = 20_000
TIMES = 8
PIECE_S = 0.1
PIECES = 120
MLX_PIECE_S = 0.32
MLX_PIECES = 200
FASTER = 3
"""How many times faster speech is made than it is played."""


class _Stream:
    """A stream that asks for sound only when the benchmark says so."""

    time = 0.0

    def __init__(self, **options: Any) -> None:
        self.callback = options["callback"]

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class _Sound:
    """A replacement for the module sounddevice, without sound."""

    PortAudioError = OSError
    CallbackStop = StopIteration

    def __init__(self) -> None:
        self.stream: _Stream | None = None

    def query_devices(self, kind: str | None = None) -> Any:
        box = {
            "index": 0,
            "name": "box",
            "max_input_channels": 0,
            "max_output_channels": 2,
            "default_samplerate": 48_000.0,
        }
        return [box] if kind is None else box

    def check_output_settings(self, **_: object) -> None: ...

    def OutputStream(self, **options: Any) -> _Stream:
        self.stream = _Stream(**options)
        return self.stream

    RawOutputStream = OutputStream


@contextmanager
def _without_sound() -> Iterator[_Sound]:
    sound, before = _Sound(), sys.modules.get("sounddevice")
    sys.modules["sounddevice"] = sound  # type: ignore[assignment]
    audio_player.sd, kept = sound, audio_player.sd
    try:
        yield sound
    finally:
        audio_player.sd = kept
        sys.modules.pop("sounddevice")
        if before is not None:
            sys.modules["sounddevice"] = before


SECOND = np.full(48_000, 0.1, np.float32)


def callbacks(*, mine: bool, busy: bool) -> list[float]:
    """The microseconds of each call, measured inside, where the GIL is already held."""
    count, pause = (2_000, 0.001) if busy else (CALLS, 0.0)
    times = SimpleNamespace(currentTime=1.0, outputBufferDacTime=1.0)
    status = SimpleNamespace(output_underflow=False)
    spent: list[float] = []
    with contextlib.ExitStack() as stack:
        sound = stack.enter_context(_without_sound())
        out = np.zeros((FRAMES, 2 if mine else 1), np.float32)
        if mine:
            sink = stack.enter_context(sinks.speaker(max_buffer_ms=10_000))
            write: Callable[[Any], object] = sink.write_samples
        else:
            write = audio_player.AudioPlayer(48_000, FRAMES).queue_audio
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        for _ in range(3):
            write(SECOND)
        if busy:
            stack.enter_context(holding_the_gil())
        assert sound.stream is not None
        for call in range(count):
            if call % 100 == 0:  # a second is played
                write(SECOND)
            begin = time.perf_counter_ns()
            sound.stream.callback(out, FRAMES, times, status)
            spent.append((time.perf_counter_ns() - begin) / 1000)
            if pause:
                time.sleep(pause)
        assert out.any()
    return spent


def writes(*, busy: bool) -> tuple[list[float], list[float]]:
    """Milliseconds that a piece of MLX takes on the thread that writes it, and by MLX there.

    The second is what its conversion by MLX takes: `synthesize` has it done where the piece is
    made, and only where MLX is the faster one.
    """
    piece: Any = mx.array(np.full(int(RATE * MLX_PIECE_S), 0.1, np.float32))
    mine: list[float] = []
    by_mlx: list[float] = []
    over = threading.Event()

    def work() -> None:
        square = mx.ones((1024, 1024))
        while not over.is_set():
            mx.eval(square @ square)

    worker = threading.Thread(target=work)
    with _without_sound(), sinks.speaker(max_buffer_ms=600_000) as sink:
        sink.set_sample_rate(RATE)
        resampler = Resampler(RATE, sink.sample_rate)
        if busy:
            worker.start()
        for _ in range(MLX_PIECES):
            for spent, write in ((mine, sink.write_samples), (by_mlx, resampler.feed)):
                begin = time.perf_counter()
                write(piece)
                spent.append(1000 * (time.perf_counter() - begin))
                time.sleep(0.002)
        over.set()
        if busy:
            worker.join()
    return mine, by_mlx


class _Watch:
    """Watches what a real stream plays, and when it is heard."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.first = self.last = 0.0
        self.offset = 0.0  # from PortAudio's clock to ours

    def over(self, stream: Any) -> Any:
        """The class of streams, with a watch."""
        watch = self

        class Stream(stream):
            def __init__(self, **options: Any) -> None:
                inner = options["callback"]
                rate = options["samplerate"]

                def callback(out: Any, frames: int, times: Any, status: Any) -> None:
                    try:
                        inner(out, frames, times, status)
                    finally:
                        heard = (
                            np.frombuffer(out, np.float32).reshape(frames, -1)[:, 0].nonzero()[0]
                        )
                        if len(heard):
                            begin = max(times.outputBufferDacTime, times.currentTime)
                            watch.last = begin + heard[-1] / rate
                            if not watch.begun.is_set():
                                watch.first = begin + heard[0] / rate
                                watch.begun.set()

                super().__init__(**{**options, "callback": callback})

            def start(self) -> None:
                watch.offset = time.monotonic() - self.time
                super().start()

            def abort(self, *given: Any, **options: Any) -> None:
                super().abort(*given, **options)
                watch.last = min(watch.last, self.time)  # the device drops what waits in it

        return Stream


@contextmanager
def _watched() -> Iterator[_Watch]:
    sd = devices.sound()
    kept, watch = (sd.OutputStream, sd.RawOutputStream), _Watch()
    sd.OutputStream, sd.RawOutputStream = map(watch.over, kept)
    try:
        yield watch
    finally:
        sd.OutputStream, sd.RawOutputStream = kept


def live(*, mine: bool) -> tuple[list[float], list[float]]:
    """Milliseconds from the first piece to its sound, and from the clear to silence."""
    starts: list[float] = []
    clears: list[float] = []
    piece = np.full(int(RATE * PIECE_S), 0.1, np.float32)
    for _ in range(TIMES):
        with _watched() as watch, contextlib.ExitStack() as stack:
            player: Any
            if mine:
                player = stack.enter_context(sinks.speaker(max_buffer_ms=60_000))
                player.set_sample_rate(RATE)
                write, clear = player.write_samples, player.clear
                time.sleep(0.1)  # the stream of an app has long been open
            else:
                stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
                player = audio_player.AudioPlayer(RATE)
                write, clear = player.queue_audio, player.flush
            begin = time.monotonic()
            for _ in range(PIECES):
                write(piece)
                if watch.begun.wait(PIECE_S / FASTER):
                    break
            assert watch.begun.wait(10)
            starts.append(1000 * (watch.first + watch.offset - begin))
            for _ in range(20):
                write(piece)
            time.sleep(0.3)
            begin = time.monotonic()
            clear()
            time.sleep(0.3)
            clears.append(1000 * max(0.0, watch.last + watch.offset - begin))
    return starts, clears


def _percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def measure() -> list[Result]:
    """Measure the callback, and live if there is a device."""
    results: list[Result] = []
    for where, busy in (("alone", False), ("beside a busy thread", True)):
        ours, theirs = callbacks(mine=True, busy=busy), callbacks(mine=False, busy=busy)
        for percent in (50, 99.9):
            value, other = _percentile(ours, percent), _percentile(theirs, percent)
            results.append(
                Result(
                    f"speaker callback, {where}, p{percent:g}",
                    value,
                    "µs",
                    f"mlx-audio's AudioPlayer: {other:.1f}",
                    value / other,
                    # A tenth of the block.
                    limit=BLOCK_MS * 100,
                    limited="value",
                )
            )
    for where, busy in (("alone", False), ("beside MLX at work", True)):
        mine, by_mlx = writes(busy=busy)
        for name, of in (("p50", median), ("worst", max)):
            value, other = of(mine), of(by_mlx)
            results.append(
                Result(
                    f"writing 320 ms of MLX to the speaker, {where}, {name}",
                    value,
                    "ms",
                    f"converted by MLX: {other:.2f}",
                    value / other,
                )
            )
    try:
        devices.find(None, "speaker")
    except RxvoiceError as error:
        print(f"    no live speaker: {error}", file=sys.stderr)
        return results
    # With less than one of its blocks, AudioPlayer is never asked for sound.
    os.environ.pop("PULSE_LATENCY_MSEC", None)
    ours_live, theirs_live = live(mine=True), live(mine=False)
    for name, ours, theirs in zip(
        ("first piece to its sound", "clear to silence"), ours_live, theirs_live, strict=True
    ):
        value, other = median(ours), median(theirs)
        results.append(
            Result(
                f"speaker, {name}, p50",
                value,
                "ms",
                f"mlx-audio's AudioPlayer: {other:.0f}",
                value / other,
            )
        )
    return results
