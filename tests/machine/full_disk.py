"""`python tests/machine/full_disk.py DIRECTORY`: all that writes, where no file may grow any more.

It prints as JSON what each of them told: what was raised, what came out, what was logged.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine.dying import BLOCK, BLOCKS, OLD, block, conversation, saved
from reactivex import Subject

import rxvoice as rxv
from rxvoice import events, sinks
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.cli._transcript import TranscriptFile
from rxvoice.recorder import StereoRecorder
from rxvoice.trace import _writer

MOST_BYTES = 20_000


class Kept(logging.Handler):
    """The messages of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def record(path: Path, told: list[Any]) -> int:
    """Returns how many blocks came out."""
    source: Subject[Any] = Subject()
    out: list[Any] = []
    source.pipe(vox.record(path)).subscribe(out.append)
    for n in range(BLOCKS):
        source.on_next(AudioChunk(block(n), 16_000, n * BLOCK))
    source.on_completed()
    told += [it.message for it in out if isinstance(it, events.Notice)]
    return sum(isinstance(it, AudioChunk) for it in out)


def stereo(path: Path, told: list[Any]) -> int:
    with StereoRecorder(path, 16_000) as recorder:
        for n in range(BLOCKS):
            recorder.mic(AudioChunk(block(n), 16_000, n * BLOCK, time=10 + n * BLOCK / 16_000))
        told.append(str(recorder.error))
    return BLOCKS


def sink(path: Path, told: list[Any]) -> int:
    taken = 0
    with sinks.wav(path, sample_rate=16_000) as made:
        for n in range(BLOCKS):
            taken += made.write_samples(block(n)) // BLOCK
    return taken


def noisy(path: Path, told: list[Any]) -> int:
    """FLAC, of what it cannot make small."""
    noise = np.random.default_rng(1).uniform(-1, 1, BLOCK).astype(np.float32)
    with sinks.wav(path, sample_rate=16_000) as made:
        for _ in range(BLOCKS):
            made.write_samples(noise)
    return BLOCKS


def transcript(path: Path, told: list[Any]) -> int:
    with TranscriptFile(path) as made:
        for n in range(BLOCKS):
            made.write(events.Notice(f"event {n} " + "x" * 3_000))
    return BLOCKS


def history(path: Path, told: list[Any]) -> int:
    saved(30).save(path)
    return 0


def trace(path: Path, told: list[Any]) -> int:
    out: list[Any] = []
    rxv.live(conversation(), trace=path).run(out.append)
    for writer in [*_writer._at_work]:
        writer.join(60)
    return sum(isinstance(it, events.TurnEnded) for it in out)


WHAT: dict[str, Callable[[Path, list[Any]], int]] = {
    "record.wav": record,
    "stereo.wav": stereo,
    "sink.wav": sink,
    "sink.flac": noisy,
    "transcript.jsonl": transcript,
    "history.json": history,
    "trace": trace,
}


def main(directory: str) -> None:
    """Run each of them, with an old file there where there may be one."""
    log = logging.getLogger("rxvoice")
    log.propagate = False
    found: dict[str, Any] = {}
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, resource.RLIM_INFINITY))
    for name, run in WHAT.items():
        path = Path(directory, name)
        if name != "trace":
            path.write_bytes(OLD)
        kept, told, came, raised = Kept(), list[Any](), None, None
        log.addHandler(kept)
        try:
            came = run(path, told)
        except OSError as error:
            raised = f"{type(error).__name__}: {error}"
        log.removeHandler(kept)
        found[name] = {"came": came, "told": told, "raised": raised, "log": kept.messages}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
