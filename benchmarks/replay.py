"""How much faster than real time a recorded conversation runs again, as it was or with a change."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from reactivex.scheduler import CurrentThreadScheduler

import rxvoice as rxv
from benchmarks._measure import Result
from rxvoice import sinks, sources
from rxvoice.cli._parts import Parts
from rxvoice.cli._pipe_of_trace import pipe_of
from rxvoice.cli._run_pipe import Story, conversation
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._traced import command_of, live_here
from rxvoice.cli._view import PlainView
from rxvoice.cli._what_if import RecordedTalk
from rxvoice.trace import read

MINUTES = 10
RATE, VOICE_RATE = 16_000, 24_000
MOST = 0.01
"""Of real time: a hundred times faster."""


def _sound(seconds: float, rate: int, level: float) -> rxv.Samples:
    """Noise: FLAC can make little of it smaller."""
    noise = np.random.default_rng(1).standard_normal(int(seconds * rate))
    return (level * noise).clip(-1, 1).astype(np.float32)


def _voice(text: str) -> Iterator[rxv.Samples]:
    """A sentence of 2 s, in pieces of 80 ms."""
    yield from np.array_split(_sound(2, VOICE_RATE, 0.1), 25)


def _record(directory: Path) -> None:
    """A turn of 3 s and its reply, every 10 s."""
    microphone = np.concatenate([_sound(3, RATE, 0.1), _sound(7, RATE, 0.001)] * (6 * MINUTES))
    parts: Any = Parts(
        lambda it: float(np.abs(it[:64]).max() > 0.03),
        lambda audio: "five words for each turn",
        lambda text: ["You said ", text, ". ", "And what ", "then?"],
        _voice,
    )
    settings = CommandSettings(trace=directory)
    quiet: Any = None
    pipe = conversation(
        sources.array(microphone, RATE), parts, sinks.null(), Story(PlainView(quiet)),
        settings=settings,
    )  # fmt: skip
    live_here(
        pipe, lambda _: None, lambda error: None, CurrentThreadScheduler.singleton(),
        trace=directory, trace_content=True, trace_command=command_of(settings, "run", parts),
    )  # fmt: skip


def _took(what: Callable[[], object]) -> float:
    """Seconds of the processor, the best of three."""
    times: list[float] = []
    for _ in range(3):
        before = time.process_time()
        what()
        times.append(time.process_time() - before)
    return min(times)


def measure() -> list[Result]:
    """Replay ten minutes, and hold them again with a shorter silence."""
    seconds = 60 * MINUTES
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "trace"
        _record(directory)

        def replay() -> None:
            trace = read(directory)
            failed: list[Exception] = []
            rxv.replay(trace, pipe_of(trace)).subscribe(lambda _: None, failed.append)
            if failed:
                raise failed[0]

        recorded = RecordedTalk.of(read(directory))
        exact = _took(replay)
        changed = _took(lambda: recorded.with_settings({"silence_ms": 400}))
    return [
        _result("replaying a conversation, with reading its trace", exact, seconds),
        _result("the same with another silence, in virtual time", changed, seconds),
    ]


def _result(name: str, took: float, seconds: float) -> Result:
    per_second = 1000 * took / seconds
    against = f"real time, {seconds / took:.0f} times longer: 1000"
    return Result(name, per_second, "ms/s", against, per_second / 1000, MOST)
