"""The bytes of an audio file or stream, and how libsndfile sees them."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_AT_ONCE = 1 << 16
_MANY = 1000
"""How many times longer than its bytes an MP3 pretends to be."""


@runtime_checkable
class Stream(Protocol):
    """A binary stream, such as ``sys.stdin.buffer``."""

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, or fewer; none at the end."""
        ...


class ByteSource:
    """Reads bytes from begin to end, and can look at the next ones."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # `read1` gives what is there and does not wait for all of it: a pipe may be slow.
        self._some = getattr(stream, "read1", stream.read)
        self._held = b""

    def some(self, size: int) -> bytes:
        """Read the bytes that are there: 1 to `size`; none at the end."""
        if not self._held:
            return self._some(size) or b""
        given, self._held = self._held[:size], self._held[size:]
        return given

    def peek(self, size: int, /) -> bytes:
        """Look at the next `size` bytes without reading them."""
        while len(self._held) < size:
            more = self._some(size - len(self._held))
            if not more:
                break
            self._held += more
        return self._held[:size]

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, or fewer at the end."""
        given = self.peek(size)
        self._held = self._held[len(given) :]
        return given

    def skip(self, size: int, /) -> None:
        """Skip `size` bytes."""
        passed = min(size, len(self._held))
        self._held = self._held[passed:]
        if isinstance(self._stream, io.FileIO) and self._stream.seekable():
            # A header may say any size, and no further than the end of the file is there to skip.
            end = os.fstat(self._stream.fileno()).st_size
            self._stream.seek(min(self._stream.tell() + size - passed, end))
            return
        while passed < size and (gone := self.some(min(size - passed, _AT_ONCE))):
            passed += len(gone)

    def spooled(self) -> BinaryIO:
        """Copy the rest into a temporary file, which is deleted when it is closed."""
        file = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
        try:
            while piece := self.some(_AT_ONCE):
                file.write(piece)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


class RawSamples:
    """A file for libsndfile: samples without a header.

    Args:
        source: where the samples come from.
        frame: bytes of a frame. Only whole frames are given.
        size: bytes of all samples; None for as many as come.
    """

    def __init__(self, source: ByteSource, frame: int, size: int | None) -> None:
        self._source = source
        self._frame = frame
        self._size = (1 << 60 if size is None else size) // frame * frame
        self._left = self._size
        self._held = b""
        self._at = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        whole = min(len(view), self._left) // self._frame * self._frame
        data = self._held
        while whole and len(data) < self._frame:
            more = self._source.some(whole - len(data))
            if not more:
                break
            data += more
        given = len(data) // self._frame * self._frame
        view[:given] = data[:given]
        self._held = data[given:]
        self._left -= given
        self._at += given
        return given

    def read(self, size: int, /) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def seek(self, offset: int, whence: int = 0, /) -> int:
        # libsndfile seeks to the end, to learn the size, and back.
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class Unfailing:
    """A file for libsndfile, which a damaged header may send to a place before its beginning.

    An error would be printed, since a callback cannot raise it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.name = file.name
        self.read, self.tell = file.read, file.tell
        self.readinto = cast("io.FileIO", file).readinto
        self._file = file

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, OverflowError):
            return self._file.tell()


class Endless:
    """A file for libsndfile: an MP3 that does not say how long it is, and pretends to be longer.

    libsndfile computes the length from the number of bytes, and reads no further. If the frames
    have different sizes, that may be far from the end.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._there = size
        self._size = size * _MANY
        self._at = 0

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        if self._at >= self._size - 128:  # where a tag may be
            count = min(len(view), self._size - self._at)
            view[:count] = bytes(count)
        else:
            self._file.seek(max(0, min(self._at, self._there)))
            data = self._file.read(len(view))
            count = len(data)
            view[:count] = data
        self._at += count
        return count

    def read(self, size: int, /) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(buffer)])

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at
