"""The header of a WAV file."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES = _HEADER.size
MOST_BYTES = 2**32 - 64
"""How many bytes of samples a header can state."""
UNKNOWN = 0xFFFF_FFFF
"""The size to write when it cannot be known."""

_NEAR = 4096
"""How far below a round number a placeholder may be."""
_ROUND = 100_000_000


def header(channels: int, sample_rate: int, size: int) -> bytes:
    """Make the header of a file of 16 bits.

    Args:
        channels: how many a frame has.
        sample_rate: Hz.
        size: bytes of samples so far, or `UNKNOWN`.
    """
    frame = 2 * channels
    return _HEADER.pack(
        *(b"RIFF", min(HEADER_BYTES - 8 + size, UNKNOWN), b"WAVE"),
        *(b"fmt ", 16, 1, channels, sample_rate, frame * sample_rate, frame, 16),
        *(b"data", size),
    )


def is_placeholder(size: int) -> bool:
    """Whether a size in a header is a placeholder: programs that stream do not know the size.

    They write 0 or a very large number: the largest there is, 1 or 2 GiB, 1,000,000,000 or another
    round one. Some subtract the headers. Audio that happens to have this size is still read whole,
    because it ends with the file.

    Args:
        size: bytes, as the header says.
    """
    if size < _ROUND - _NEAR:
        return size == 0
    power = 1 << (size + _NEAR).bit_length() - 1
    return (size + _NEAR) % _ROUND <= _NEAR or (power >= 1 << 28 and abs(size - power) <= _NEAR)
