"""16-bit samples: the one conversion from float32 in [-1, 1], and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.samples import Samples

__all__ = ["from_pcm16", "to_pcm16"]

_SCALE = 32_768
_INT16 = np.dtype("<i2")  # little-endian, as WAV files and sockets have it


def to_pcm16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """The nearest 16-bit samples, little-endian; what is beyond full scale is clipped."""
    return np.rint(samples * np.float32(_SCALE)).clip(-_SCALE, _SCALE - 1).astype(_INT16)


def from_pcm16(pcm: bytes | bytearray | memoryview | NDArray[np.int16]) -> Samples:
    """The same samples as float32; `to_pcm16` gives exactly these back.

    Args:
        pcm: samples, or their bytes, little-endian.
    """
    words = pcm if isinstance(pcm, np.ndarray) else np.frombuffer(pcm, _INT16)
    return words.astype(np.float32) * np.float32(1 / _SCALE)
