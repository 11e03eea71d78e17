"""`wav`: speech is written to a file."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rxvoice._wav import HEADER_BYTES, MOST_BYTES, header
from rxvoice.elements import Samples
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.sinks._sink import KeepingSink

__all__ = ["WavSink", "wav"]

_log = logging.getLogger("rxvoice")

_DEFAULT_RATE = 24_000
_MOST_SAMPLES = MOST_BYTES // 2


def wav(path: str | os.PathLike[str], *, sample_rate: int | None = None) -> WavSink:
    """A sink that writes speech to a WAV file: 16 bits, mono.

    The file is begun at the first sample, or at `flush` or `stop` where there was none; one that
    is there is replaced. Each piece is in the file when it has been taken, first the samples and
    then the header: whatever becomes of the process, the file can be played.

    Errors: `ConfigError` here, when the path cannot be written; `SinkStalled` for more than a WAV
        can hold, 4 GiB or 24 hours, and after `stop`; an OSError when writing fails later.

    Args:
        path: of the file; its directory exists.
        sample_rate: Hz, of the file; None for the rate of the first speech, 24 000 where there is
            none. What comes at another rate is resampled by soxr.
    """
    return WavSink(path, sample_rate)


class WavSink(KeepingSink):
    """Made by `wav`; a context manager, which stops it at the end."""

    def __init__(self, path: str | os.PathLike[str], sample_rate: int | None = None) -> None:
        self._path = Path(path)
        super().__init__(f"the WAV sink {self._path}", sample_rate)
        _check_writable(self._path)
        self._file: BinaryIO | None = None
        self._written = 0
        self._clipped = 0

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._path

    @property
    def sample_rate(self) -> int | None:
        """Hz, of the file; None until it is known."""
        return self._kept_rate

    @property
    def written(self) -> int:
        """Samples in the file."""
        return self._written

    @property
    def clipped(self) -> int:
        """Samples that were beyond full scale, and were cut to it."""
        return self._clipped

    def flush(self) -> None:
        """End the run; the file is complete, and there even without a sample."""
        super().flush()
        with self._lock:
            if not self._stopped:
                self._begun()

    def _keep(self, samples: Samples) -> None:
        if self._written + len(samples) > _MOST_SAMPLES:
            raise SinkStalled(f"{self._path} is full, at 4 GiB: go on in another file")
        file = self._begun()
        beyond = int(np.count_nonzero(np.abs(samples) > 1))
        if beyond and not self._clipped:
            _log.warning("%s: samples beyond full scale are clipped: lower the gain", self._path)
        self._clipped += beyond
        words = np.rint(samples * 32_768).clip(-32_768, 32_767).astype("<i2")
        file.seek(HEADER_BYTES + 2 * self._written)
        file.write(words.tobytes())
        file.flush()
        self._written += len(samples)
        self._write_header(file)

    def _begun(self) -> BinaryIO:
        if self._file is None:
            self._kept_rate = self._kept_rate or _DEFAULT_RATE
            self._file = self._path.open("wb")
            self._write_header(self._file)
        return self._file

    def _write_header(self, file: BinaryIO) -> None:
        # In one write, after the samples: at no moment does it say more than there is.
        rate, size = self._kept_rate, 2 * self._written
        file.seek(0)
        file.write(header(1, rate or 0, size))
        file.flush()

    def _finish(self) -> None:
        if self._clipped:
            _log.warning("%s: %d samples were clipped", self._path, self._clipped)
        self._begun().close()


def _check_writable(path: Path) -> None:
    # Asked, not tried: a file that is there stays as it is until there is something to write.
    reason = None
    if path.is_dir():
        reason = "it is a directory; name a file in it"
    elif not path.parent.is_dir():
        reason = f"there is no directory {path.parent}; make it first"
    elif path.exists() and not path.is_file():
        reason = "it is not a regular file"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        reason = "permission denied, or a file system that is read-only"
    if reason is not None:
        raise ConfigError(f"cannot write {path}: {reason}")
