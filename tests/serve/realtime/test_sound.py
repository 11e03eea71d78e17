"""Sound on the wire: 16-bit samples and G.711."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from rxvoice.serve.realtime._audio import Format, SoundDecoder, SoundEncoder, decoded, encoded

G711: list[tuple[Format, str]] = [("audio/pcmu", "ULAW"), ("audio/pcma", "ALAW")]


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype("f4")


@pytest.mark.parametrize(("encoding", "subtype"), G711)
def test_every_byte_of_g711_is_what_libsndfile_reads(encoding: Format, subtype: str) -> None:
    codes = bytes(range(256))
    read, _ = soundfile.read(
        io.BytesIO(codes),
        samplerate=8_000,
        channels=1,
        format="RAW",
        subtype=subtype,
        dtype="int16",
    )
    assert np.array_equal(np.rint(decoded(codes, encoding) * 32_768).astype(int), read)


@pytest.mark.parametrize(("encoding", "subtype"), G711)
def test_g711_is_written_as_near_as_libsndfile_writes_it(encoding: Format, subtype: str) -> None:
    samples = np.arange(-32_768, 32_768, dtype=np.int16)
    written = io.BytesIO()
    soundfile.write(written, samples, 8_000, format="RAW", subtype=subtype)
    theirs = _read(written.getvalue(), subtype)
    ours = _read(encoded(samples.astype("f4") / 32_768, encoding), subtype)
    error = np.abs(ours - samples.astype(int))
    assert np.all(error <= np.abs(theirs - samples.astype(int)) + 1)


def _read(data: bytes, subtype: str) -> np.ndarray:
    read, _ = soundfile.read(
        io.BytesIO(data), samplerate=8_000, channels=1, format="RAW", subtype=subtype, dtype="int16"
    )
    return read.astype(int)


@pytest.mark.parametrize("encoding", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_pieces_sound_like_the_whole(encoding: Format) -> None:
    encoder = SoundEncoder(encoding)
    whole = tone(22_050)
    data = b"".join(
        it
        for at in range(0, len(whole), 1_000)
        for it in encoder.write(whole[at : at + 1_000], 22_050)
    ) + b"".join(encoder.end())
    decoder = SoundDecoder(encoding)
    width = 320 * decoder.width
    heard = [decoder.read(data[at : at + width]) for at in range(0, len(data), width)]
    sound = np.concatenate([*heard, decoder.end()])
    assert len(sound) == pytest.approx(16_000, abs=20)
    middle = slice(1_000, 15_000)
    spectrum = np.abs(np.fft.rfft(sound[middle]))
    assert np.argmax(spectrum) * 16_000 / 14_000 == pytest.approx(440, abs=2)
    assert np.abs(sound[middle]).max() == pytest.approx(0.5, abs=0.03)


def test_another_rate_in_the_middle() -> None:
    encoder = SoundEncoder("audio/pcm")
    pieces = [*encoder.write(tone(22_050), 22_050), *encoder.write(tone(16_000), 16_000)]
    data = b"".join([*pieces, *encoder.end()])
    assert len(data) == pytest.approx(2 * 24_000 * 2, abs=40)
