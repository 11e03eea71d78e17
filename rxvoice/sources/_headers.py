"""What the headers of audio files say about their length, where libsndfile does not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["WaveData", "mp3_says_length", "wave_data"]


@dataclass(frozen=True, slots=True)
class WaveData:
    """The data chunk of a WAV.

    Args:
        size_at: where in the file its size stands.
        size: bytes, as the header says.
        there: bytes from its beginning to the end of the file.
        byte_rate: bytes a second, as the header says.
        unfinished: whether its size was never filled in.
    """

    size_at: int
    size: int
    there: int
    byte_rate: int
    unfinished: bool

    @property
    def is_cut(self) -> bool:
        """Whether bytes are missing; one may be mere padding."""
        return not self.unfinished and self.size > self.there + 1 and self.byte_rate > 0


def wave_data(file: BinaryIO, file_size: int) -> WaveData | None:
    """The data chunk of a RIFF WAVE; None where there is none."""
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    byte_rate = 0
    while len(head := file.read(8)) == 8:
        begin = file.tell()
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if kind == b"data":
            there = file_size - begin
            unfinished = _is_placeholder(size) or (size == 0 and not _is_chunk(file.read(8), there))
            return WaveData(begin - 4, size, there, byte_rate, unfinished)
        if kind == b"fmt ":
            byte_rate = int.from_bytes(file.read(12)[8:], "little")
        file.seek(begin + size + size % 2)
    return None


def _is_placeholder(size: int) -> bool:
    """Whether it is what recorders write that cannot know: about 2 or 4 GiB."""
    return 0x7FFF_F000 <= size <= 0x8000_0000 or size >= 0xFFFF_F000


def _is_chunk(head: bytes, there: int) -> bool:
    """Whether it is the head of another chunk, or the end: then there really is no audio."""
    if len(head) < 8:
        return True
    return (
        head[:4].decode("latin-1").isprintable()
        and head[:4].isascii()
        and (8 + int.from_bytes(head[4:], "little") <= there)
    )


def mp3_says_length(file: BinaryIO) -> bool:
    """Whether an MP3 has the header, of a tag's name, that says how long it is."""
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
