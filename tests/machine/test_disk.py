"""The disk is full, or a file goes away: what writes says so once, and what was written opens."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from machine.dying import BLOCK, BLOCKS, OLD, block, conversation
from machine.full_disk import MOST_BYTES, WHAT
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import rxvoice as rxv
from rxvoice import sinks, trace
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice.chunks import AudioChunk
from rxvoice.recorder import StereoRecorder
from rxvoice.serve._access_log import AccessLog
from rxvoice.trace import _writer

ALL = np.concatenate([to_pcm16(block(n)) for n in range(BLOCKS)])
HEADER_BYTES = 44


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What programs left and told, of which no file could have more than some bytes."""
    directory = tmp_path_factory.mktemp("full")
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    ran = subprocess.run(
        [sys.executable, str(here / "full_disk.py"), str(directory)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return directory, json.loads(ran.stdout)


def test_nothing_old_is_destroyed_and_the_reason_is_told_once(
    full: tuple[Path, dict[str, Any]],
) -> None:
    directory, found = full
    assert [*found] == [*WHAT]
    for name, said in found.items():
        stopped = [it for it in said["log"] if "File too large" in it]
        raised = said["raised"] or ""
        # A conversation goes on with a warning; whoever calls a sink gets the error.
        assert len(stopped) + ("File too large" in raised) == 1, said
        assert " -> " not in raised
        if name != "trace":
            assert (directory / name).read_bytes() == OLD
    assert found["record.wav"]["told"] == found["record.wav"]["log"][1:]
    assert found["record.wav"]["came"] == BLOCKS
    assert found["trace"]["came"] == 12, "the conversation went on"
    assert not [*directory.glob(".history*")]


@pytest.mark.parametrize("name", ["record.wav", "stereo.wav", "sink.wav"])
def test_a_wav_has_all_that_there_was_room_for(
    full: tuple[Path, dict[str, Any]], name: str
) -> None:
    path = (full[0] / name).with_suffix(".partial.wav")
    samples, _ = soundfile.read(path, dtype="int16", always_2d=True)
    assert np.array_equal(samples[:, 0], ALL[: len(samples)])
    frame = 2 * samples.shape[1]
    room = (MOST_BYTES - HEADER_BYTES) // frame
    assert room - BLOCK < len(samples) <= room


def test_flac_transcript_and_trace_open(full: tuple[Path, dict[str, Any]]) -> None:
    directory, _ = full
    assert len(trace.TraceSound(directory / "sink.partial.flac")) > 2_000
    written = trace.read(directory / "transcript.partial.jsonl")
    assert written.torn
    assert len(written.lines) == MOST_BYTES // 3_100
    found = trace.read(directory / "trace")
    assert found.finish is None
    ends: list[Any] = []
    rxv.replay(found.path, conversation()).subscribe(None, ends.append)
    assert ends == []


def test_a_full_standard_output_is_told_in_a_line() -> None:
    with open("/dev/full", "w") as full_device:
        ran = subprocess.run(
            [sys.executable, "-m", "rxvoice", "models", "--json"],
            stdout=full_device,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (ran.returncode, ran.stderr) == (1, "rxvoice: error: No space left on device\n")


def test_a_server_whose_log_is_full_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str, /) -> int:
            tried.append(text)
            raise OSError(errno.ENOSPC, "No space left on device")

    async def page(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    tried: list[str] = []
    monkeypatch.setattr(sys, "stderr", Full())  # as the log: both are the server's standard error
    log, handler = logging.getLogger("rxvoice.access"), logging.StreamHandler(sys.stderr)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        client = TestClient(AccessLog(Starlette(routes=[Route("/", page)])))
        assert [client.get("/").status_code for _ in range(5)] == [200] * 5
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    assert sum("GET / 200" in it for it in tried) == 5


# A directory that goes away, and a file that another one replaces


def talk(recorder: StereoRecorder, blocks: range) -> None:
    for n in blocks:
        recorder.mic(AudioChunk(block(n), 16_000, n * BLOCK, time=10 + n * BLOCK / 16_000))


@pytest.mark.parametrize("old", [False, True])
def test_a_recording_that_was_deleted_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, old: bool
) -> None:
    path = tmp_path / "sub" / "talk.wav"
    path.parent.mkdir()
    if old:
        path.write_bytes(OLD)
    with StereoRecorder(path, 16_000) as recorder:
        talk(recorder, range(3))
        shutil.rmtree(path.parent)
        talk(recorder, range(3, 6))
    assert isinstance(recorder.error, FileNotFoundError)
    assert caplog.messages == [
        f"the recording {path} could not be finished: [Errno 2] deleted while it was written: "
        f"'{path}'"
    ]


def test_a_sink_whose_file_was_deleted_raises(tmp_path: Path) -> None:
    path = tmp_path / "reply.wav"
    sink = sinks.wav(path)
    sink.write_samples(block(0))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"deleted while it was written: '.*reply.wav'"):
        sink.stop()


def test_a_file_that_took_the_recordings_name_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, other = tmp_path / "talk.wav", tmp_path / "other"
    other.write_bytes(OLD)
    with StereoRecorder(path, 16_000) as recorder:
        talk(recorder, range(3))
        other.replace(path)
        talk(recorder, range(3, 6))
    assert path.read_bytes() == OLD
    assert "could not be finished: [Errno 2] deleted while it was written" in caplog.text


def test_a_trace_whose_directory_was_deleted_stops_once_and_the_conversation_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_writer, "_EVERY_S", 0.002)
    directory = tmp_path / "trace"
    turns: list[Any] = []

    def told(element: object) -> None:
        if isinstance(element, rxv.events.TurnEnded):
            turns.append(element)
            if len(turns) == 1:
                shutil.rmtree(directory)

    rxv.live(conversation(), trace=directory).run(told)
    assert len(turns) == 12
    assert not directory.exists()
    [said] = caplog.messages
    assert said.startswith(f"the trace {directory} stopped: ")
    # The writer may have opened its files by then, or not.
    assert "[Errno 2]" in said or f"there is no directory {directory}" in said
    assert said.endswith("; the conversation goes on")
