"""Sound on the wire: 16-bit samples at 24 kHz, or G.711 at 8 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.pcm16 import from_pcm16, to_pcm16
from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples

Format: TypeAlias = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
RATES: dict[Format, int] = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}

_HEARD_RATE = 16_000
_LONGEST_S = 0.5
"""Seconds of sound in one event, at most: clients limit their messages."""


class SoundDecoder:
    """Reads a client's sound, piece by piece, as float32 at 16 kHz."""

    def __init__(self, encoding: Format) -> None:
        self.encoding: Format = encoding
        self._resampler = SoxrResampler(RATES[encoding], _HEARD_RATE)

    @property
    def width(self) -> int:
        """Bytes of a sample."""
        return 2 if self.encoding == "audio/pcm" else 1

    def bytes_of(self, ms: int) -> int:
        """How many bytes so many milliseconds have."""
        return RATES[self.encoding] * ms // 1000 * self.width

    def read(self, data: bytes) -> Samples:
        """Read the next piece, of whole samples."""
        return self._resampler.feed(decoded(data, self.encoding))

    def end(self) -> Samples:
        """What was held back; the next piece begins anew."""
        rest = self._resampler.end()
        self._resampler = SoxrResampler(RATES[self.encoding], _HEARD_RATE)
        return rest


class SoundEncoder:
    """Writes the sound of one reply for a client, in pieces of at most half a second."""

    def __init__(self, encoding: Format) -> None:
        self.encoding: Format = encoding
        self._rate = 0
        self._resampler: SoxrResampler | None = None

    def write(self, samples: Samples, sample_rate: int) -> Iterator[bytes]:
        """Write the next sound."""
        if self._resampler is None or sample_rate != self._rate:
            yield from self.end()
            self._rate = sample_rate
            self._resampler = SoxrResampler(sample_rate, RATES[self.encoding])
        yield from self._encoded(self._resampler.feed(np.asarray(samples, np.float32)))

    def end(self) -> Iterator[bytes]:
        """Write what was held back."""
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from self._encoded(resampler.end())

    def _encoded(self, samples: Samples) -> Iterator[bytes]:
        step = int(RATES[self.encoding] * _LONGEST_S)
        for at in range(0, len(samples), step):
            yield encoded(samples[at : at + step], self.encoding)


def decoded(data: bytes, encoding: Format) -> Samples:
    """The samples of whole bytes, at the encoding's rate."""
    if encoding == "audio/pcm":
        return from_pcm16(data)
    table = _mu_law() if encoding == "audio/pcmu" else _a_law()
    return from_pcm16(table[np.frombuffer(data, np.uint8)])


def encoded(samples: Samples, encoding: Format) -> bytes:
    """The bytes of samples."""
    pcm = to_pcm16(samples)
    if encoding == "audio/pcm":
        return pcm.tobytes()
    inverse = _to_mu_law() if encoding == "audio/pcmu" else _to_a_law()
    return inverse[pcm.view(np.uint16)].tobytes()


# G.711, by table


@cache
def _mu_law() -> NDArray[np.int16]:
    """The sample of each byte of µ-law."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@cache
def _a_law() -> NDArray[np.int16]:
    """The sample of each byte of A-law."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    small = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, small, (small + 0x100) << np.maximum(0, exponent - 1))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def _to_mu_law() -> NDArray[np.uint8]:
    return _nearest(_mu_law())


@cache
def _to_a_law() -> NDArray[np.uint8]:
    return _nearest(_a_law())


def _nearest(table: NDArray[np.int16]) -> NDArray[np.uint8]:
    """For each sample, taken as an index, the byte whose sample is nearest."""
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    middles = (levels[:-1] + levels[1:]) // 2
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return order[np.searchsorted(middles, samples, side="left")].astype(np.uint8)
