"""Correlates the microphone with what was played, at every delay."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.samples import Samples

_ENVELOPE = 16
"""How many samples the envelope averages, as in mlx-audio's player."""


_QUIET = 1e-4
"""A stretch counts as silence below this part of the loudest one's energy (40 dB)."""


def correlations(samples: Samples, reference: Samples) -> tuple[Samples, Samples]:
    """Correlate the samples with each stretch of the reference: the signals and their envelopes.

    Returns two float32 arrays of shape ``(len(reference) - len(samples) + 1,)``, from 0 to 1. Item
    ``i`` is the magnitude of the normalized correlation with ``reference[i:i + len(samples)]``. It
    is 0 for a stretch 40 dB below the loudest one.
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
    """The sum of each `n` neighbours."""
    total = np.concatenate((np.zeros(1), np.cumsum(values)))
    return total[n:] - total[:-n]


def _envelope(samples: Samples) -> Samples:
    if len(samples) < _ENVELOPE:
        return np.abs(samples)
    return np.convolve(np.abs(samples), np.full(_ENVELOPE, 1 / _ENVELOPE, np.float32), "same")
