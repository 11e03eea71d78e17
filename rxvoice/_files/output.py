"""Output files, which replace an old file only when they are complete."""

from __future__ import annotations

import errno
import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from rxvoice._check import file_path
from rxvoice._files.whole import take_place
from rxvoice.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_log = logging.getLogger("rxvoice")


class OutputFile:
    """A file that is created by its first byte, and replaces an old one when it is complete.

    If no file has the name, or an empty one, the new file is written there. If an old file has the
    name, the new one grows beside it, as ``talk.partial.wav`` for ``talk.wav``. It replaces the old
    one in one step, with its permissions. If it never becomes complete, it stays beside the old
    one. What a killed process left is kept: the next file is ``talk.partial-2.wav``, and the log
    says what was found.

    Anything but a regular file, such as ``/dev/null`` or a named pipe, is written in place.

    Args:
        path: of the file. Its directory exists.

    Raises:
        ConfigError: it cannot be written. Nothing has been created.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = file_path("the path of a file", path)
        _check_writable(self.path)
        # A link stays; the file behind it is replaced.
        self._target = self.path if self.is_special else Path(os.path.realpath(path))
        self._at = self._target
        self._file: _Writer | None = None
        self._is_new = False
        self.complete = False
        """Whether the file is complete, so that `close` lets it replace an old one."""

    @property
    def is_special(self) -> bool:
        """Whether the path is not a regular file: it can only be written from begin to end."""
        return self.path.exists() and not self.path.is_file()

    @property
    def where(self) -> Path:
        """Where the file is now: at its path, or beside it while an old file is there."""
        return self.path if self._at == self._target else self._at

    @property
    def is_begun(self) -> bool:
        """Whether the file has been created."""
        return self._file is not None

    @property
    def would_replace(self) -> bool:
        """Whether an old file with something in it has the name."""
        return self._target.is_file() and self._target.stat().st_size > 0

    def open(self) -> BinaryIO:
        """Open the file. What is written is in it when the call returns. An OSError names it."""
        if self._file is None:
            self._file = self._special() if self.is_special else self._regular()
        return cast("BinaryIO", self._file)

    def close(self) -> None:
        """Close the file. It replaces an old one if it is `complete`. Again does nothing.

        Raises:
            OSError: it was deleted while it was written, or cannot replace the old one.
        """
        if self._file is None or self._file.closed:
            return
        try:
            now = os.fstat(self._file.fileno())
            if stat.S_ISREG(now.st_mode) and not now.st_nlink:
                self._at = self._target  # there is nothing to be found elsewhere
                raise FileNotFoundError(
                    errno.ENOENT, "deleted while it was written", str(self.path)
                )
            if self.complete and self._at != self._target:
                take_place(self._file.fileno(), self._at, self._target)
                self._at = self._target
        finally:
            self._file.close()
            if self._at != self._target:
                _log.warning(
                    "%s is as it was: the new one is incomplete, and is %s", self.path, self._at
                )

    def discard(self) -> None:
        """Close the file and delete it: nothing in it is worth keeping."""
        if self._file is not None and not self._file.closed:
            if not self._is_new and not self.is_special:
                self._file.truncate(0)
            self._file.close()
            if self._is_new:
                self._at.unlink(missing_ok=True)

    def _special(self) -> _Writer:
        return _Writer(str(self.path), "w")

    def _regular(self) -> _Writer:
        if self._target.exists() and not self.would_replace:
            return _Writer(str(self._target), "r+")
        file = self._create()
        for found in takewhile(Path.exists, _beside(self._target)):
            if found != self._at:
                _log.warning(
                    "%s is of a run that goes on or was cut off: give what it holds another name, "
                    "or delete it",
                    found,
                )
        return file

    def _create(self) -> _Writer:
        for at in chain([self._target], _beside(self._target)):
            with suppress(FileExistsError):
                file = _Writer(str(at), "x+")
                self._at, self._is_new = at, True
                return file
        raise AssertionError("there is always another name")


class OpenOutput:
    """A stream that the caller has opened, instead of an `OutputFile`. It is never closed."""

    complete = False
    is_special = True
    is_begun = True
    would_replace = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        name = getattr(stream, "name", None)
        self.path = self.where = Path(name if isinstance(name, str) else "the stream")

    def open(self) -> BinaryIO:
        """Return the stream."""
        return self._stream

    def close(self) -> None:
        """Do nothing: the caller closes the stream."""

    def discard(self) -> None:
        """Do nothing: what was written cannot be taken back."""


class _Writer(io.FileIO):
    """An unbuffered file that writes all it is given, and whose errors name it."""

    def write(self, data: ReadableBuffer, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            try:
                done += super().write(view[done:]) or 0
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self.name)) from None
        return done


def output(to: str | os.PathLike[str] | BinaryIO) -> OutputFile | OpenOutput:
    """Make an output of a path or a stream."""
    if isinstance(to, (str, os.PathLike)) or not hasattr(to, "write"):
        return OutputFile(file_path("the path of a file", to))
    return OpenOutput(to)


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths are, or would be, the same file. Follows links."""
    if one.exists() and other.exists():
        return one.is_file() and os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _beside(path: Path) -> Iterator[Path]:
    """The names that a new file may have until it replaces the one at `path`, in order."""
    yield path.with_name(f"{path.stem}.partial{path.suffix}")
    for n in count(2):
        yield path.with_name(f"{path.stem}.partial-{n}{path.suffix}")


def _check_writable(path: Path) -> None:
    # Checked without writing: an old file stays until there is something to write.
    reason = None
    if path.is_dir():
        reason = "it is a directory; name a file in it"
    elif not path.parent.is_dir():
        reason = f"there is no directory {path.parent}; make it first"
    elif path.exists() and not os.access(path, os.W_OK):
        reason = "permission denied, or a file system that is read-only"
    elif not (path.exists() and not path.is_file()):
        directory = Path(os.path.realpath(path)).parent
        if not directory.is_dir():
            reason = f"there is no directory {directory}; make it first"
        elif not os.access(directory, os.W_OK):
            reason = f"no permission to write in the directory {directory}, or it is read-only"
    if reason is not None:
        raise ConfigError(f"cannot write {path}: {reason}")
