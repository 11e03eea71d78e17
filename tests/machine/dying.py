"""Programs that are killed in the midst of writing: at a step of their own, drawn by a seed.

`python tests/machine/dying.py DIRECTORY SEED...` runs each program once for each seed, in a process
of its own, in the directory ``DIRECTORY/WHAT/SEED``. A step is a call that writes, or renames, or
makes sure that something is on the disk; a large write has a step for each page, since a process
can be killed between two of them. Each program tells in the file ``told`` what it has passed on.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from reactivex import Subject

import rxvoice as rxv
from rxvoice import events, sinks
from rxvoice import operators as vox
from rxvoice._files import output, whole
from rxvoice.chunks import AudioChunk
from rxvoice.cli._transcript import TranscriptFile
from rxvoice.recorder import StereoRecorder
from rxvoice.trace import _writer

__all__ = ["BLOCK", "BLOCKS", "OLD", "WHAT", "block", "conversation", "saved"]

BLOCK, BLOCKS = 3_000, 24
"""Samples of a block: more than a page; and how many blocks there are."""
OLD = b"precious"
"""What stands in the file before, for odd seeds."""
_PAGE = 4096


class Steps:
    """Counts what is done, and ends the process at one of them.

    Args:
        last: the step at which it ends; None: never.
    """

    now: Steps

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.taken = 0
        Steps.now = self

    def take(self) -> None:
        """The next step."""
        if self.taken == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.taken += 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """What writes takes steps."""
        write = output._Writer.__base__.write  # type: ignore[union-attr]
        renames = {name: getattr(os, name) for name in ("replace", "fsync", "chown")}

        def written(file: Any, data: Any) -> int:
            self.take()
            count = write(file, memoryview(data)[:_PAGE])
            self.take()
            return int(count)

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def made(*arguments: Any, **options: Any) -> Any:
                self.take()
                result = call(*arguments, **options)
                self.take()
                return result

            return made

        class Raw(output.io.FileIO):
            write = written

        before = output._Writer.__bases__
        output._Writer.__bases__ = (Raw,)
        try:
            for name, call in renames.items():
                setattr(whole.os, name, counted(call))
            yield
        finally:
            output._Writer.__bases__ = before
            for name, call in renames.items():
                setattr(whole.os, name, call)


def block(n: int) -> Any:
    """The samples of a block, as 16 bits hold them. No two blocks have the same."""
    return ((np.arange(n * BLOCK, (n + 1) * BLOCK) % 30_011) / 32_768).astype(np.float32)


def saved(n: int) -> rxv.Conversation:
    """A conversation of `n` questions."""
    made = rxv.Conversation(system="Be brief.")
    for it in range(n):
        made.add_user(f"question {it} " + "word " * 300)
    return made


def record(path: Path, tell: Callable[[int], None]) -> None:
    source: Subject[Any] = Subject()
    source.pipe(vox.record(path)).subscribe(lambda it: tell(it.start // BLOCK + 1))
    for n in range(BLOCKS):
        source.on_next(AudioChunk(block(n), 16_000, n * BLOCK))
    source.on_completed()


def stereo(path: Path, tell: Callable[[int], None]) -> None:
    with StereoRecorder(path, 16_000) as recorder:
        for n in range(BLOCKS):
            time = 10 + n * BLOCK / 16_000
            recorder.mic(AudioChunk(block(n), 16_000, n * BLOCK, time=time))
            recorder.assistant(-block(n), 16_000, time)
            tell(n + 1)


def sink(path: Path, tell: Callable[[int], None]) -> None:
    with sinks.wav(path, sample_rate=16_000) as made:
        for n in range(BLOCKS):
            made.write_samples(block(n))
            tell(n + 1)


def transcript(path: Path, tell: Callable[[int], None]) -> None:
    with TranscriptFile(path) as made:
        for n in range(BLOCKS):
            made.write(events.Notice(f"event {n} " + "ä" * 3_000))
            tell(n + 1)


def history(path: Path, tell: Callable[[int], None]) -> None:
    for n in range(1, 9):
        saved(n).save(path)
        tell(n)


def conversation() -> Any:
    """A pipe without a clock: it answers each second of a sound."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 8_000)
    sound = np.concatenate([noise, np.zeros(8_000)] * 12).astype(np.float32)
    return rxv.sources.array(sound, 16_000).pipe(
        vox.chunk(512),
        vox.vad(lambda it: bool(np.abs(it).mean() > 0.1)),
        vox.turn_window(rxv.silence(100)),
        vox.converse(
            vox.transcribe(lambda it: "hello"),
            vox.respond(lambda text: ["Hello. ", "How are you?"]),
            vox.synthesize(lambda text: [np.full(1_600, 0.25, np.float32)]),
            sink=sinks.memory(),
        ),
    )


