"""`sources.wav`: audio files of every kind, whole, broken and unfinished."""

from __future__ import annotations

import os
import struct
import tracemalloc
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import HistoricalScheduler
from reactivex.testing import TestScheduler

from rxvoice import AudioChunk, sources
from rxvoice.errors import AudioFormatError, ConfigError

KINDS = {
    "pcm16": ("wav", "PCM_16"),
    "pcm24": ("wav", "PCM_24"),
    "float": ("wav", "FLOAT"),
    "flac": ("flac", "PCM_16"),
    "mp3": ("mp3", "MPEG_LAYER_III"),
}


class Heard:
    """What came of a subscription."""

    def __init__(self, source: Observable[AudioChunk]) -> None:
        self.chunks: list[AudioChunk] = []
        self.error: Exception | None = None
        self.completed = False
        source.subscribe(self.chunks.append, self._failed, self._done)

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate([np.empty(0, np.float32), *(c.samples for c in self.chunks)])

    def _failed(self, error: Exception) -> None:
        self.error = error

    def _done(self) -> None:
        self.completed = True


def sine(seconds: float, rate: int) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


def noise(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(-0.5, 0.5, n).astype(np.float32)


def write(
    folder: Path, samples: NDArray[np.floating], rate: int = 16_000, kind: str = "pcm16"
) -> Path:
    suffix, subtype = KINDS[kind]
    path = folder / f"audio.{suffix}"
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def is_open(path: Path) -> bool:
    """Whether this process has the file open."""
    wanted = path.stat()
    for number in os.listdir("/dev/fd"):
        try:
            found = os.fstat(int(number))
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize(
    ("kind", "channels"),
    [(kind, n) for kind in KINDS for n in (1, 2, 6) if kind != "mp3" or n <= 2],
)
def test_a_sine_in_any_file_comes_out_as_that_sine(
    tmp_path: Path, kind: str, rate: int, channels: int
) -> None:
    wave = np.repeat(sine(2, rate)[:, None], channels, axis=1)
    heard = Heard(sources.wav(write(tmp_path, wave, rate, kind)))
    assert heard.completed
    assert heard.error is None
    assert [chunk.start for chunk in heard.chunks] == list(range(0, 32_000, 512))
    assert {chunk.sample_rate for chunk in heard.chunks} == {16_000}
    out, wanted = heard.samples[800:-800], sine(2, 16_000)[800:-800]
    assert len(heard.samples) == 32_000
    # The encoder itself leaves 0.9988 at 8 kHz.
    assert np.corrcoef(out, wanted)[0, 1] > (0.998 if kind == "mp3" else 0.99999)
    assert np.sqrt(np.mean(out**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_channels_are_mixed_by_their_mean(tmp_path: Path) -> None:
    left, right = noise(3000), noise(3000)[::-1]
    path = write(tmp_path, np.stack([left, right], axis=1), kind="float")
    np.testing.assert_allclose(
        Heard(sources.wav(path)).samples, (left + right) / 2, rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("channels", [2, 6])
def test_one_channel_of_two_people(tmp_path: Path, channels: int) -> None:
    people = [noise(3000), noise(3000)[::-1], *[np.ones(3000)] * 4][:channels]
    path = write(tmp_path, np.stack(people, axis=1), kind="float")
    for channel, wanted in zip(("left", "right"), people, strict=False):
        heard = Heard(sources.wav(path, channel=channel))  # pyright: ignore[reportArgumentType]
        np.testing.assert_array_equal(heard.samples, wanted)


@pytest.mark.parametrize("channel", ["left", "right"])
def test_one_channel_has_no_sides(tmp_path: Path, channel: Any) -> None:
    heard = Heard(sources.wav(write(tmp_path, noise(10)), channel=channel))
    assert isinstance(heard.error, AudioFormatError)
    assert f"has one channel, and wanted is its {channel} one: leave" in str(heard.error)
    assert heard.chunks == []


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_streaming_equals_resampling_at_once(tmp_path: Path, rate: int) -> None:
    signal = noise(3 * rate + 17)
    path = write(tmp_path, signal, rate, "float")
    np.testing.assert_allclose(
        Heard(sources.wav(path)).samples, soxr.resample(signal, rate, 16_000), atol=1e-4
    )


@pytest.mark.parametrize("kind", ["pcm16", "flac", "mp3"])
def test_reading_in_blocks_equals_reading_at_once(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, noise(100_000), 44_100, kind)
    at_once, _ = soundfile.read(path, dtype="float32")
    out = Heard(sources.wav(path, sample_rate=44_100)).samples
    np.testing.assert_allclose(out, at_once, rtol=0, atol=1e-6)


def test_long_files_are_not_read_into_memory(tmp_path: Path) -> None:
    path = write(tmp_path, noise(100))
    sources.wav(path).subscribe()  # what is imported by the first use is not counted
    seconds = 300
    with path.open("r+b") as file:
        file.seek(40)
        file.write(struct.pack("<I", seconds * 32_000))
        file.truncate(44 + seconds * 32_000)
    count = 0

    def add(chunk: AudioChunk) -> None:
        nonlocal count
        count += len(chunk.samples)

    def peak() -> int:
        tracemalloc.start()
        try:
            sources.wav(path).subscribe(add)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Once in a while the interpreter itself takes 2 MB, for a table that has become too small.
    assert peak() < 2_000_000 or peak() < 2_000_000
    assert count in (seconds * 16_000, 2 * seconds * 16_000)


def test_an_empty_wav_completes(tmp_path: Path) -> None:
    heard = Heard(sources.wav(write(tmp_path, np.empty(0, np.float32))))
    assert heard.completed
    assert heard.chunks == []


def test_it_can_be_heard_twice_and_by_two_at_once(tmp_path: Path) -> None:
    source = sources.wav(write(tmp_path, noise(20_000)), realtime=True)
    scheduler = HistoricalScheduler()
    both: list[list[AudioChunk]] = [[], []]
    for got in both:
        source.subscribe(got.append, scheduler=scheduler)
    scheduler.start()
    assert both[0] == both[1]
    again = Heard(sources.wav(tmp_path / "audio.wav"))
    assert again.chunks == both[0]
    assert len(again.samples) == 20_000


def test_realtime_keeps_time_in_virtual_time(tmp_path: Path) -> None:
    source = sources.wav(write(tmp_path, sine(0.05, 48_000), 48_000), block_ms=20, realtime=True)
    observed = TestScheduler().start(lambda: source.pipe(ops.map(lambda c: len(c.samples))))
    assert [m.time - 200 for m in observed.messages] == pytest.approx([0.02, 0.04, 0.06, 0.06])
    assert [m.value.value for m in observed.messages[:-1]] == [320, 320, 160]


# What cannot be opened.


def failure(path: Path | str) -> Exception:
    heard = Heard(sources.wav(path))
    assert not heard.completed
    assert heard.chunks == []
    assert heard.error is not None
    return heard.error


def test_no_such_file(tmp_path: Path) -> None:
    error = failure(tmp_path / "none.wav")
    assert isinstance(error, ConfigError)
    assert str(error) == f"there is no file {tmp_path / 'none.wav'}: check the path"


def test_a_relative_path_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"none.wav, looked for in {tmp_path}" in str(failure("none.wav"))


def test_a_directory(tmp_path: Path) -> None:
    error = failure(tmp_path)
    assert isinstance(error, ConfigError)
    assert str(error) == f"{tmp_path} is a directory: name an audio file in it"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, noise(10))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # By its mode it would still be read by root.
    module = import_module("rxvoice.sources._opening")
    monkeypatch.setattr(module.io, "FileIO", refuse)
    error = failure(path)
    assert isinstance(error, ConfigError)
    assert str(error) == f"cannot open {path}: Permission denied"


@pytest.mark.parametrize("name", ["text.wav", "text.raw"])
def test_a_text_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("This is not audio.\n" * 100)
    error = failure(path)
    assert isinstance(error, AudioFormatError)
    assert f"{path} is not audio that libsndfile reads: " in str(error)
    assert "it begins with b'This is not audi'" in str(error)
    assert not is_open(path)


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    error = failure(path)
    assert isinstance(error, AudioFormatError)
    assert str(error) == f"{path} is empty: record or copy it again"


# What ends early, or has a header that was never finished.


@pytest.mark.parametrize("kind", ["pcm16", "pcm24", "float"])
def test_a_wav_cut_short_is_heard_as_far_as_it_goes(tmp_path: Path, kind: str) -> None:
    signal = noise(3 * 16_000)
    path = write(tmp_path, signal, kind=kind)
    whole = Heard(sources.wav(path)).samples
    with path.open("r+b") as file:
        head = os.path.getsize(path) - len(signal) * {"pcm16": 2, "pcm24": 3, "float": 4}[kind]
        file.truncate(head + (os.path.getsize(path) - head) * 2 // 5 + 1)
    heard = Heard(sources.wav(path))
    assert not heard.completed
    np.testing.assert_array_equal(heard.samples, whole[: 3 * 16_000 * 2 // 5])
    assert isinstance(heard.error, AudioFormatError)
    assert "the file ends after 1.20 s of 3.00 s: it was cut short" in str(heard.error)
    assert not is_open(path)


def test_a_wav_cut_short_is_resampled_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write(tmp_path, sine(3, 48_000), 48_000)
    with path.open("r+b") as file:
        file.truncate(44 + 96_000)
    heard = Heard(sources.wav(path))
    assert len(heard.samples) == 16_000
    assert "ends after 1.00 s of 3.00 s" in str(heard.error)


def test_a_wav_cut_by_one_frame_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, noise(1000))
    with path.open("r+b") as file:
        file.truncate(44 + 1998)
    heard = Heard(sources.wav(path))
    assert len(heard.samples) == 999
    assert "ends after 0.06 s of 0.06 s" in str(heard.error)


@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_a_compressed_file_cut_short_is_told(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, noise(10 * 44_100), 44_100, kind)
    whole = Heard(sources.wav(path, sample_rate=44_100)).samples
    with path.open("r+b") as file:
        file.truncate(os.path.getsize(path) // 2)
    heard = Heard(sources.wav(path, sample_rate=44_100))
    assert isinstance(heard.error, AudioFormatError)
    assert "s of 10.00 s" in str(heard.error)
    n = len(heard.samples)
    assert n / 44_100 == pytest.approx(5, abs=0.3)
    # An MP3's last frame leans on the one that is missing.
    np.testing.assert_allclose(heard.samples[:-1152], whole[: n - 1152], rtol=0, atol=1e-6)


def test_an_mp3_cut_short_is_told_behind_its_tags_too(tmp_path: Path) -> None:
    path = write(tmp_path, noise(5 * 44_100), 44_100, "mp3")
    content = path.read_bytes()
    tag = b"ID3\x03\x00\x00" + bytes([0, 0, 10, 5]) + bytes(10 * 128 + 5)
    path.write_bytes(tag + content)
    heard = Heard(sources.wav(path))
    assert heard.error is None
    assert len(heard.samples) == 5 * 16_000
    path.write_bytes(tag + content[: len(content) // 2])
    assert "s of 5.00 s: it was cut short" in str(Heard(sources.wav(path)).error)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000])
@pytest.mark.parametrize("riff", [None, 0, 0xFFFFFFFF])
def test_a_wav_whose_header_was_never_finished_is_heard_whole(
    tmp_path: Path, size: int, riff: int | None
) -> None:
    signal = noise(20_000)
    path = write(tmp_path, signal)
    whole = Heard(sources.wav(path)).samples
    with path.open("r+b") as file:
        file.seek(40)
        file.write(struct.pack("<I", size))
        if riff is not None:
            file.seek(4)
            file.write(struct.pack("<I", riff))
    heard = Heard(sources.wav(path))
    assert heard.error is None
    assert heard.completed
    np.testing.assert_array_equal(heard.samples, whole)


def test_an_empty_wav_with_notes_at_its_end_stays_empty(tmp_path: Path) -> None:
    path = write(tmp_path, np.empty(0, np.float32))
    with path.open("ab") as file:
        file.write(b"LIST" + struct.pack("<I", 400) + bytes(400))
    heard = Heard(sources.wav(path))
    assert heard.completed
    assert heard.chunks == []


def test_a_flac_of_unknown_length_is_heard_whole(tmp_path: Path) -> None:
    path = write(tmp_path, noise(50_000), kind="flac")
    whole = Heard(sources.wav(path)).samples
    # 36 bits, in the stream's description, say how many samples there are.
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    heard = Heard(sources.wav(path))
    assert heard.error is None
    assert heard.completed
    assert len(whole) == 50_000
    np.testing.assert_array_equal(heard.samples, whole)


def mp3_without_length(folder: Path, mode: str, signal: NDArray[np.floating] | None = None) -> Path:
    path = folder / "audio.mp3"
    if signal is None:
        signal = sine(20, 44_100).astype(np.float32) + noise(20 * 44_100) / 4
    soundfile.write(
        path, signal, 44_100, subtype="MPEG_LAYER_III", compression_level=0.5, bitrate_mode=mode
    )
    content = path.read_bytes()
    rates = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
    first = 144_000 * rates[content[2] >> 4] // 44_100 + (content[2] >> 1 & 1)
    assert b"Xing" in content[:first] or b"Info" in content[:first]
    tag = b"ID3\x03\x00\x00" + bytes([0, 0, 2, 0]) + bytes(256)
    path.write_bytes(tag + content[first:])
    return path


def test_an_mp3_of_constant_bit_rate_needs_no_length(tmp_path: Path) -> None:
    heard = Heard(sources.wav(mp3_without_length(tmp_path, "CONSTANT")))
    assert heard.error is None
    assert heard.completed
    assert len(heard.samples) / 16_000 == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize("tag", [b"", b"TAG" + bytes(125)])
def test_an_mp3_of_varying_bit_rate_needs_no_length_either(tmp_path: Path, tag: bytes) -> None:
    # The bytes of the first frames would mislead libsndfile about where it ends.
    path = mp3_without_length(tmp_path, "VARIABLE", np.concatenate([noise(4410), np.zeros(83_790)]))
    with path.open("ab") as file:
        file.write(tag)
    assert soundfile.info(path).duration < 1
    heard = Heard(sources.wav(path))
    assert heard.error is None
    assert heard.completed
    assert len(heard.samples) / 16_000 == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_sample_that_is_no_number_is_told_with_its_place(
    tmp_path: Path, bad: float, rate: int
) -> None:
    signal = np.stack([noise(2 * rate)] * 2, axis=1)
    signal[int(1.5 * rate), 1] = bad
    path = write(tmp_path, signal, rate, "float")
    heard = Heard(sources.wav(path))
    assert len(heard.samples) == 24_000
    assert isinstance(heard.error, AudioFormatError)
    assert f"has a sample that is {bad} at 1.50 s" in str(heard.error)
    assert not is_open(path)


# The file is open while it is heard, and no longer.


def test_the_file_is_open_from_the_subscription_on_to_the_end(tmp_path: Path) -> None:
    path = write(tmp_path, noise(20_000))
    source = sources.wav(path)
    assert not is_open(path)
    scheduler = HistoricalScheduler()
    source.subscribe(lambda _: None, scheduler=scheduler)
    assert is_open(path)
    scheduler.start()
    assert not is_open(path)


def test_the_file_is_closed_when_it_is_disposed_of(tmp_path: Path) -> None:
    path = write(tmp_path, noise(20_000))
    scheduler = HistoricalScheduler()
    got: list[AudioChunk] = []
    subscription = sources.wav(path, realtime=True).subscribe(got.append, scheduler=scheduler)
    scheduler.advance_to(scheduler.now.replace(microsecond=40_000))
    assert len(got) == 1
    assert is_open(path)
    subscription.dispose()
    assert not is_open(path)
    scheduler.start()
    assert len(got) == 1


def test_the_file_is_closed_once_enough_was_taken(tmp_path: Path) -> None:
    path = write(tmp_path, noise(20_000))
    closed: list[bool] = []
    sources.wav(path).pipe(ops.take(1)).subscribe(
        lambda _: closed.append(not is_open(path)), on_completed=lambda: None
    )
    assert closed == [False]
    assert not is_open(path)


def test_an_error_of_the_subscriber_is_raised_and_the_file_closed(tmp_path: Path) -> None:
    path = write(tmp_path, noise(20_000))
    errors: list[Exception] = []

    def broken(chunk: AudioChunk) -> None:
        raise ZeroDivisionError(chunk.start)

    with pytest.raises(ZeroDivisionError) as caught:
        sources.wav(path).subscribe(broken, errors.append)
    assert errors == []
    assert not is_open(path)
    assert caught.value.args == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 0}, "wav sample_rate must be at least 1 Hz, got 0"),
        ({"block_ms": 0}, "wav block_ms must be at least 1 ms, got 0"),
        ({"block_ms": 1.5}, "wav block_ms must be a whole number of ms, got 1.5"),
        ({"channel": "both"}, 'wav channel must be "left", "right" or None, got \'both\''),
    ],
)
def test_arguments_out_of_range_are_refused_when_it_is_built(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        sources.wav("audio.wav", **arguments)
