"""The correlation of the microphone with what was played, at all delays at once, in MLX."""

from __future__ import annotations

import mlx.core as mx
import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.mlx._samples import as_samples

_ENVELOPE = 16
_QUIET = 1e-4


def correlations(
    samples: mx.array | Samples, reference: mx.array | Samples
) -> tuple[Samples, Samples]:
    """As ``rxvoice.echo.correlations``: four transforms in one batch, evaluated on this thread."""
    samples, reference = as_samples(samples), as_samples(reference)
    n, delays = samples.size, reference.size - samples.size + 1
    size = 1 << (reference.size - 1).bit_length()
    wanted = mx.stack([samples, _envelope(samples)])
    played = mx.stack([reference, _envelope(reference)])
    wanted = wanted - wanted.mean(axis=1, keepdims=True)
    # Without the mean, squares keep what makes them differ.
    played = played - played.mean(axis=1, keepdims=True)
    signals = mx.fft.rfft(mx.concatenate([played, mx.square(played)]), size)
    box = mx.conj(mx.fft.rfft(mx.ones(n), size))
    products = _inverse(signals[:2] * mx.conj(mx.fft.rfft(wanted, size)), size, delays)
    sums = _inverse(signals * box, size, delays)
    energy = sums[2:] - mx.square(sums[:2]) / n
    floor = mx.maximum(_QUIET * energy.max(axis=1, keepdims=True), 1e-12)
    strength = mx.linalg.norm(wanted, axis=1, keepdims=True)
    audible = mx.logical_and(energy > floor, strength >= 1e-6)
    below = mx.sqrt(mx.maximum(energy, floor)) * mx.maximum(strength, 1e-6)
    alike = mx.where(audible, mx.minimum(mx.abs(products) / below, 1), 0)
    mx.eval(alike)  # pyright: ignore[reportUnknownMemberType]
    return _numpy(alike[0]), _numpy(alike[1])


def _numpy(values: mx.array) -> Samples:
    return np.asarray(values, np.float32)


def _inverse(spectrum: mx.array, size: int, n: int) -> mx.array:
    return mx.fft.irfft(spectrum, size)[:, :n]


def _envelope(samples: mx.array) -> mx.array:
    """The mean magnitude around each sample, as ``np.convolve(..., mode="same")`` gives it."""
    size = mx.abs(samples)
    if samples.size < _ENVELOPE:
        return size
    padded = mx.pad(size, (_ENVELOPE // 2, _ENVELOPE // 2 - 1))
    return mx.as_strided(padded, (samples.size, _ENVELOPE), (1, 1)).mean(axis=1)
