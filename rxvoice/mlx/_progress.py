"""How far a download has come: counted, told and drawn."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TextIO

__all__ = ["Meter", "Progress", "ProgressLine", "bar", "gigabytes", "no_bars"]

_RATE_OVER = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the download of a model has come.

    Attributes:
        model: its name on the hub.
        file: the file that is being fetched.
        done: bytes of the model that are on the disk, earlier ones included.
        total: bytes of the model.
        rate: bytes in a second, over the last five; 0 while that is not known.
    """

    model: str
    file: str
    done: int
    total: int
    rate: float


class Meter:
    """Counts the bytes of one download, and reports them.

    Args:
        model: its name on the hub.
        done: bytes that are there already.
        total: bytes of all of it.
        report: told each time that some have arrived.
        clock: in seconds.
    """

    def __init__(
        self,
        model: str,
        done: int,
        total: int,
        report: Callable[[Progress], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._total = total
        self._report = report
        self._clock = clock
        self._file = ""
        self._size = self._before = 0
        self.done = done
        self._seen = deque([(clock(), done)])

    def begin(self, file: str, size: int) -> None:
        """Go on with another file, of so many bytes."""
        self._file, self._size, self._before = file, size, self.done
        self._tell()

    def add(self, count: int) -> None:
        """Count bytes of the file; fewer than 0 where it has to be fetched anew."""
        self.done += count
        self._tell()

    def end(self) -> None:
        """The file is there, however much of it was counted."""
        if self.done != self._before + self._size:
            self.done = self._before + self._size
            self._tell()

    def _tell(self) -> None:
        now = self._clock()
        self._seen.append((now, self.done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _RATE_OVER:
            self._seen.popleft()
        since, then = self._seen[0]
        rate = max(0.0, (self.done - then) / (now - since)) if now > since else 0.0
        self._report(Progress(self._model, self._file, self.done, self._total, rate))


class ProgressLine:
    """Draws the progress of downloads as one line that changes; only on a terminal.

    Args:
        stream: where to; None for ``sys.stderr``.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        """Draw how far it has come."""
        if not self._stream.isatty():
            return
        columns = max(20, _columns(self._stream) - 1)
        self._stream.write(f"\r\x1b[K{_line(progress)[:columns]}")
        self._stream.flush()
        self._drawn = True

    def close(self) -> None:
        """Leave the line as it is, and go on below it."""
        if self._drawn:
            self._stream.write("\n")
            self._stream.flush()
        self._drawn = False


def gigabytes(count: int) -> str:
    """A size to read, in powers of 1000."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            digits = 0 if count >= 100 * scale else 1
            return f"{count / scale:.{digits}f} {unit}"
    return f"{count} B"


def bar(meter: Meter | None) -> type:
    """A progress bar as the hub's client wants one, that only counts."""
    base: type = import_module("tqdm.std").tqdm

    class Bar(base):  # pyright: ignore[reportUntypedBaseClass]
        def __init__(self, *args: object, **kwargs: object) -> None:
            kwargs["disable"] = True
            super().__init__(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType]
            self._count(kwargs.get("initial"))

        def update(self, n: float | None = 1) -> None:
            self._count(n)

        def update_transfer(self, n: float | None = 1) -> None:
            """What is received is not counted: what is written is."""

        def _count(self, n: object) -> None:
            if meter is not None and isinstance(n, int | float) and n:
                meter.add(int(n))

    return Bar


@contextmanager
def no_bars() -> Generator[None, None, None]:
    """The libraries look again whether all was fetched, and would draw bars for nothing."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    # Where the environment decides, it cannot be changed.
    if constants.HF_HUB_DISABLE_PROGRESS_BARS is not None or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _line(progress: Progress) -> str:
    model = progress.model.rpartition("/")[2]
    percent = 100 * progress.done // progress.total if progress.total else 100
    told = f"{model}  {gigabytes(progress.done)} of {gigabytes(progress.total)}  {percent} %"
    if progress.rate:
        left = round((progress.total - progress.done) / progress.rate)
        told += f"  {gigabytes(round(progress.rate))}/s  {left // 60}:{left % 60:02} left"
    return f"{told}  {progress.file}"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
