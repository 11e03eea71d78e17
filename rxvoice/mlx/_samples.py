"""The check of what the MLX path of sound takes."""

from __future__ import annotations

import mlx.core as mx

from rxvoice._audio.samples import Samples
from rxvoice.errors import AudioFormatError


def as_samples(samples: mx.array | Samples) -> mx.array:
    """The samples, numpy or MLX, as an ``mx.array``.

    Raises:
        AudioFormatError: they are not float32 of shape ``(n,)``.
    """
    dtype = str(getattr(samples, "dtype", type(samples).__name__)).rpartition(".")[2]
    shape = tuple(getattr(samples, "shape", ()))
    if dtype != "float32" or len(shape) != 1:
        raise AudioFormatError(
            f"wanted float32 samples of shape (n,), got {dtype} of shape {shape}: convert with "
            "astype, and mix to mono"
        )
    return samples if isinstance(samples, mx.array) else mx.array(samples)
