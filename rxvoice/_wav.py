"""The head of a WAV file of 16 bits, written again as the file grows."""

from __future__ import annotations

import struct

__all__ = ["HEADER_BYTES", "MOST_BYTES", "header"]

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
MOST_BYTES = 2**32 - 64
"""What the sizes in it can say."""


def header(channels: int, sample_rate: int, size: int) -> bytes:
    """The head of a file.

    Args:
        size: bytes of samples in it so far.
    """
    frame = 2 * channels
    return _HEADER.pack(
        *(b"RIFF", HEADER_BYTES - 8 + size, b"WAVE"),
        *(b"fmt ", 16, 1, channels, sample_rate, frame * sample_rate, frame, 16),
        *(b"data", size),
    )
