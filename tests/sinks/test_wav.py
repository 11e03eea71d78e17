"""`sinks.wav`: speech is written to a file that can be played at every moment."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import reactivex as rx
import soundfile
import soxr
from numpy.typing import NDArray
from unmeasured import unmeasured

from rxvoice import Reply, Speech, Transcript, Turn, sinks, sources
from rxvoice.errors import AudioFormatError, ConfigError, SinkStalled

REPLY = Reply(Transcript(Turn.of(np.zeros(512, np.float32)), "hello"), "Hi.")


def sine(n: int, rate: int) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(n) / rate)).astype(np.float32)


def read(path: Path | io.BytesIO) -> tuple[NDArray[np.float32], int]:
    return soundfile.read(path, dtype="float32")


def test_speech_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    sink = sinks.wav(path)
    signal = sine(1000, 22_050)
    rx.from_iterable(
        Speech(REPLY, signal[i : i + 300], 22_050) for i in range(0, 1000, 300)
    ).subscribe(sink)
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
    samples, rate = read(path)
    assert rate == sink.sample_rate == 22_050
    assert sink.written == 1000
    assert sink.path == path
    np.testing.assert_allclose(samples, signal, rtol=0, atol=0.51 / 32_768)


def test_sixteen_bits_go_through_unchanged(tmp_path: Path) -> None:
    words = np.arange(-32_768, 32_768, dtype=np.int16)
    with sinks.wav(tmp_path / "out.wav") as sink:
        sink.write_samples(words.astype(np.float32) / 32_768)
    assert sink.clipped == 0
    written, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    np.testing.assert_array_equal(written, words)


def test_another_rate_is_resampled_as_one_signal(tmp_path: Path) -> None:
    signal = sine(24_000, 24_000)
    with sinks.wav(tmp_path / "out.wav", sample_rate=16_000) as sink:
        sink.set_sample_rate(24_000)
        for piece in np.array_split(signal, 9):
            assert sink.write_samples(piece) == len(piece)
    samples, rate = read(tmp_path / "out.wav")
    assert rate == 16_000
    np.testing.assert_allclose(samples, soxr.resample(signal, 24_000, 16_000), atol=1e-4)


@pytest.mark.parametrize("sample_rate", [None, 16_000])
@pytest.mark.parametrize("end", ["flush", "stop", "on_completed"])
def test_an_empty_conversation_gives_an_empty_file(
    tmp_path: Path, sample_rate: int | None, end: str
) -> None:
    path = tmp_path / "out.wav"
    with sinks.wav(path, sample_rate=sample_rate) as sink:
        getattr(sink, end)()
        samples, rate = read(path)
        assert len(samples) == 0
        assert rate == sink.sample_rate == (sample_rate or 24_000)


def test_samples_of_no_known_rate_are_taken_as_the_file_s(tmp_path: Path) -> None:
    with sinks.wav(tmp_path / "out.wav") as sink:
        sink.write_samples(sine(100, 24_000))
    samples, rate = read(tmp_path / "out.wav")
    assert (len(samples), rate) == (100, 24_000)


def test_an_old_file_keeps_its_name_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"precious")
    sink = sinks.wav(path)
    assert sink.where == path
    sink.write_samples(np.zeros(5, np.float32))
    assert sink.where == tmp_path / "out.partial.wav"
    assert len(read(sink.where)[0]) == 5
    assert path.read_bytes() == b"precious"
    sink.stop()
    assert sink.where == path
    assert len(read(path)[0]) == 5
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", ["flush", "stop", "on_completed"])
def test_nothing_does_not_replace_an_old_file(tmp_path: Path, end: str) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"precious")
    with sinks.wav(path) as sink:
        getattr(sink, end)()
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("end", ["on_error", "with block", "disk"])
def test_what_is_incomplete_stays_beside_an_old_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    end: str,
    flushed: bool,
) -> None:
    path, beside = tmp_path / "out.wav", tmp_path / "out.partial.wav"
    path.write_bytes(b"precious")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def converse() -> None:
        with sinks.wav(path) as sink:
            sink.write_samples(np.zeros(10, np.float32))
            if flushed:
                sink.flush()
            if end == "on_error":
                sink.on_error(ZeroDivisionError())
            if end == "disk":
                monkeypatch.setattr(sink, "_write", full)
                sink.write_samples(np.zeros(10, np.float32))
            raise ZeroDivisionError

    with pytest.raises(OSError if end == "disk" else ZeroDivisionError):
        converse()
    assert path.read_bytes() == b"precious"
    assert len(read(beside)[0]) == 10
    assert f"{path} is as it was: the new one is incomplete, and is {beside}" in caplog.text


def test_a_recording_that_is_not_there_costs_no_file(tmp_path: Path) -> None:
    path = tmp_path / "precious.wav"
    for before in (None, b"precious"):
        if before is not None:
            path.write_bytes(before)
        with pytest.raises(ConfigError, match="there is no file"):
            sources.wav(tmp_path / "mising.wav").subscribe(sinks.wav(path))
        assert (path.read_bytes() if path.exists() else None) == before


def test_a_sink_that_nobody_stops_is_finished_with_the_program(tmp_path: Path) -> None:
    flushed, not_flushed = tmp_path / "flushed.wav", tmp_path / "not.wav"
    for path in (flushed, not_flushed):
        path.write_bytes(b"precious")
        sink = sinks.wav(path)
        sink.write_samples(np.zeros(10, np.float32))
        if path == flushed:
            sink.flush()
        del sink
    assert len(read(flushed)[0]) == 10
    assert not_flushed.read_bytes() == b"precious"
    assert len(read(tmp_path / "not.partial.wav")[0]) == 10


@pytest.mark.parametrize(
    ("suffix", "form", "subtype"),
    [
        ("", "WAV", "PCM_16"),
        (".WAV", "WAV", "PCM_16"),
        (".flac", "FLAC", "PCM_16"),
        (".mp3", "MP3", "MPEG_LAYER_III"),
        (".ogg", "OGG", "VORBIS"),
        (".opus", "OGG", "OPUS"),
    ],
)
@pytest.mark.parametrize("before", [False, True])
def test_the_suffix_says_the_format(
    tmp_path: Path, suffix: str, form: str, subtype: str, before: bool
) -> None:
    path = tmp_path / f"out{suffix}"
    if before:
        path.write_bytes(b"precious")
    signal = sine(48_000, 22_050)
    with sinks.wav(path) as sink:
        sink.set_sample_rate(22_050)
        for piece in np.array_split(signal, 7):
            sink.write_samples(piece)
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.channels) == (form, subtype, 1)
    assert info.samplerate == sink.sample_rate == (24_000 if suffix == ".opus" else 22_050)
    samples, rate = read(path)
    assert len(samples) / rate == pytest.approx(48_000 / 22_050, abs=0.001)
    wanted = soxr.resample(signal, 22_050, rate)[1000 : len(samples) - 1000]
    assert np.corrcoef(samples[1000 : 1000 + len(wanted)], wanted)[0, 1] > 0.99


@pytest.mark.parametrize("suffix", [".txt", ".m4a", ".jsonl", ".wavv"])
def test_a_suffix_of_no_sound_is_refused_with_the_list(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ConfigError, match=rf"written to \.wav, \.flac, .* and not to \{suffix}"):
        sinks.wav(tmp_path / f"out{suffix}")


def test_a_disk_that_is_full_is_an_oserror_with_the_file_in_every_format(tmp_path: Path) -> None:
    for suffix in (".wav", ".flac", ".mp3"):
        code = (
            "import resource, sys, numpy as np\n"
            "from rxvoice import sinks\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
            "noise = np.random.default_rng(1).uniform(-0.5, 0.5, 200_000).astype(np.float32)\n"
            "with sinks.wav(sys.argv[1]) as sink:\n"
            "    sink.write_samples(noise)\n"
        )
        path = tmp_path / f"out{suffix}"
        path.write_bytes(b"precious")
        ended = subprocess.run(
            [sys.executable, "-c", code, path],
            env={**unmeasured(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        beside = tmp_path / f"out.partial{suffix}"
        last = ended.stderr.splitlines()[-1]
        assert ended.stderr.count("Traceback") == 1
        assert last == f"OSError: [Errno 27] File too large: '{beside}'"
        assert "cffi" not in ended.stderr
        assert path.read_bytes() == b"precious"
        heard: list[int] = []
        sources.wav(beside, sample_rate=24_000).subscribe(
            lambda chunk, heard=heard: heard.append(len(chunk.samples)), lambda _: None
        )
        assert 200_000 > sum(heard) >= 4096


def test_a_stream_gets_a_wav_without_a_length(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(reading, "rb") as heard, open(writing, "wb") as stream, sinks.wav(stream) as sink:
        sink.write_samples(sine(1000, 24_000))
        head = heard.read(44)
        assert head[4:8] == head[40:44] == b"\xff" * 4
        assert len(heard.read(2000)) == 2000


def test_a_file_that_is_open_gets_a_wav_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "all"
    with path.open("wb") as file:
        file.write(b"before")
        file.flush()
        with sinks.wav(file) as sink:
            sink.write_samples(np.full(100, 0.5, np.float32))
        assert not file.closed
    samples, rate = read(io.BytesIO(path.read_bytes().removeprefix(b"before")))
    assert (samples.tolist(), rate) == ([0.5] * 100, 24_000)


def test_the_file_can_be_played_after_every_piece(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    copy = tmp_path / "copy.wav"
    signal = sine(60_000, 24_000)
    sink = sinks.wav(path)
    for end in (1, 100, 5000, 50_000, 60_000):
        sink.write_samples(signal[sink.written : end])
        copy.write_bytes(path.read_bytes())
        np.testing.assert_allclose(read(copy)[0], signal[:end], rtol=0, atol=0.51 / 32_768)
        assert path.stat().st_size == 44 + 2 * end
    sink.stop()


def test_the_file_can_be_played_after_every_system_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[bytes] = []

    module = import_module("rxvoice._files.output")

    class Watched(module._Writer):
        def write(self, data: object, /) -> int:
            count = super().write(data)
            with io.FileIO(path) as file:
                moments.append(file.readall())
            return count

    path = tmp_path / "out.wav"
    copy = tmp_path / "copy.wav"
    monkeypatch.setattr(module, "_Writer", Watched)
    sink = sinks.wav(path)
    for n in (100, 10_000, 300):
        sink.write_samples(sine(n, 24_000))
    sink.stop()
    monkeypatch.undo()
    assert len(moments) >= 7
    lengths: list[int] = []
    for moment in moments:
        assert int.from_bytes(moment[40:44], "little") <= len(moment) - 44
        copy.write_bytes(moment)
        lengths.append(len(read(copy)[0]))
    assert lengths == sorted(lengths)
    assert set(lengths) == {0, 100, 100 + 8192, 10_100, 10_400}


def test_a_process_that_is_killed_leaves_a_file_that_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    code = (
        "import os, signal, sys, numpy as np\n"
        "from rxvoice import sinks\n"
        "sink = sinks.wav(sys.argv[1])\n"
        "for n in (1000, 20_000, 7): sink.write_samples(np.full(n, 0.5, np.float32))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, path],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    np.testing.assert_array_equal(read(path)[0], np.full(21_007, 0.5))


def test_samples_beyond_full_scale_are_clipped_counted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "out.wav"
    with sinks.wav(path) as sink:
        sink.write_samples(np.array([0.5, 1.5, -1.5, 1, -1], np.float32))
        sink.write_samples(np.array([1.01], np.float32))
        assert sink.clipped == 3
    top = 32_767 / 32_768
    np.testing.assert_array_equal(read(path)[0], np.array([0.5, top, -1, top, -1, top], np.float32))
    assert caplog.messages == [
        f"{path}: samples beyond full scale are clipped: lower the gain",
        f"{path}: 3 samples were clipped",
    ]


def test_after_stop_it_takes_no_more_and_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    sink = sinks.wav(path)
    sink.write_samples(np.zeros(10, np.float32))
    sink.stop()
    sink.stop()
    sink.flush()
    with pytest.raises(SinkStalled, match=rf"the WAV sink {path} has been stopped: make a new"):
        sink.write_samples(np.zeros(1, np.float32))
    assert len(read(path)[0]) == 10
    with pytest.raises(SinkStalled, match="has been stopped"):
        rx.of(Speech(REPLY, np.zeros(5, np.float32), 24_000)).subscribe(sink)


def test_an_error_in_a_with_block_leaves_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"

    def conversation() -> None:
        with sinks.wav(path) as sink:
            sink.write_samples(np.zeros(10, np.float32))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        conversation()
    assert len(read(path)[0]) == 10


def test_what_is_not_audio_is_refused_and_not_written(tmp_path: Path) -> None:
    with sinks.wav(tmp_path / "out.wav") as sink:
        with pytest.raises(AudioFormatError, match="got nan at index 0"):
            sink.write_samples(np.array([np.nan], np.float32))
        sink.write_samples(np.zeros(2, np.float32))
    assert len(read(tmp_path / "out.wav")[0]) == 2


def test_nothing_is_playing_and_nothing_unheard(tmp_path: Path) -> None:
    with sinks.wav(tmp_path / "out.wav") as sink:
        sink.write_samples(np.zeros(2, np.float32))
        assert not sink.is_running
        assert len(sink.clear()) == 0
    assert len(read(tmp_path / "out.wav")[0]) == 2


def test_more_than_a_wav_can_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("rxvoice._audio.audio_file"), "MOST_BYTES", 20)
    with sinks.wav(tmp_path / "out.wav") as sink:
        sink.write_samples(np.zeros(10, np.float32))
        with pytest.raises(SinkStalled, match="is full, at 4 GiB: go on in another file"):
            sink.write_samples(np.zeros(1, np.float32))
    assert len(read(tmp_path / "out.wav")[0]) == 10


# What cannot be written, told when the sink is made.


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^cannot write {tmp_path}/no/out.wav: there is no dir"):
        sinks.wav(tmp_path / "no" / "out.wav")


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"^cannot write {tmp_path}: it is a directory; name a"):
        sinks.wav(tmp_path)


@pytest.mark.parametrize("exists", [False, True])
def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool) -> None:
    path = tmp_path / "out.wav"
    if exists:
        path.write_bytes(b"precious")
    asked: list[Path] = []

    def refuse(path: Path, mode: int) -> bool:
        asked.append(path)
        return mode != os.W_OK

    # Root may write everywhere.
    monkeypatch.setattr(os, "access", refuse)
    denied = (
        "permission denied" if exists else f"no permission to write in the directory {tmp_path}"
    )
    with pytest.raises(ConfigError, match=f"^cannot write {path}: {denied}"):
        sinks.wav(path)
    assert asked == [path if exists else tmp_path]


def test_a_rate_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sample_rate must be at least 1 Hz, got 0"):
        sinks.wav(tmp_path / "out.wav", sample_rate=0)
    assert not (tmp_path / "out.wav").exists()
