"""What a trace holds when something goes wrong while it is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable, Subject

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice import sinks
from rxvoice.trace import read
from rxvoice.trace._traced_sink import TracedSink
from rxvoice.trace._writer import TraceWriter

RATE = 16_000

PROGRAM = """
import sys, numpy as np, rxvoice as rxv
from rxvoice import operators as vox, sinks

def pipe(sound):
    return rxv.sources.array(sound, 16000, realtime=True).pipe(
        vox.chunk(512),
        vox.vad(lambda it: bool(np.abs(it).mean() > 0.1)),
        vox.turn_window(rxv.silence(100)),
        vox.converse(
            vox.transcribe(lambda it: "hello"),
            vox.respond(lambda text: ["Hello. ", "How are you?"]),
            vox.synthesize(lambda text: [np.full(1600, 0.25, np.float32)]),
            sink=sinks.memory(),
        ),
    )

if __name__ == "__main__":
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 8000)
    sound = np.concatenate([noise, np.zeros(8000)] * 60).astype(np.float32)
    def told(element):
        print(type(element).__name__, flush=True)
    rxv.live(pipe(sound), trace=sys.argv[1]).run(told)
"""


@pytest.mark.slow
@pytest.mark.parametrize("events", [17, 24, 33])
def test_what_was_written_before_a_kill_opens_and_replays(tmp_path: Path, events: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    trace = tmp_path / "trace"
    talking = subprocess.Popen(
        [sys.executable, str(program), str(trace)], stdout=subprocess.PIPE, text=True
    )
    assert talking.stdout is not None
    told = [talking.stdout.readline().strip() for _ in range(events)]
    os.kill(talking.pid, signal.SIGKILL)
    talking.communicate()
    found = read(trace)
    assert found.finish is None
    assert found.duration > told.count("Finished") - 1  # the last second may be missing
    sys.path.insert(0, str(tmp_path))
    try:
        pipe: Any = __import__("program").pipe(np.zeros(0, np.float32))
    finally:
        sys.path.remove(str(tmp_path))
    out: list[Any] = []
    errors: list[Exception] = []
    rxv.replay(trace, pipe).subscribe(out.append, errors.append)
    assert not errors
    again = [type(it).__name__ for it in out]
    assert again == told[: len(again)]
    assert again.count("Finished") >= told.count("Finished") - 2  # a turn lasts a second


def never_ending(microphone: Any) -> Any:
    return microphone.pipe(
        vox.chunk(512),
        vox.vad(lambda it: bool(np.abs(it).mean() > 0.1)),
        vox.turn_window(rxv.silence(100)),
        vox.converse(
            vox.transcribe(lambda it: "hello"),
            vox.respond(lambda text: ["Hello."]),
            vox.synthesize(lambda text: [np.full(1600, 0.25, np.float32)]),
            sink=sinks.memory(),
        ),
    )


def test_a_conversation_that_is_disposed_of(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 8000)
    sound = np.concatenate([noise, np.zeros(8000)]).astype(np.float32)
    source = rx.concat(rxv.sources.array(sound, RATE), rx.never())
    out: list[Any] = []
    life: list[Any] = []
    over = threading.Event()

    def app(element: Any) -> None:
        out.append(element)
        if isinstance(element, rxv.FinishedTurn):
            life[0].dispose()
            over.set()

    live = rxv.live(never_ending(source), trace=tmp_path / "trace")
    ready = threading.Event()
    life.append(rx.disposable.SerialDisposable())
    life[0].disposable = live.subscribe(app)
    ready.set()
    assert over.wait(30)
    _join_writers()
    assert read(tmp_path / "trace").finish == "disposed"
    again: list[Any] = []
    ends: list[Any] = []
    rxv.replay(tmp_path / "trace", never_ending(source)).subscribe(
        again.append, ends.append, lambda: ends.append(None)
    )
    assert ends == [None]
    assert [repr(it) for it in again] == [repr(it) for it in out]


def test_what_comes_on_another_thread_is_told(tmp_path: Path) -> None:
    """A source that does not come to the conversation thread cannot be replayed."""
    microphone: Subject[Any] = Subject()
    done, followed = threading.Event(), threading.Event()

    def follow(observer: Any, scheduler: Any = None) -> Any:
        life = microphone.subscribe(observer)
        followed.set()
        return life

    life = rxv.live(never_ending(Observable(follow)), trace=tmp_path / "trace").subscribe(
        lambda _: None, lambda _: done.set(), done.set
    )
    assert followed.wait(60)
    microphone.on_next(rxv.AudioChunk(np.ones(512, np.float32) / 4, RATE))
    life.dispose()
    _join_writers()
    trace = read(tmp_path / "trace")
    assert [*trace.of("elsewhere")]
    errors: list[Exception] = []
    rxv.replay(trace, never_ending(microphone)).subscribe(None, errors.append)
    assert "cannot be replayed from here" in str(errors[0])


def test_a_disk_that_is_full_ends_the_trace_and_not_the_conversation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = TraceWriter._write

    def full(writer: TraceWriter, lines: Any) -> None:
        if "schema" not in lines[0]:
            raise OSError(28, "No space left on device")
        write(writer, lines)

    monkeypatch.setattr(TraceWriter, "_write", full)
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 8000)
    sound = np.concatenate([noise, np.zeros(8000)]).astype(np.float32)
    out: list[Any] = []
    source = rxv.sources.array(sound, RATE)
    rxv.live(never_ending(source), trace=tmp_path / "trace").run(out.append)
    assert any(isinstance(it, rxv.FinishedTurn) for it in out)
    assert caplog.messages == [
        f"the trace {tmp_path / 'trace'} stopped: [Errno 28] No space left on device; "
        "the conversation goes on"
    ]
    assert read(tmp_path / "trace").lines == ()


def test_lines_that_a_slow_disk_has_no_room_for_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxvoice.trace._writer._MOST_WAITING", 3)
    monkeypatch.setattr(TraceWriter, "_run", lambda _: None)
    writer = TraceWriter(tmp_path / "trace", {"schema": 1})
    for n in range(10):
        writer.line({"k": "x", "n": n})
    waiting = [content for _, content in writer._waiting]
    assert [it["n"] for it in waiting] == [0, 1, 2]
    writer._waiting.clear()
    writer.line({"k": "x", "n": 10})
    assert [(it["k"], it["n"]) for _, it in writer._waiting] == [("lost", 7), ("x", 10)]
    writer._close_files()


def test_sound_that_a_slow_disk_has_no_room_for_becomes_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxvoice.trace._writer._MOST_WAITING", 3)
    monkeypatch.setattr(TraceWriter, "_run", lambda _: None)
    writer = TraceWriter(tmp_path / "trace", {"schema": 1})
    at = [writer.sound("voice", np.full(10, n, np.int16), RATE) for n in range(1, 8)]
    assert at == [0, 10, 20, 30, 40, 50, 60]
    assert len(writer._waiting) == 3
    writer._write_waiting()
    assert writer.sound("voice", np.full(10, 8, np.int16), RATE) == 70
    writer._write_waiting()
    writer._close_files()
    kept = read(tmp_path / "trace").sound("voice").pcm16
    assert kept[::10].tolist() == [1, 2, 3, 0, 0, 0, 0, 8]
    assert len(kept) == 80


def _join_writers() -> None:
    from rxvoice.trace import _writer

    for writer in [*_writer._at_work]:
        assert writer.join(30)


def test_blocks_with_times_of_another_clock_leave_no_hour_of_silence(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 8000)
    sound = np.concatenate([noise, np.zeros(8000)]).astype(np.float32)
    blocks = [
        rxv.AudioChunk(sound[at : at + 512], RATE, at, time=at / RATE)
        for at in range(0, len(sound) - 512, 512)
    ]
    source = rx.from_iterable(blocks).pipe(vox.handoff(max_ms=10_000, overflow="fail"))
    rxv.live(never_ending(source), trace=tmp_path / "trace").run()
    assert len(read(tmp_path / "trace").sound("speaker")) < 5 * RATE


@pytest.mark.parametrize(
    "bad", [np.full(512, np.nan, np.float32), np.zeros((512, 2), np.float32)], ids=["NaN", "stereo"]
)
def test_what_is_no_sound_fails_a_recorded_pipe_as_any_other(tmp_path: Path, bad: Any) -> None:
    """It is not made silence of: then a broken microphone would go unnoticed while it is traced."""
    good = rxv.AudioChunk(np.full(512, 0.25, np.float32), RATE)
    source = rx.of(good, rxv.AudioChunk(bad, RATE, 512))
    pipe = source.pipe(vox.handoff(max_ms=1_000, overflow="fail"), vox.chunk(512))
    live = rxv.live(pipe, trace=tmp_path / "trace")
    with pytest.raises(rxv.AudioFormatError):
        live.run()
    found = read(tmp_path / "trace")
    assert [it.number("at") for it in found.of("block")] == [0, 512]
    assert found.microphone.samples().tolist() == [0.25] * 512 + [0.0] * 512


@pytest.mark.parametrize("given", [None, "all of it", np.float32(0)])
def test_a_traced_sink_that_does_not_say_what_it_cleared_is_told_of_as_any_other(
    given: Any,
) -> None:
    class Odd(sinks.MemorySink):
        def clear(self) -> Any:
            return given

    lines: list[tuple[str, dict[str, Any]]] = []

    class Lines:
        speaker, seconds = None, 0.0

        def line(self, kind: str, **fields: Any) -> None:
            lines.append((kind, fields))

        def encoded(self, value: Any) -> Any:
            return value

    assert TracedSink(Lines(), Odd()).clear() is given
    assert lines[-1] == ("sink", {"m": "clear", "v": None})
