from __future__ import annotations

import errno
import logging
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.recorder import StereoRecorder
from rxvoice.testing import FakeSink

RATE = 1000  # a sample a millisecond
MIC, HER = 100, 200


def tone(n: int, value: int) -> Any:
    return np.full(n, value / 32_768, np.float32)


def chunk(start: int, n: int = 100, *, time: float | None = None, rate: int = RATE) -> AudioChunk:
    at = 10 + start / rate if time is None else time
    return AudioChunk(tone(n, MIC), rate, start, time=at)


def sides(path: Path) -> tuple[list[Any], list[Any]]:
    """Both sides as runs: a value and how often it comes."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    assert rate == RATE
    assert samples.shape[1] == 2
    return runs(samples[:, 0]), runs(samples[:, 1])


def runs(samples: Any) -> list[Any]:
    borders = [0, *(np.flatnonzero(np.diff(samples)) + 1).tolist(), len(samples)]
    return [(int(samples[a]), b - a) for a, b in pairwise(borders) if b > a]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk.wav"


def test_the_microphone_is_left_and_the_assistant_right_where_it_was_heard(path: Path) -> None:
    recorder = StereoRecorder(path, RATE)
    for n in range(5):
        recorder.mic(chunk(100 * n))
    recorder.assistant(tone(150, HER), RATE, 10.2)
    assert sides(path) == ([(MIC, 500)], [(0, 200), (HER, 150), (0, 150)])
    recorder.close()
    assert sides(path) == ([(MIC, 500)], [(0, 200), (HER, 150), (0, 150)])


def test_after_each_call_the_file_holds_all_that_is_known(path: Path) -> None:
    recorder = StereoRecorder(path, RATE)
    assert not path.exists()
    recorder.mic(chunk(0))
    assert sides(path) == ([(MIC, 100)], [(0, 100)])
    recorder.assistant(tone(50, HER), RATE, 10.08)
    assert sides(path) == ([(MIC, 100), (0, 30)], [(0, 80), (HER, 50)])
    recorder.mic(chunk(100))
    assert sides(path) == ([(MIC, 200)], [(0, 80), (HER, 50), (0, 70)])
    assert recorder.frames == 200
    recorder.close()


def test_what_is_said_late_is_put_in_its_place(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        for n in range(50):
            recorder.mic(chunk(100 * n))
        recorder.assistant(tone(100, HER), RATE, 10.3)
    assert sides(path)[1] == [(0, 300), (HER, 100), (0, 4600)]


def test_pieces_that_follow_each_other_have_no_gap_between_them(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        recorder.mic(chunk(0, 1000))
        for n, jitter in enumerate((0, 0.05, -0.04, 0.03)):
            recorder.assistant(tone(100, HER), RATE, 10.1 + 0.1 * n + jitter)
        recorder.assistant(tone(50, HER), RATE, 10.7)
    assert sides(path)[1] == [(0, 100), (HER, 400), (0, 200), (HER, 50), (0, 250)]


def test_what_would_overlap_follows_on(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        recorder.mic(chunk(0, 500))
        recorder.assistant(tone(100, HER), RATE, 10.0)
        recorder.assistant(tone(100, HER + 1), RATE, 10.0)
    assert sides(path)[1] == [(HER, 100), (HER + 1, 100), (0, 300)]


def test_a_hole_in_the_microphone_is_silence(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        recorder.mic(chunk(0))
        recorder.mic(chunk(150))
        recorder.assistant(tone(20, HER), RATE, 10.2)
    assert sides(path) == ([(MIC, 100), (0, 50), (MIC, 100)], [(0, 200), (HER, 20), (0, 30)])


def test_a_microphone_that_was_gone_comes_back_in_its_time(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        recorder.mic(chunk(0))
        recorder.mic(chunk(100, time=13.1))  # its count went on, three seconds later
        recorder.assistant(tone(50, HER), RATE, 13.15)
    assert sides(path) == ([(MIC, 100), (0, 3000), (MIC, 100)], [(0, 3150), (HER, 50)])


def test_jitter_and_drift_of_its_clock_leave_no_gaps(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        for n in range(100):
            jitter = 0.03 if n % 3 else 0.0
            recorder.mic(chunk(100 * n, time=10 + 0.1001 * n + jitter))
    assert sides(path)[0] == [(MIC, 10_000)]


def test_the_assistant_may_be_the_first(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        recorder.assistant(tone(50, HER), RATE, 10.0)
        recorder.mic(chunk(0, time=10.2))
        recorder.assistant(tone(50, HER), RATE, 10.25)
    assert sides(path) == (
        [(0, 200), (MIC, 100)],
        [(HER, 50), (0, 200), (HER, 50)],
    )


def test_both_sides_are_resampled_and_stay_aligned(path: Path) -> None:
    with StereoRecorder(path, RATE) as recorder:
        for n in range(20):
            recorder.mic(chunk(1600 * n, 1600, rate=16_000, time=10 + 0.1 * n))
            if n in (5, 6):
                recorder.assistant(tone(2400, HER), 24_000, 10 + 0.1 * n)
    samples, _ = soundfile.read(path, dtype="int16")
    assert len(samples) == 2000
    assert np.abs(samples[100:1900, 0] - MIC).max() <= 2
    spoken = np.flatnonzero(samples[:, 1] > HER / 2)
    assert (abs(spoken[0] - 500), abs(spoken[-1] - 699)) <= (2, 2)
    assert len(spoken) == pytest.approx(200, abs=3)


def test_a_microphone_without_a_clock_is_taken_as_it_comes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        now = 10.0
        patched.setattr(time, "monotonic", lambda: now)
        recorder = StereoRecorder(path, RATE)
        for n in range(3):
            now += 0.1
            recorder.mic(AudioChunk(tone(100, MIC), RATE, 100 * n))
        recorder.assistant(tone(50, HER), RATE, 10.15)
        recorder.close()
    assert sides(path) == ([(MIC, 300)], [(0, 150), (HER, 50), (0, 100)])


# A sink that is recorded


class Speaker(FakeSink):
    """One that plays what the test says it has played."""

    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self.paused = 0

    def pause(self) -> None:
        self.paused += 1

    def clear(self) -> Any:
        # The next 10 fade out, and are heard in a moment.
        unheard = self.samples[self.position + 10 :]
        self.writes = [self.samples[: self.position + 10]]
        return unheard


class Talk:
    """A recorder, a microphone at the same time, and a sink that plays."""

    def __init__(self, path: Path, sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 10.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.recorder = StereoRecorder(path, RATE)
        self.sink = self.recorder.tap(sink)
        self.sink.set_sample_rate(RATE)
        self.heard = 0

    def listen(self, ms: int) -> None:
        self.now += ms / 1000
        self.recorder.mic(chunk(self.heard, ms))
        self.heard += ms


def test_what_was_heard_of_a_sink_is_recorded_when_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker = Speaker()
    with monkeypatch.context() as patched:
        talk = Talk(path, speaker, patched)
        assert talk.sink.write_samples(tone(60, HER)) == 60
        assert talk.sink.write_samples(tone(60, HER + 1)) == 60
        talk.listen(100)
        for position in (30, 60, 90):
            speaker.position = position
            talk.listen(30)
        talk.listen(210)
        talk.recorder.close()
    assert speaker.rates == [RATE]
    left, right = sides(path)
    assert left == [(MIC, 400)]
    assert right == [(0, 100), (HER, 60), (HER + 1, 30), (0, 210)]


def test_what_was_cleared_is_not_recorded_and_its_fade_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker = Speaker()
    with monkeypatch.context() as patched:
        talk = Talk(path, speaker, patched)
        talk.sink.write_samples(tone(200, HER))
        talk.listen(50)
        speaker.position = 50
        talk.listen(50)
        unheard = talk.sink.clear()
        assert len(unheard) == 140
        talk.sink.write_samples(tone(100, HER + 1))
        speaker.position = 60
        talk.listen(10)
        talk.listen(90)
        speaker.position = 160
        talk.listen(100)
        talk.recorder.close()
    assert sides(path)[1] == [(0, 50), (HER, 60), (0, 90), (HER + 1, 100)]


@pytest.mark.parametrize("cleared", [False, True])
def test_what_was_written_to_a_sink_before_it_is_recorded_is_not_recorded(
    path: Path, monkeypatch: pytest.MonkeyPatch, cleared: bool
) -> None:
    """40 of 100 samples are still queued then."""

    class Counting(Speaker):
        @property
        def written(self) -> int:
            return len(self.samples)

    speaker = Counting()
    speaker.write_samples(tone(100, HER + 1))
    speaker.position = 60
    with monkeypatch.context() as patched:
        talk = Talk(path, speaker, patched)
        talk.sink.write_samples(tone(50, HER))
        if cleared:
            assert len(talk.sink.clear()) == 80
            speaker.position = 70  # the fade
            talk.sink.write_samples(tone(50, HER))
        else:
            talk.listen(40)
            speaker.position = 100
        talk.listen(50)
        speaker.position += 50
        talk.listen(50)
        talk.recorder.close()
    before = 0 if cleared else 40
    assert sides(path)[1] == [(0, before + 50), (HER, 50)]


def test_a_sink_without_a_position_has_played_what_it_took(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        talk = Talk(path, FakeSink(take=40), patched)
        talk.listen(100)
        assert talk.sink.write_samples(tone(50, HER)) == 40
        talk.listen(100)
        talk.recorder.close()
    assert sides(path)[1] == [(0, 60), (HER, 40), (0, 100)]


def test_it_is_the_same_sink_in_all_else(path: Path) -> None:
    speaker = Speaker()
    with StereoRecorder(path, RATE) as recorder:
        sink = recorder.tap(speaker)
        sink.pause()
        sink.flush()
        sink.stop()
        assert (speaker.paused, speaker.flushes, speaker.stopped) == (1, 1, True)
        assert sink.is_running is False
        assert not hasattr(sink, "duck")


# Failures


def test_a_disk_that_is_full_stops_the_recording_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = StereoRecorder(path, RATE)
    recorder.mic(chunk(0))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "rxvoice"):
        patched.setattr(recorder._wav, "_write_header", full)
        recorder.mic(chunk(100))
    recorder.mic(chunk(200))
    recorder.assistant(tone(10, HER), RATE, 10.0)
    recorder.close()
    assert isinstance(recorder.error, OSError)
    assert caplog.text.count("stopped: [Errno 28] No space left on device") == 1
    assert sides(path)[0] == [(MIC, 100)]


def test_after_close_nothing_is_written(path: Path) -> None:
    recorder = StereoRecorder(path, RATE)
    recorder.mic(chunk(0))
    recorder.close()
    recorder.mic(chunk(100))
    recorder.close()
    assert sides(path)[0] == [(MIC, 100)]
    assert recorder.error is None


def test_an_old_recording_keeps_its_name_until_the_new_one_is_finished(path: Path) -> None:
    path.write_text("precious")
    with StereoRecorder(path, RATE) as recorder:
        assert recorder.where == path
        recorder.mic(chunk(0))
        assert path.read_text() == "precious"
        assert recorder.where == path.with_name("talk.partial.wav")
        assert sides(recorder.where) == ([(MIC, 100)], [(0, 100)])
    assert sides(path) == ([(MIC, 100)], [(0, 100)])
    assert list(path.parent.iterdir()) == [path]


def test_a_recording_of_nothing_leaves_an_old_one_alone(path: Path) -> None:
    path.write_text("precious")
    with StereoRecorder(path, RATE):
        pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize("trouble", ["with block", "disk"])
def test_a_recording_that_fails_stays_beside_an_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    path.write_text("precious")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def record() -> None:
        with StereoRecorder(path, RATE) as recorder:
            recorder.mic(chunk(0))
            if trouble == "with block":
                raise ZeroDivisionError
            with monkeypatch.context() as patched:
                patched.setattr(recorder._wav, "_write_header", full)
                recorder.mic(chunk(100))

    if trouble == "with block":
        with pytest.raises(ZeroDivisionError):
            record()
    else:
        record()
    assert path.read_text() == "precious"
    beside = path.with_name("talk.partial.wav")
    assert sides(beside)[0] == [(MIC, 100)]
    assert f"{path} is as it was: the new one is incomplete, and is {beside}" in caplog.text


def test_bad_arguments(path: Path) -> None:
    with pytest.raises(ConfigError, match="StereoRecorder sample_rate must be"):
        StereoRecorder(path, 0)
    with pytest.raises(ConfigError, match="there is no directory"):
        StereoRecorder(path / "nowhere" / "talk.wav")
    for other in (path.with_suffix(".mp3"), Path("/dev/null")):
        with pytest.raises(ConfigError, match="both sides are put together in a WAV"):
            StereoRecorder(other)
    with StereoRecorder(path, RATE) as recorder, pytest.raises(AudioFormatError):
        recorder.mic(AudioChunk(np.zeros(4), RATE))  # type: ignore[arg-type]


CHILD = """
import itertools, sys
import numpy as np
from rxvoice.chunks import AudioChunk
from rxvoice.recorder import StereoRecorder

recorder = StereoRecorder(sys.argv[1], 16_000)
for n in itertools.count():
    samples = np.full(512, 100 / 32_768, np.float32)
    recorder.mic(AudioChunk(samples, 16_000, 512 * n, time=10 + 512 * n / 16_000))
    recorder.assistant(2 * samples, 16_000, 10 + 512 * n / 16_000)
    print(n, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_was_recorded_until_a_kill_can_be_played(path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        for _ in range(200):
            said = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in child.stdout if line.endswith("\n"))])
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16_000
    whole = 512 * (said + 1)
    assert len(samples) >= whole >= 200 * 512
    assert (samples[:whole] == [100, 200]).all()
