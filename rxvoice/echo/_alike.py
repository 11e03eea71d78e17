"""How alike the microphone and what was played are, at every delay."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.samples import Samples

__all__ = ["correlations"]

_ENVELOPE = 16
"""Samples that the envelope is the mean of, as in mlx-audio's player."""


_QUIET = 1e-4
"""Of the loudest stretch's energy: 40 dB below, a stretch counts as silence."""


def correlations(samples: Samples, reference: Samples) -> tuple[Samples, Samples]:
    """How alike the samples are to each stretch of the reference, signals and envelopes.

    Returns two float32 arrays of shape ``(len(reference) - len(samples) + 1,)``, 0 to 1: item
    ``i`` is the magnitude of the normalized correlation with ``reference[i:i + len(samples)]``. It
    is 0 for a stretch 40 dB below the loudest.
    """
    return _alike(samples, reference), _alike(_envelope(samples), _envelope(reference))


def _alike(samples: Samples, reference: Samples) -> Samples:
    n = len(samples)
    size = 1 << (len(reference) - 1).bit_length()
    wanted = samples - samples.mean(dtype=np.float64).astype(np.float32)
    spectrum = np.fft.rfft(reference, size) * np.conj(np.fft.rfft(wanted, size))
    products = np.abs(np.fft.irfft(spectrum, size)[: len(reference) - n + 1])
    energy = _sums(np.square(reference, dtype=np.float64), n)
    energy -= _sums(reference.astype(np.float64), n) ** 2 / n
    floor = max(_QUIET * float(energy.max()), 1e-12)
    strength = float(np.linalg.norm(wanted))
    if strength < 1e-6:
        return np.zeros(len(products), np.float32)
    alike = np.where(energy > floor, products / np.sqrt(np.maximum(energy, floor)), 0) / strength
    return np.minimum(alike, 1).astype(np.float32)


def _sums(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], n: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The sums of each `n` neighbours."""
    total = np.concatenate((np.zeros(1), np.cumsum(values)))
    return total[n:] - total[:-n]


def _envelope(samples: Samples) -> Samples:
    if len(samples) < _ENVELOPE:
        return np.abs(samples)
    return np.convolve(np.abs(samples), np.full(_ENVELOPE, 1 / _ENVELOPE, np.float32), "same")
