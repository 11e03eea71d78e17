"""Reads the headers of audio files, for the lengths that libsndfile does not tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from rxvoice._audio.wav import is_placeholder

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_SUBTYPES = {
    (_PCM, 1): "PCM_U8",
    (_PCM, 2): "PCM_16",
    (_PCM, 3): "PCM_24",
    (_PCM, 4): "PCM_32",
    (_FLOAT, 4): "FLOAT",
    (_FLOAT, 8): "DOUBLE",
    (_ALAW, 1): "ALAW",
    (_ULAW, 1): "ULAW",
}
"""libsndfile's names of the encodings that need no other header, by format and sample size."""

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_REST = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


class Bytes(Protocol):
    """Bytes that are read from begin to end, of a file or of a stream that cannot go back."""

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, or fewer at the end."""
        ...

    def peek(self, size: int, /) -> bytes:
        """Look at the next `size` bytes without reading them."""
        ...

    def skip(self, size: int, /) -> None:
        """Skip `size` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Wave:
    """The header of a WAV, RF64, BW64 or Wave64 file.

    Args:
        sample_rate: Hz.
        channels: how many there are.
        frame: bytes of a frame.
        subtype: libsndfile's name of the encoding; None if libsndfile must read the header itself.
        size: bytes of samples, as the header says; None if it does not know: then they end with the
            file.
        is_sure: whether a file that ends earlier was cut short.
    """

    sample_rate: int
    channels: int
    frame: int
    subtype: str | None
    size: int | None
    is_sure: bool


def read_wave(file: Bytes) -> Wave | None:
    """Read a header up to the samples. None if there is none, or it makes no sense."""
    head = file.peek(40)
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        file.skip(12)
        return _chunks(file, int.from_bytes(head[4:8], "little"), _riff_chunk)
    if head[:16] == _W64_RIFF and head[24:28] == b"wave":
        file.skip(40)
        return _chunks(file, int.from_bytes(head[16:24], "little"), _w64_chunk)
    return None


def _chunks(
    file: Bytes, whole: int, next_chunk: Callable[[Bytes], tuple[bytes, int, int] | None]
) -> Wave | None:
    """Read chunks up to the samples. `whole` is the size of all chunks, as the header says."""
    form = b""
    long_size = 0
    while (chunk := next_chunk(file)) is not None:
        kind, size, padding = chunk
        if kind == b"data":
            size = long_size if size == 0xFFFF_FFFF and long_size else size
            return _wave(file, form, size, is_sure=bool(long_size) or not is_placeholder(whole))
        used = min(size, 40) if kind in (b"fmt ", b"ds64") else 0
        content = file.read(used)
        if kind == b"fmt ":
            form = content
        elif kind == b"ds64":
            long_size = int.from_bytes(content[8:16], "little")
        file.skip(size - used)
        # Some writers leave the padding out.
        if not (padding == 1 and _is_name(file.peek(4))):
            file.skip(padding)
    return None


def _riff_chunk(file: Bytes) -> tuple[bytes, int, int] | None:
    head = file.read(8)
    size = int.from_bytes(head[4:], "little")
    return (head[:4], size, size % 2) if len(head) == 8 else None


def _w64_chunk(file: Bytes) -> tuple[bytes, int, int] | None:
    head = file.read(24)
    size = int.from_bytes(head[16:], "little")
    kind = head[:4] if head[4:16] == _W64_REST else b""
    # The size includes the head. The next chunk begins at a multiple of eight.
    return (kind, max(size - 24, 0), -size % 8) if len(head) == 24 else None


def _wave(file: Bytes, form: bytes, size: int, *, is_sure: bool) -> Wave | None:
    if len(form) < 16:
        return None
    places = ((0, 2), (2, 4), (4, 8), (12, 14))
    code, channels, rate, frame = (int.from_bytes(form[i:j], "little") for i, j in places)
    if code == _EXTENSIBLE:
        code = int.from_bytes(form[24:26], "little")
    if not (channels and rate and frame):
        return None
    subtype = None if frame % channels else _SUBTYPES.get((code, frame // channels))
    unknown = is_placeholder(size) if size else not _is_chunk(file.peek(8))
    return Wave(rate, channels, frame, subtype, None if unknown else size, is_sure)


def _is_chunk(head: bytes) -> bool:
    """Whether another chunk or the end follows: then there is no audio."""
    size = int.from_bytes(head[4:], "little")
    return len(head) < 8 or (_is_name(head[:4]) and size < 1 << 24)


def _is_name(of_chunk: bytes) -> bool:
    return of_chunk.replace(b" ", b"x").isalnum()


def mp3_says_length(file: BinaryIO) -> bool:
    """Whether an MP3 has a header that says how long it is: a Xing, Info or VBRI tag."""
    file.seek(0)
    head = file.read(10)
    tags = 0
    if head[:3] == b"ID3":
        for byte in head[6:]:
            tags = tags << 7 | byte & 0x7F
        tags += 10
    file.seek(tags)
    first = file.read(256)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))
