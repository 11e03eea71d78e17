"""Converts float32 samples in [-1, 1] to 16 bits, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.samples import Samples

_SCALE = 32_768
_INT16 = np.dtype("<i2")  # little-endian, as in WAV files and on sockets


def to_pcm16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Convert to the nearest 16-bit samples, little-endian. Clips beyond full scale."""
    return np.rint(samples * np.float32(_SCALE)).clip(-_SCALE, _SCALE - 1).astype(_INT16)


def from_pcm16(pcm: bytes | bytearray | memoryview | NDArray[np.int16]) -> Samples:
    """Convert to float32. `to_pcm16` gives exactly the same samples back.

    Args:
        pcm: 16-bit samples, or their bytes, little-endian.
    """
    words = pcm if isinstance(pcm, np.ndarray) else np.frombuffer(pcm, _INT16)
    return words.astype(np.float32) * np.float32(1 / _SCALE)
