"""What a trace costs while it is written, and how large it is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import rxvoice as rxv
from benchmarks._measure import Result
from rxvoice import operators as vox
from rxvoice import sinks
from rxvoice.trace import timeline

MINUTES = 5
RATE = 16_000
VOICE_RATE = 24_000
MOST_CPU = 2.0
MOST_MB = 4.0


def _noise(seconds: float, rate: int, seed: int) -> rxv.Samples:
    """Noise shaped like speech, which FLAC can make little smaller."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    swing = np.abs(np.sin(np.arange(n) * 2 * np.pi * 3 / rate))
    return (0.1 * swing * rng.standard_normal(n)).clip(-1, 1).astype(np.float32)


def _microphone() -> rxv.Samples:
    """Turns of 3 s, and rooms of 7 s."""
    said, room = _noise(3, RATE, 1), _noise(7, RATE, 2) * np.float32(0.02)
    return np.concatenate([said, room] * (6 * MINUTES))


def _voice(text: str) -> Iterator[rxv.Samples]:
    """A sentence of 2 s, in pieces of 80 ms."""
    yield from np.array_split(_noise(2, VOICE_RATE, len(text)), 25)


def _pipe(sound: rxv.Samples) -> object:
    return rxv.sources.array(sound, RATE).pipe(
        vox.chunk(512),
        vox.vad(lambda it: float(np.abs(it[:64]).max() > 0.03)),
        vox.preroll(250),
        vox.turn_window(rxv.silence(640)),
        vox.converse(
            vox.transcribe(lambda audio: f"{len(audio)} samples"),
            vox.respond(lambda text: ["You said ", text, ". ", "And what ", "then?"]),
            vox.synthesize(_voice, sample_rate=VOICE_RATE),
            sink=sinks.null(),
        ),
        vox.metrics(),
    )


def _cpu(trace: Path | None, sound: rxv.Samples) -> float:
    """Seconds of the processor, of all threads."""
    before = time.process_time()
    rxv.live(_pipe(sound), trace=trace).run()  # type: ignore[arg-type]
    return time.process_time() - before


def measure() -> list[Result]:
    """Hold a conversation as fast as it goes, with a trace and without, in turn."""
    sound = _microphone()
    seconds = len(sound) / RATE
    plain: list[float] = []
    traced: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for n in range(3):
            plain.append(_cpu(None, sound))
            directory = Path(folder) / str(n)
            traced.append(_cpu(directory, sound))
        size = sum(file.stat().st_size for file in directory.iterdir()) / 1e6
        page = timeline(directory, Path(folder) / "page.html").stat().st_size / 1e6
    cost = 100 * (min(traced) - min(plain)) / seconds
    per_minute = size * 60 / seconds
    without = 100 * min(plain) / seconds
    return [
        Result(
            "writing a trace, of one core",
            cost,
            "%",
            f"the pipe on stub models: {without:.2f} %",
            cost / without,
            MOST_CPU,
            "value",
        ),
        Result(
            "size of a trace, both sides",
            per_minute,
            "MB/min",
            f"16-bit samples: {2 * 60 * (RATE + VOICE_RATE * 0.4) / 1e6:.2f}",
            per_minute / (2 * 60 * (RATE + VOICE_RATE * 0.4) / 1e6),
            MOST_MB,
            "value",
        ),
        Result(
            "size of the page of its timeline",
            page * 60 / seconds,
            "MB/min",
            f"the trace: {per_minute:.2f}",
            page / size,
        ),
    ]