class Told:
    """A sound file of a trace, whose calls are steps."""

    def __init__(self, sound: Any, steps: Steps, count: Callable[[int], None]) -> None:
        self._sound, self._steps, self._count = sound, steps, count

    def write(self, samples: Any) -> None:
        for part in np.array_split(samples, 3):
            self._steps.take()
            self._sound.write(part)
        self._count(len(samples))

    def __getattr__(self, name: str) -> Any:
        self._steps.take()
        return getattr(self._sound, name)


def trace(path: Path, tell: Callable[[Any], None]) -> None:
    steps = Steps.now
    written: dict[str, int] = {}

    class Writer(_writer.TraceWriter):
        def _open(self, name: str, rate: int) -> Any:
            def count(more: int) -> None:
                written[name] = written.get(name, 0) + more

            sound = super()._open(name, rate)
            sound._sound = Told(sound._sound, steps, count)
            return sound

        def _write(self, lines: Any) -> None:
            for line in lines:
                steps.take()
                super()._write([line])
            written["lines"] = written.get("lines", 0) + len(lines)

        def _write_waiting(self) -> None:
            super()._write_waiting()
            tell(json.dumps(written))

    with (
        patch("rxvoice.trace._recording.TraceWriter", Writer),
        patch.object(_writer, "_EVERY_S", 0.002),
    ):
        rxv.live(conversation(), trace=path).run()
        for writer in [*_writer._at_work]:
            writer.join(60)


WHAT: dict[str, Callable[[Path, Callable[[Any], None]], None]] = {
    "record.wav": record,
    "stereo.wav": stereo,
    "sink.wav": sink,
    "sink.flac": sink,
    "transcript.jsonl": transcript,
    "history.json": history,
    "trace": trace,
}


def _run(what: str, directory: Path, last: int | None, *, old: bool) -> int:
    """Run one here. Returns how many steps it took."""
    path = directory / what
    if old:
        path.write_bytes(OLD)
    told = os.open(directory / "told", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    steps = Steps(last)
    with steps.watching():
        WHAT[what](path, lambda it: os.write(told, f"{it}\n".encode()) and None)
    os.close(told)
    return steps.taken


def main(directory: str, *seeds: str) -> None:
    """Run each of them for each seed, and wait for their ends."""
    for what in WHAT:
        olds = (False,) if what == "trace" else (False, True)
        most = [_forked(what, Path(directory, what, f"trial-{old}"), None, old) for old in olds]
        for seed in map(int, seeds):
            last = random.Random(seed).randrange(most[seed % len(olds)])
            died = _forked(what, Path(directory, what, str(seed)), last, olds[seed % len(olds)])
            print(what, seed, died, flush=True)


def _forked(what: str, directory: Path, last: int | None, old: bool) -> int:
    """Run one in a process of its own: its steps, or the signal that killed it, below 0."""
    directory.mkdir(parents=True)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, str(_run(what, directory, last, old=old)).encode())
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with open(reader) as answer:
        said = answer.read()
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else int(said)


if __name__ == "__main__":
    main(*sys.argv[1:])
