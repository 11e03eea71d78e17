from __future__ import annotations

import errno
import logging
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from reactivex import Subject

from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.sinks.wav import WavSink
from rxvoice.testing.check import check_operator
from rxvoice.turn import Turn

BOOM = RuntimeError("boom")


def ramp(n: int, first: int = 0) -> Any:
    return (np.arange(first, first + n) / 32_768).astype(np.float32)


def chunk(n: int, size: int = 100, rate: int = 16_000) -> AudioChunk:
    return AudioChunk(ramp(size, n * size), rate, n * size)


class Run:
    def __init__(self, path: Path, **options: Any) -> None:
        self.source: Subject[Any] = Subject()
        self.seen: list[Any] = []
        self.end: list[Any] = []
        self.life = self.source.pipe(vox.record(path, **options)).subscribe(
            self.seen.append, self.end.append, lambda: self.end.append("completed")
        )

    def push(self, *elements: Any) -> Run:
        for element in elements:
            self.source.on_next(element)
        return self


def played(path: Path) -> Any:
    samples, rate = soundfile.read(path, dtype="int16")
    assert samples.ndim == 1
    return samples.tolist(), rate


def test_passes_the_battery(tmp_path: Path) -> None:
    check_operator(
        lambda: vox.record(tmp_path / "mic.wav"),
        elements=[chunk(0), Notice("x"), chunk(1), chunk(2)],
        name="record",
    )


def test_each_element_is_in_the_file_before_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    source: Subject[Any] = Subject()
    lengths: list[int] = []
    life = source.pipe(vox.record(path)).subscribe(lambda _: lengths.append(len(played(path)[0])))
    for n in range(3):
        source.on_next(chunk(n))
    assert lengths == [100, 200, 300]
    assert played(path) == (list(range(300)), 16_000)
    life.dispose()
    assert played(path) == (list(range(300)), 16_000)


def test_a_hole_is_silence_of_the_same_length(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    Run(path).push(chunk(3), chunk(4), chunk(7), chunk(8)).source.on_completed()
    assert played(path)[0] == [*range(300, 500), *[0] * 200, *range(700, 900)]


def test_a_hole_of_one_sample(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    Run(path).push(chunk(0), replace(chunk(1), start=101)).source.on_completed()
    assert played(path)[0] == [*range(100), 0, *range(100, 200)]


def test_a_stream_that_begins_anew_has_no_hole(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    Run(path).push(chunk(5), chunk(0), chunk(1)).source.on_completed()
    assert played(path)[0] == [*range(500, 600), *range(200)]


def test_the_file_s_rate(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    Run(path, sample_rate=8_000).push(*(chunk(n) for n in range(8))).source.on_completed()
    samples, rate = played(path)
    assert (len(samples), rate) == (400, 8_000)


def test_speech_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "reply.wav"
    reply = Reply(Transcript(Turn.of(ramp(4)), "hi"), "x")
    pieces = [Speech(reply, ramp(50, 50 * n), 24_000, "x") for n in range(2)]
    final = Speech(reply, ramp(0), 24_000, final=True)
    run = Run(path).push(*pieces, final)
    run.source.on_completed()
    assert played(path) == (list(range(100)), 24_000)
    assert run.seen == [*pieces, final]


def test_without_audio_there_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    Run(path).push(Notice("x"), "text").source.on_completed()
    assert not path.exists()


def test_a_file_that_is_there_stays_until_there_is_audio(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    path.write_text("precious")
    run = Run(path)
    assert path.read_text() == "precious"
    run.push(chunk(0))
    assert path.read_text() == "precious"
    run.source.on_completed()
    assert played(path)[0] == list(range(100))


@pytest.mark.parametrize("how", ["fail", "disk"])
def test_a_recording_that_fails_stays_beside_an_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = tmp_path / "mic.wav"
    path.write_text("precious")
    run = Run(path).push(chunk(0))
    if how == "fail":
        run.source.on_error(BOOM)
    else:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(WavSink, "_write", full)
        run.push(chunk(1)).source.on_completed()
    assert path.read_text() == "precious"
    assert played(tmp_path / "mic.partial.wav")[0] == list(range(100))


@pytest.mark.parametrize("how", ["complete", "fail", "dispose"])
def test_the_file_is_finished_with_the_stream(how: str, tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    run = Run(path, sample_rate=8_000).push(chunk(0))  # the resampler holds some back
    if how == "complete":
        run.source.on_completed()
    elif how == "fail":
        run.source.on_error(BOOM)
        assert run.end == [BOOM]
    else:
        run.life.dispose()
    assert len(played(path)[0]) == 50


def test_a_disk_that_is_full_stops_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keep, asked = WavSink._keep, []

    def full(self: WavSink, samples: Any) -> None:
        asked.append(1)
        if len(asked) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(self, samples)

    monkeypatch.setattr(WavSink, "_keep", full)
    path = tmp_path / "mic.wav"
    with caplog.at_level(logging.WARNING, "rxvoice"):
        run = Run(path).push(*(chunk(n) for n in range(5)))
        run.source.on_completed()
    notices = [e for e in run.seen if isinstance(e, Notice)]
    (notice,) = notices
    assert notice.message == f"the recording {path} stopped: [Errno 28] No space left on device"
    assert notice.stage == "record"
    assert isinstance(notice.detail, OSError)
    assert [e for e in run.seen if e is not notice] == [chunk(n) for n in range(5)]
    assert run.end == ["completed"]
    assert played(path)[0] == list(range(200))
    assert notice.message in caplog.text


def test_a_file_that_cannot_be_begun_any_more(tmp_path: Path) -> None:
    path = tmp_path / "there" / "mic.wav"
    path.parent.mkdir()
    run = Run(path)
    path.parent.rmdir()
    run.push(chunk(0), chunk(1)).source.on_completed()
    assert [type(e).__name__ for e in run.seen] == ["Notice", "AudioChunk", "AudioChunk"]
    assert run.end == ["completed"]


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no directory"):
        vox.record(tmp_path / "nowhere" / "mic.wav")
    with pytest.raises(ConfigError, match="sample_rate must be"):
        vox.record(tmp_path / "mic.wav", sample_rate=0)


CHILD = """
import sys, itertools, numpy as np
from reactivex import Subject
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk

source = Subject()
source.pipe(vox.record(sys.argv[1])).subscribe(lambda chunk: print(chunk.start, flush=True))
for n in itertools.count():
    values = (np.arange(n * 512, (n + 1) * 512) % 32_768 / 32_768).astype(np.float32)
    source.on_next(AudioChunk(values, 16_000, n * 512))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_was_captured_until_a_kill_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "mic.wav"
    command = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        for _ in range(200):
            said = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in child.stdout if line.endswith("\n"))])
    assert child.returncode == -signal.SIGKILL
    samples, rate = played(path)
    assert rate == 16_000
    assert len(samples) >= said + 512 >= 200 * 512
    assert samples == (np.arange(len(samples)) % 32_768).tolist()
