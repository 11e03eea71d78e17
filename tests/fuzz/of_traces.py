"""Recorded conversations that somebody else wrote: read, told, drawn, exported and replayed."""

from __future__ import annotations

import contextlib
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice import sinks, trace
from rxvoice.errors import ConfigError, MissingDependency, RxvoiceError
from rxvoice.testing import FakeSynthesizer
from rxvoice.trace._story import TraceStory

RATE = 16_000
FORMATS = ("vtt", "audacity", "csv", "otlp", "perfetto", "mcap")


@cache
def _flac(samples: int) -> bytes:
    import io

    file = io.BytesIO()
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, samples).astype(np.float32)
    soundfile.write(file, noise, RATE, format="FLAC")
    return file.getvalue()


def _written(data: bytes, folder: Path) -> Path:
    directory = folder / "trace"
    directory.mkdir(exist_ok=True)
    (directory / "trace.jsonl").write_bytes(data)
    for name, samples in (("microphone", 2 * RATE), ("voice", RATE // 2)):
        (directory / f"{name}.flac").write_bytes(_flac(samples))
    return directory


def trace_story(data: bytes, folder: Path) -> None:
    """The lines of a trace: the story that they tell, its pictures and its exports."""
    directory = _written(data, folder)
    try:
        told = trace.story(trace.read(directory))
    except ConfigError:
        return
    _looked_at(told)
    for name in ("a.svg", "a.html"):
        with contextlib.suppress(ConfigError, MissingDependency):
            # A page has the sound of all that it shows: here a stretch of it will do.
            trace.timeline(directory, folder / name, end_s=20.0)
    for form in FORMATS:
        with contextlib.suppress(ConfigError, MissingDependency):
            trace.export(directory, form, folder / f"out-{form}")  # type: ignore[arg-type]


def _looked_at(told: TraceStory) -> None:
    assert told.duration >= 0
    for turn in told.turns:
        assert turn.opened <= told.duration or turn.opened >= 0
    for it in told.played:
        assert it.end >= it.start


def trace_sound(data: bytes, folder: Path) -> None:
    """A sound file of a trace, as far as it can be read."""
    directory = _written(b'{"schema": 1}\n', folder)
    (directory / "microphone.flac").write_bytes(data)
    sound = trace.read(directory).microphone
    with contextlib.suppress(ConfigError):
        assert len(sound) == len(sound.samples())
        assert sound.rate >= 0
        assert sound.why_short is None or sound.why_short


def trace_replay(data: bytes, folder: Path) -> None:
    """A pipe on a trace that it was not recorded with: the first difference is an error."""
    directory = _written(data, folder)
    failed: list[Exception] = []
    try:
        trace.replay(directory, pipe()).subscribe(_nothing, failed.append)
    except ConfigError:
        return
    for error in failed:
        if not isinstance(error, RxvoiceError):
            raise error
    shutil.rmtree(directory)


def _nothing(_: Any) -> None:
    pass


def pipe() -> Observable[Any]:
    """A conversation that an app takes part in; the seeds of the corpus were recorded with it."""
    says, interrupts = Subject[Any](), Subject[Any]()
    heard = rxv.sources.array(_sound(), RATE).pipe(
        vox.chunk(512),
        vox.vad(lambda samples: bool(np.abs(samples).mean() > 0.1)),
        vox.preroll(100),
        vox.turn_window(rxv.silence(300)),
    )
    return heard.pipe(
        vox.converse(
            vox.transcribe(lambda audio: f"{len(audio)} samples"),
            vox.respond(lambda text: ["You said ", text, ". Fine."]),
            vox.synthesize(FakeSynthesizer(samples_per_char=50, sample_rate=RATE)),
            sink=sinks.memory(),
            says=says,
            interrupts=interrupts,
        )
    )


@cache
def _sound() -> np.ndarray:
    random = np.random.default_rng(1)
    pieces = [
        random.uniform(-0.5, 0.5, int(s * RATE)) if n % 2 else np.zeros(int(s * RATE))
        for n, s in enumerate((0.2, 0.4, 0.5, 0.3, 0.4))
    ]
    return np.concatenate(pieces).astype(np.float32)
