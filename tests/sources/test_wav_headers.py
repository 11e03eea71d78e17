"""`sources.wav`: headers that say little or nothing true, and streams that cannot go back."""

from __future__ import annotations

import io
import os
import struct
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from rxvoice import sources
from rxvoice._audio.wav import is_placeholder
from rxvoice.errors import AudioFormatError, ConfigError

RATE = 16_000
SIGNAL = np.random.default_rng(1).uniform(-0.5, 0.5, 20_001).astype(np.float32)
WORDS = np.rint(SIGNAL * 32_768).astype("<i2").tobytes()
PLACEHOLDERS = (
    *(0, 0xFFFF_FFFF, 0xFFFF_FFFF - 36, 0xFFFF_F000, 0x8000_0000, 0x7FFF_FFFF, 0x7FFF_F000),
    *(0x7FFF_FFFF - 44, 2_000_000_000, 1_000_000_000, 2_000_000_000 - 44, 4_000_000_000),
    *(1 << 30, 500_000_000),
)


def heard(source: Any, **options: Any) -> tuple[NDArray[np.float32], Exception | None]:
    """All that comes, and the error; None if it completed."""
    pieces: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    errors: list[Exception | None] = []
    sources.wav(source, **options).subscribe(
        lambda chunk: pieces.append(chunk.samples), errors.append, lambda: errors.append(None)
    )
    (error,) = errors
    return np.concatenate(pieces), error


def chunk(name: bytes, content: bytes, size: int | None = None, *, pad: bool = True) -> bytes:
    size = len(content) if size is None else size
    padding = b"\0" if pad and len(content) % 2 else b""
    return name + struct.pack("<I", size) + content + padding


def form(channels: int = 1, bits: int = 16, code: int = 1) -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, RATE, RATE * frame, frame, bits))


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) if size is None else size) + content


class Pipe(io.RawIOBase):
    """A stream that gives a few bytes at a time, and cannot go back."""

    def __init__(self, content: bytes, at_once: int = 777) -> None:
        self._content = io.BytesIO(content)
        self._at_once = at_once

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._content.read(min(size, self._at_once))


@pytest.fixture(params=["file", "stream"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Any]:
    """What is heard of these bytes, in a file or as they come."""

    def give(content: bytes) -> Any:
        if request.param == "stream":
            return Pipe(content)
        (tmp_path / "audio.wav").write_bytes(content)
        return tmp_path / "audio.wav"

    return give


Given = Callable[[bytes], Any]


@pytest.mark.parametrize("size", PLACEHOLDERS)
@pytest.mark.parametrize("whole", [None, 0xFFFF_FFFF])
def test_a_placeholder_for_the_length_is_read_to_the_real_end(
    given: Given, size: int, whole: Any
) -> None:
    whole = min(size + 36, 0xFFFF_FFFF) if whole is None else whole
    samples, error = heard(given(riff(form(), chunk(b"data", WORDS, size), size=whole)))
    assert error is None
    np.testing.assert_allclose(samples, SIGNAL, rtol=0, atol=0.51 / 32_768)


def test_any_length_is_a_placeholder_where_that_of_the_whole_is(given: Given) -> None:
    content = riff(form(), chunk(b"data", WORDS, 987_654), size=0xFFFF_FFFF)
    samples, error = heard(given(content))
    assert error is None
    assert len(samples) == len(SIGNAL)


def test_a_length_that_is_none_of_these_is_believed(given: Given) -> None:
    content = riff(form(), chunk(b"data", WORDS, 64_000), size=64_036)
    samples, error = heard(given(content))
    assert isinstance(error, AudioFormatError)
    assert "the file ends after 1.25 s of 2.00 s: it was cut short" in str(error)
    assert len(samples) == len(SIGNAL)


def test_lengths_that_a_recording_may_have_are_no_placeholders() -> None:
    assert not any(map(is_placeholder, (1, 2, 44, 32_000, 115_200_000, 123_456_789, 2**27)))
    assert all(map(is_placeholder, PLACEHOLDERS))


def test_a_placeholder_costs_no_memory(given: Given) -> None:
    seconds = 60
    count = 0

    def add(chunk: Any) -> None:
        nonlocal count
        count += len(chunk.samples)

    def peak() -> int:
        source = given(riff(form(), chunk(b"data", bytes(seconds * 2 * RATE), 2_000_000_000)))
        tracemalloc.start()
        try:
            sources.wav(source).subscribe(add)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # Once in a while the interpreter itself takes 2 MB, for a table that has become too small.
    assert peak() < 1_500_000 or peak() < 1_500_000
    assert count in (seconds * RATE, 2 * seconds * RATE)


@pytest.mark.parametrize("name", ["RF64", "W64", "WAVEX", "WAV"])
@pytest.mark.parametrize("channels", [1, 7])
@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"]
)
def test_every_kind_of_wav_is_heard_as_libsndfile_reads_it(
    given: Given, name: str, channels: int, subtype: str
) -> None:
    if not soundfile.check_format(name, subtype):
        pytest.skip("there is no such file")
    file = io.BytesIO()
    frames = np.stack([np.roll(SIGNAL, n) for n in range(channels)], axis=1)
    soundfile.write(file, frames, RATE, format=name, subtype=subtype)
    wanted, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32", always_2d=True)
    samples, error = heard(given(file.getvalue()))
    assert error is None
    np.testing.assert_allclose(samples, wanted.mean(axis=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF_FFFF_FFFF])
