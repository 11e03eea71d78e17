"""Samples: the type of audio arrays, its check, and the errors for other arrays."""

from __future__ import annotations

import math
import re
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from rxvoice.errors import AudioFormatError

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio: float32, shape ``(n,)``, in [-1, 1]."""


_FLOAT32 = np.dtype(np.float32)


_INTEGER = re.compile(r"(?P<unsigned>u)?int(?P<bits>8|16|32|64)")


def audio_samples(given: object) -> Samples:
    """Return the array if it is mono float32 audio in [-1, 1]; AudioFormatError otherwise."""
    if not isinstance(given, np.ndarray):
        raise AudioFormatError(
            f"wanted a numpy array of float32 samples, got {type(given).__name__}: "
            "convert it with np.asarray(samples, np.float32)"
        )
    array = cast("np.ndarray[Any, np.dtype[Any]]", given)
    if array.dtype != _FLOAT32:
        raise wrong_dtype(array.dtype.name, "samples.astype(np.float32)")
    if array.ndim != 1:
        raise wrong_shape(array.shape)
    # One dot product finds NaN, infinity and unscaled integers, in 0.3 µs a chunk.
    try:
        power = float(array.dot(array))
    except RuntimeWarning:  # of overflow, where warnings are errors
        power = math.inf
    # A resampler may overshoot full scale a little; twice full scale all along is no audio.
    if power <= 4 * len(array):
        return array
    if not math.isfinite(power):
        bad = np.flatnonzero(~np.isfinite(array))
        what = f"{array[bad[0]]} at index {bad[0]}" if len(bad) else f"a peak of {_peak(array):g}"
        raise AudioFormatError(f"wanted finite samples in [-1, 1], got {what}")
    raise AudioFormatError(
        f"wanted samples in [-1, 1], got a peak of {_peak(array):g}: "
        "divide integer audio by its full scale (32768 for 16 bits)"
    )


def count_of(given: object) -> int | None:
    """How many samples an array has; None for what is none, or has no length."""
    shape: object = getattr(given, "shape", None)
    return len(cast(Samples, given)) if isinstance(shape, tuple) and shape else None


def wrong_dtype(dtype: str, convert: str) -> AudioFormatError:
    """Make the error for audio that is not float32.

    Args:
        dtype: the name of its type.
        convert: the code that makes float32 of it. For integers, scaling is added.
    """
    remedy = convert
    if integer := _INTEGER.fullmatch(dtype):
        full_scale = 1 << (int(integer["bits"]) - 1)
        remedy = f"({convert} - {full_scale})" if integer["unsigned"] else convert
        remedy += f" / {full_scale}"
    return AudioFormatError(
        f"wanted float32 samples in [-1, 1], got {dtype}: convert with {remedy}"
    )


def wrong_shape(shape: tuple[int, ...]) -> AudioFormatError:
    """Make the error for audio that is not of shape ``(n,)``."""
    remedy = "pass one-dimensional blocks"
    if len(shape) == 2:
        # The longer axis is time.
        axis = 0 if shape[0] < shape[1] else 1
        remedy = f"mix to mono first, as samples.mean(axis={axis})"
    return AudioFormatError(f"wanted mono samples of shape (n,), got shape {shape}: {remedy}")


def _peak(array: Samples) -> float:
    return float(np.abs(array).max())
