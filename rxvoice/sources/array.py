"""`array`: audio in memory."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from reactivex import Observable

from rxvoice._audio.resample import SoxrResampler
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice._check import whole
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError
from rxvoice.sources._emit import check_blocks, emit

__all__ = ["array"]

Audio: TypeAlias = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int16] | NDArray[np.int32]
"""Samples of shape ``(n,)`` or ``(n, channels)``: floats in [-1, 1], or integers."""

_MOST_CHANNELS = 64
"""More than any microphone array has: the axes were swapped."""
_PIECE = 65_536
"""How many samples are resampled at once."""


def array(
    samples: Audio,
    rate: int,
    *,
    sample_rate: int = 16_000,
    block_ms: int = 32,
    realtime: bool = False,
) -> Observable[AudioChunk]:
    """Play audio that is in memory, as a microphone would give it.

    Emits: an `AudioChunk` of ``block_ms`` at a time, mono, at ``sample_rate``. The last one may be
        shorter. They come as fast as they are taken, one for each scheduled action. With
        ``realtime=True`` they come when a microphone would have them: block i at
        ``(i + 1) * block_ms`` after the subscription.
    Completes: after the last block.
    Errors: none. Bad samples raise `AudioFormatError` here, and other bad arguments `ConfigError`.
    Runs on: the scheduler given to ``subscribe``; without one, the subscribing thread, and with
        ``realtime=True`` a thread of its own for each subscription.

    The samples are copied at once. Every subscriber gets them from the start.

    Args:
        samples: of shape ``(n,)`` or ``(n, channels)``; the mean of the channels is used. float32
            or float64 in [-1, 1], or int16 or int32, which are divided by their full scale.
        rate: Hz, of the samples.
        sample_rate: Hz, of the blocks. soxr resamples if it differs from `rate`.
        block_ms: milliseconds, 1 or more.
        realtime: whether to keep time.
    """
    whole("array rate", rate, 1, "Hz")
    check_blocks("array", sample_rate, block_ms)
    audio = _resampled(_mono(np.asarray(samples)), rate, sample_rate)

    def pieces() -> Generator[Samples]:
        yield audio

    return emit(pieces, sample_rate=sample_rate, block_ms=block_ms, realtime=realtime)


def _mono(samples: NDArray[Any]) -> Samples:
    dtype = samples.dtype
    if (dtype.kind, dtype.itemsize) not in (("f", 4), ("f", 8), ("i", 2), ("i", 4)):
        remedy = ": convert it with samples.astype(np.float32)"
        if dtype.kind in "iu" and dtype.itemsize > 1:
            remedy = ": divide it by its full scale, as (samples / 32768).astype(np.float32)"
        elif dtype.kind == "u":
            remedy = ": convert it with (samples.astype(np.float32) - 128) / 128"
        elif dtype.kind != "f":
            remedy = ", which is not audio"
        raise AudioFormatError(
            f"wanted float32, float64, int16 or int32 samples, got {dtype}{remedy}"
        )
    if samples.ndim not in (1, 2) or samples.shape[1:] == (0,):
        raise AudioFormatError(
            f"wanted samples of shape (n,) or (n, channels), got {samples.shape}"
        )
    if samples.ndim == 2 and samples.shape[1] > _MOST_CHANNELS:
        raise AudioFormatError(
            f"wanted samples of shape (n, channels), got {samples.shape}, which has "
            f"{samples.shape[1]} channels: pass samples.T"
        )
    if dtype.kind == "f" and not np.isfinite(samples).all():
        place = tuple(int(axis[0]) for axis in np.nonzero(~np.isfinite(samples)))
        where = place[0] if samples.ndim == 1 else place
        raise AudioFormatError(f"wanted finite samples in [-1, 1], got {samples[place]} at {where}")
    mixed = samples if samples.ndim == 1 else samples.mean(axis=1, dtype=np.float64)
    if dtype.kind == "i":
        mixed = mixed / (np.iinfo(dtype).max + 1)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused
        return audio_samples(mixed.astype(np.float32))


def _resampled(samples: Samples, rate: int, sample_rate: int) -> Samples:
    if rate == sample_rate:
        return samples
    resampler = SoxrResampler(rate, sample_rate)
    pieces = [resampler.feed(samples[at : at + _PIECE]) for at in range(0, len(samples), _PIECE)]
    return np.concatenate([*pieces, resampler.end()])