@pytest.mark.parametrize("name", [b"RF64", b"BW64"])
def test_a_long_wav_that_was_never_finished_is_read_to_its_end(
    given: Given, name: bytes, size: int
) -> None:
    sizes = chunk(b"ds64", struct.pack("<QQQI", size, size, 0, 0))
    content = riff(sizes, form(), chunk(b"data", WORDS, 0xFFFF_FFFF), size=0xFFFF_FFFF)
    samples, error = heard(given(name + content[4:]))
    assert error is None
    assert len(samples) == len(SIGNAL)


def test_a_long_wav_cut_short_is_told(given: Given) -> None:
    sizes = chunk(b"ds64", struct.pack("<QQQI", 64_100, 64_000, 0, 0))
    content = riff(sizes, form(), chunk(b"data", WORDS, 0xFFFF_FFFF), size=0xFFFF_FFFF)
    samples, error = heard(given(b"RF64" + content[4:]))
    assert "ends after 1.25 s of 2.00 s" in str(error)
    assert len(samples) == len(SIGNAL)


@pytest.mark.parametrize("pad", [True, False])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 100_001])
def test_other_chunks_are_passed_over(given: Given, length: int, pad: bool) -> None:
    other = chunk(b"LIST", b"\7" * length, pad=pad)
    content = riff(other, form(), other, chunk(b"data", WORDS), other, chunk(b"id3 ", b"x"))
    samples, error = heard(given(content))
    assert error is None
    np.testing.assert_allclose(samples, SIGNAL, rtol=0, atol=0.51 / 32_768)


def test_a_last_frame_that_is_cut_is_told(given: Given) -> None:
    content = riff(form(channels=2), chunk(b"data", WORDS + b"\0\0"))
    samples, error = heard(given(content[:-3]))
    assert len(samples) == len(WORDS) // 4
    assert "it was cut short" in str(error)


@pytest.mark.parametrize(
    "content",
    [
        riff(chunk(b"data", WORDS)),
        riff(form(channels=0), chunk(b"data", WORDS)),
        riff(form()),
        riff(),
        b"RIFF",
        b"RIFF" + bytes(40),
        riff(form(channels=5000), chunk(b"data", WORDS)),
        riff(form().replace(struct.pack("<I", RATE), b"\xff" * 4), chunk(b"data", WORDS)),
        riff(form(code=0x1234), chunk(b"data", WORDS)),
        b"hello, I am a text\n",
        b"hi",
        b"",
    ],
)
def test_what_is_no_audio_is_one_error(given: Given, content: bytes) -> None:
    samples, error = heard(given(content))
    assert isinstance(error, AudioFormatError)
    assert len(samples) == 0
    assert "\n" not in str(error)


def test_a_rate_far_below_the_wanted_one_costs_no_memory(given: Given) -> None:
    slow = form().replace(struct.pack("<I", RATE), struct.pack("<I", 1))
    source = given(riff(slow, chunk(b"data", bytes(80))))
    tracemalloc.start()
    try:
        samples, error = heard(source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error is None
    assert len(samples) == 40 * RATE
    assert peak < 4 * samples.nbytes


# Streams


@pytest.mark.parametrize("at_once", [1, 3, 45, 4096])
def test_a_stream_may_come_in_pieces_of_any_size(at_once: int) -> None:
    content = riff(chunk(b"LIST", b"abc"), form(channels=3, bits=24), chunk(b"data", WORDS[:9000]))
    samples, error = heard(Pipe(content, at_once))
    assert error is None
    assert len(samples) == 1000


@pytest.mark.parametrize(("name", "subtype"), [("FLAC", "PCM_16"), ("OGG", None), ("MP3", None)])
def test_other_formats_come_as_a_stream_too(name: str, subtype: str | None) -> None:
    file = io.BytesIO()
    soundfile.write(file, SIGNAL, RATE, format=name, subtype=subtype)
    samples, error = heard(Pipe(file.getvalue()))
    assert error is None
    assert len(samples) == len(SIGNAL)


def test_an_endless_stream_of_anything_is_refused_at_once() -> None:
    class Noise:
        """What never ends."""

        read_of_it = 0

        def read(self, size: int, /) -> bytes:
            Noise.read_of_it += size
            return b"\1" * size

    _, error = heard(Noise())
    assert "the stream is not audio that libsndfile reads" in str(error)
    assert Noise.read_of_it < 1000
    assert "is not audio" in str(heard(Path("/dev/zero"))[1])
    assert "/dev/null is empty" in str(heard(Path(os.devnull))[1])


def test_a_wav_is_heard_while_it_comes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    first, ended = threading.Event(), threading.Event()
    lengths: list[int] = []

    def hear() -> None:
        def take(chunk: Any) -> None:
            lengths.append(len(chunk.samples))
            first.set()

        sources.wav(pipe).subscribe(take, on_completed=ended.set)

    threading.Thread(target=hear, daemon=True).start()
    with pipe.open("wb", buffering=0) as writer:
        writer.write(riff(form(), chunk(b"data", WORDS[:2048], 0xFFFF_FFFF), size=0xFFFF_FFFF))
        assert first.wait(60)
        assert not ended.is_set()
        writer.write(WORDS[2048:])
    assert ended.wait(60)
    assert sum(lengths) == len(SIGNAL)


def test_a_stream_that_was_read_says_so_the_second_time() -> None:
    source = sources.wav(Pipe(riff(form(), chunk(b"data", WORDS))))
    errors: list[Exception] = []
    for _ in range(2):
        source.subscribe(on_error=errors.append)
    assert [str(it) for it in errors] == ["the stream is empty: see what should have written to it"]


def test_what_is_missing_is_still_a_config_error() -> None:
    assert isinstance(heard(Path("nowhere.wav"))[1], ConfigError)
