"""The progress of a download: counted, reported and drawn."""

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

_RATE_OVER = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the download of a model is.

    Attributes:
        model: its name.
        file: the file that is being fetched; or what else is being done, if `total` is 0.
        done: how many bytes of the model are on the disk, earlier ones included.
        total: how many bytes the model has; 0 where nothing is fetched.
        rate: bytes per second over the last five seconds; 0 while that is not known.
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
        done: how many bytes are there already.
        total: how many bytes it has.
        report: called whenever bytes have arrived.
        clock: returns seconds.
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
        """Go on with another file of this size, in bytes."""
        self._file, self._size, self._before = file, size, self.done
        self._tell()

    def add(self, count: int) -> None:
        """Count bytes of the file. A negative number takes back a file that begins again."""
        self.done += count
        self._tell()

    def end(self) -> None:
        """Count the file as complete, whatever was counted of it."""
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
    """Draws the progress of downloads as one changing line. Draws nothing without a terminal.

    Args:
        stream: the terminal; None for ``sys.stderr``.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._drawn = False

    def __call__(self, progress: Progress) -> None:
        """Draw the line again."""
        if not self._stream.isatty():
            return
        columns = max(20, _columns(self._stream) - 1)
        self._stream.write(f"\r\x1b[K{_line(progress)[:columns]}")
        self._stream.flush()
        self._drawn = True

    def close(self) -> None:
        """Go on below the line."""
        if self._drawn:
            self._stream.write("\n")
            self._stream.flush()
        self._drawn = False


def gigabytes(count: int) -> str:
    """A size for people, in powers of 1000."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            digits = 0 if count >= 100 * scale else 1
            return f"{count / scale:.{digits}f} {unit}"
    return f"{count} B"


def bar(meter: Meter | None) -> type:
    """A class of progress bars for the hub's client, which draw nothing and count."""
    base: type = import_module("tqdm.std").tqdm

    class Bar(base):  # pyright: ignore[reportUntypedBaseClass]
        def __init__(self, *args: object, **kwargs: object) -> None:
            kwargs["disable"] = True
            super().__init__(*args, **kwargs)  # pyright: ignore[reportUnknownMemberType]
            self._count(kwargs.get("initial"))

        def update(self, n: float | None = 1) -> None:
            self._count(n)

        def update_transfer(self, n: float | None = 1) -> None:
            """Does nothing: bytes count when they are written, and not when they are received."""

        def _count(self, n: object) -> None:
            if meter is not None and isinstance(n, int | float) and n:
                meter.add(int(n))

    return Bar


@contextmanager
def no_bars() -> Generator[None, None, None]:
    """Keep the libraries from drawing bars when they check again whether all was fetched."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    # If the environment decides, it cannot be changed.
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
    if not progress.total:
        return f"{model}  {progress.file}"
    percent = 100 * progress.done // progress.total
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
