"""Samples as they are written, at the rate of a device."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from rxvoice._audio import resample as _resample
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice.errors import ConfigError

if TYPE_CHECKING:
    from rxvoice.mlx.resample import MlxResampler

__all__ = ["Converter", "as_written", "converter", "is_mlx"]


class Converter(Protocol):
    """One signal at one rate becomes one at another."""

    def feed(self, samples: Samples) -> Samples:
        """What can be told so far."""
        ...

    def end(self) -> Samples:
        """What was held back; from any thread, and the last call."""
        ...


def converter(rate: int, device_rate: int, *, mlx: bool) -> Converter:
    """By MLX for its arrays, else by soxr."""
    if mlx and rate != device_rate:
        from rxvoice.mlx.resample import MlxResampler

        try:
            return _ByMlx(MlxResampler(rate, device_rate))
        except ConfigError:
            pass  # rates with too little in common for it
    return _resample.Resampler(rate, device_rate)


class _ByMlx:
    """What is held back is converted with what came before it: its end needs no MLX."""

    def __init__(self, resampler: MlxResampler) -> None:
        self._resampler = resampler
        self._rest: Samples = np.empty(0, np.float32)

    def feed(self, samples: Samples) -> Samples:
        converted = cast("Samples", np.asarray(self._resampler.feed(samples)))
        # MLX arrays never change, so that a shallow copy is one that can end by itself.
        self._rest = np.asarray(copy.copy(self._resampler).end())
        return converted

    def end(self) -> Samples:
        return self._rest


def is_mlx(samples: object) -> bool:
    """Whether it is an ``mx.array``; without importing MLX."""
    return type(samples).__module__.partition(".")[0] == "mlx"


def as_written(samples: Samples) -> Samples:
    """A copy, as numpy has it; evaluated here, where it is MLX's.

    Raises:
        AudioFormatError: for samples that are not mono audio in [-1, 1].
    """
    if is_mlx(samples):
        from rxvoice.mlx._samples import as_samples

        samples = cast("Samples", as_samples(samples))
    return audio_samples(np.array(samples, np.float32))
