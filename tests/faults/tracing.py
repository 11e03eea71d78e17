"""The trace of a conversation whose disk fails, and what must hold of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.grammar import Fault
from faults.parts import CHUNK, said_of
from faults.world import Judge, World

from rxvoice.trace import _writer, read
from rxvoice.trace._growing_sound import GrowingSound
from rxvoice.trace._writer import TraceWriter

__all__ = ["check_trace", "trace_of"]

ENDS = {"completed": "completed", "failed": "error", "disposed": "disposed"}


@contextmanager
def trace_of(world: World) -> Iterator[Path | None]:
    """Where the conversation is recorded; what is written there may fail."""
    if "trace" not in world.talk.parts:
        yield None
        return
    assert world.tmp is not None
    log = logging.Logger("of traces")
    log.addHandler(_Kept(world.warnings))
    hear = Judge(world.moments, "trace sound", lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_writer, "_log", log)
        patch.setattr(TraceWriter, "_write", _writing(world, TraceWriter._write))
        patch.setattr(GrowingSound, "write", _hearing(hear, GrowingSound.write))
        patch.setattr(GrowingSound, "close", _closing(world, GrowingSound.close))
        yield world.tmp / "trace"


class _Kept(logging.Handler):
    def __init__(self, warnings: list[str]) -> None:
        super().__init__()
        self._warnings = warnings

    def emit(self, record: logging.LogRecord) -> None:
        self._warnings.append(record.getMessage())


def _writing(world: World, real: Any) -> Any:
    given = [(number, now) for _, _, number, now in world.chunks()]

    def write(writer: TraceWriter, lines: list[Mapping[str, Any]]) -> None:
        for line in lines:
            if line.get("k") == "block":
                number, now = given[line["at"] // CHUNK]
                now = (*now, *world.moments.around(number)) if now else ()
                fault = world.moments.meets("trace lines", number, *now)
                if fault is not None:
                    world.moments.strike(fault)
            real(writer, [line])

    return write


def _hearing(judge: Judge, real: Any) -> Any:
    def write(sound: GrowingSound, samples: Any) -> None:
        if sound._path.stem == "microphone":
            for at in range(0, len(samples), CHUNK):
                judge(samples[at : at + CHUNK].astype(np.float32) / 2**15)
        real(sound, samples)

    return write


def _closing(world: World, real: Any) -> Any:
    def close(sound: GrowingSound) -> None:
        real(sound)
        if sound._path.stem == "microphone":
            fault = world.moments.meets("trace sound", None, "close")
            if fault is not None:
                world.moments.strike(fault)

    return close


def check_trace(world: World) -> None:
    """What was written until its disk failed opens, and the log says once why it ends there."""
    if "trace" not in world.talk.parts:
        return
    assert world.tmp is not None
    found = read(world.tmp / "trace")
    failed = [it for it in world.moments.hit if it.stage.startswith("trace")]
    blocks = [it.number("at") for it in found.of("block")]
    assert blocks == [n * CHUNK for n in range(len(blocks))], "a line is missing in between"
    heard = found.microphone.samples()
    given = np.concatenate([np.empty(0, np.float32), *world.given])
    assert np.array_equal(heard, given[: len(heard)]), "the microphone's sound is another one"
    if not failed:
        assert world.warnings == []
        assert found.finish == ENDS[world.ended or ""], found.finish
        if world.ended == "completed":
            assert len(heard) == len(given) == CHUNK * len(blocks), "sound was lost"
        else:  # the last of it may have come when all was over
            assert len(heard) >= CHUNK * len(blocks)
        return
    (warning,) = world.warnings
    assert any(said_of(it) in warning for it in failed), f"{warning!r} does not say {failed}"
    assert warning.endswith("the conversation goes on")
    assert (found.finish is not None) == all(it.moment == "close" for it in failed)
    _check_end(failed[0], world, len(heard), len(blocks))


def _check_end(fault: Fault, world: World, samples: int, blocks: int) -> None:
    """Nothing is lost that came a while before."""
    if fault.moment == "close":
        assert samples == CHUNK * blocks
        return
    before = [n for n, it in enumerate(world.chunks()) if it[2] < fault.turn]
    if fault.stage == "trace lines":
        assert blocks >= len(before), f"only {blocks} blocks were kept"
    else:
        assert blocks <= len(world.chunks())
