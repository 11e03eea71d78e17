"""Levels and joins of sound, in MLX.

Each takes float32 samples of shape ``(n,)``, numpy or MLX, none included, and gives such an
``mx.array``, not yet evaluated: ``mx.eval`` it before it goes to another thread. Anything else
raises `AudioFormatError`.
"""

from __future__ import annotations

import math

import mlx.core as mx
import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._check import whole, within
from rxvoice.errors import AudioFormatError

__all__ = ["as_samples", "crossfade", "fade_out", "gain", "soft_limit"]


def as_samples(samples: mx.array | Samples) -> mx.array:
    """The samples as an ``mx.array``, once they are known to be float32 of shape ``(n,)``."""
    dtype = str(getattr(samples, "dtype", type(samples).__name__)).rpartition(".")[2]
    shape = tuple(getattr(samples, "shape", ()))
    if dtype != "float32" or len(shape) != 1:
        raise AudioFormatError(
            f"wanted float32 samples of shape (n,), got {dtype} of shape {shape}: convert with "
            "astype, and mix to mono"
        )
    return samples if isinstance(samples, mx.array) else mx.array(samples)


def gain(samples: mx.array | Samples, db: float) -> mx.array:
    """The samples louder by `db` decibels, -120 to 120; softer where it is negative."""
    within("gain db", db, -120, 120, "dB")
    return as_samples(samples) * 10 ** (db / 20)


def soft_limit(samples: mx.array | Samples, *, threshold: float = 0.8) -> mx.array:
    """The samples never beyond 1: as they are up to the threshold, above it bent towards 1.

    A curve without a corner: the louder sample stays the louder one, or as loud.

    Args:
        threshold: of full scale, 0 to 0.99.
    """
    within("soft_limit threshold", threshold, 0, 0.99, "of full scale")
    samples = as_samples(samples)
    room = 1 - threshold
    size = mx.abs(samples)
    bent = mx.minimum(threshold + room * mx.tanh((size - threshold) / room), 1)
    return mx.where(size <= threshold, samples, mx.sign(samples) * bent)


def crossfade(a: mx.array | Samples, b: mx.array | Samples, n: int) -> mx.array:
    """`a`, then `b`, the last `n` samples of the one over the first `n` of the other.

    Of equal power: sounds that are not alike go on as loud as they were; like ones swell by up to
    3 dB on the way. ``len(a) + len(b) - n`` samples come out.

    Args:
        n: samples, 0 or more; no more than there are in the shorter one are used.
    """
    whole("crossfade n", n, 0, "samples")
    a, b = as_samples(a), as_samples(b)
    n = min(n, a.size, b.size)
    at = (np.arange(n) + 0.5) * (math.pi / 2 / max(1, n))
    falling, rising = (mx.array(f(at).astype(np.float32)) for f in (np.cos, np.sin))
    joint = a[a.size - n :] * falling + b[:n] * rising
    return mx.concatenate([a[: a.size - n], joint, b[n:]])


def fade_out(samples: mx.array | Samples, n: int) -> mx.array:
    """The samples, the last `n` of them fading along half a cosine; the last one is 0.

    Args:
        n: samples, 1 or more; no more than there are.
    """
    whole("fade_out n", n, 1, "samples")
    samples = as_samples(samples)
    n = min(n, samples.size)
    fall = (1 + np.cos((np.arange(n) + 1) * (math.pi / max(1, n)))) / 2
    kept, faded = samples[: samples.size - n], samples[samples.size - n :]
    return mx.concatenate([kept, faded * mx.array(fall.astype(np.float32))])
