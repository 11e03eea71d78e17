"""The head of a WAV file: written again as the file grows, and what is read there."""

from __future__ import annotations

import struct

__all__ = ["HEADER_BYTES", "MOST_BYTES", "UNKNOWN", "header", "is_placeholder"]

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
MOST_BYTES = 2**32 - 64
"""What the sizes in it can say."""
UNKNOWN = 0xFFFF_FFFF
"""The size, where it is written and cannot be known."""

_NEAR = 4096
"""How far the size of a placeholder is below a round number, for what it counts in."""
_ROUND = 100_000_000


def header(channels: int, sample_rate: int, size: int) -> bytes:
    """The head of a file.

    Args:
        size: bytes of samples in it so far, or `UNKNOWN`.
    """
    frame = 2 * channels
    return _HEADER.pack(
        *(b"RIFF", min(HEADER_BYTES - 8 + size, UNKNOWN), b"WAVE"),
        *(b"fmt ", 16, 1, channels, sample_rate, frame * sample_rate, frame, 16),
        *(b"data", size),
    )


def is_placeholder(size: int) -> bool:
    """Whether a size in a header is what programs write that stream, and cannot know it.

    They write none, or as much as there can be: the largest number, 1 or 2 GiB, 1,000,000,000 or
    another round one; some subtract the headers. Audio that has just this size is read whole all
    the same, for it ends where the file does.

    Args:
        size: bytes, as the header says.
    """
    if size < _ROUND - _NEAR:
        return size == 0
    power = 1 << (size + _NEAR).bit_length() - 1
    return (size + _NEAR) % _ROUND <= _NEAR or (power >= 1 << 28 and abs(size - power) <= _NEAR)
