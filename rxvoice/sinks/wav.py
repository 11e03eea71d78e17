"""`wav`: writes speech to a file."""

from __future__ import annotations

import logging
import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from rxvoice._audio.audio_file import AudioFile
from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples
from rxvoice.sinks._sink import KeepingSink

__all__ = ["WavSink", "wav"]

_log = logging.getLogger("rxvoice")

_DEFAULT_RATE = 24_000


def wav(path: str | os.PathLike[str] | BinaryIO, *, sample_rate: int | None = None) -> WavSink:
    """Make a sink that writes speech to a file: mono, 16 bits, in the format of the path's suffix.

    The first sample begins the file. Each piece of a WAV is in the file when it has been taken: the
    samples are written first, then the header. So the file can be played, whatever becomes of the
    process. If the path names an old file, that one stays until the new one is complete: after
    `flush` or `stop` without an error, and with at least one sample. Until then the new one is
    beside it, as ``reply.partial.wav`` for ``reply.wav``, and `where` says where it is. It stays
    there when the process is killed, the stream or the ``with`` block ends with an error, or
    writing fails. If there is no old file and no speech, `flush` and `stop` write an empty file.

    Errors: `ConfigError` here, when the path cannot be written; `SinkStalled` after `stop`, and for
        more than a WAV can hold (4 GiB or 24 hours); an OSError when writing fails later.

    Args:
        path: of the file, .wav, .flac, .mp3, .ogg or .opus. Its directory exists. A stream, such as
            ``sys.stdout.buffer`` or the path of a named pipe, gets a WAV. Its header cannot say how
            long it is.
        sample_rate: Hz, of the file; None for the rate of the first speech, or 24 000 if there is
            no speech. soxr resamples speech at another rate. If the format does not have the rate,
            the file has the next higher rate of the format.
    """
    return WavSink(path, sample_rate)


class WavSink(KeepingSink):
    """A sink that writes to a file, made by `wav`. As a context manager it stops at the end."""

    def __init__(
        self, path: str | os.PathLike[str] | BinaryIO, sample_rate: int | None = None
    ) -> None:
        self._audio = AudioFile(path, 1)
        self._path = self._audio.file.path
        super().__init__(f"the WAV sink {self._path}", sample_rate)
        if sample_rate is not None:
            self._kept_rate = self._audio.rate(sample_rate)
        self._failed = False
        self._clipped = 0
        # A sink that nobody stops is finished when the program ends.
        weakref.finalize(self, self._audio.close)

    @property
    def path(self) -> Path:
        """The path of the file."""
        return self._path

    @property
    def where(self) -> Path:
        """Where the file is now: at its path, or beside it while an old file is there."""
        return self._audio.file.where

    @property
    def sample_rate(self) -> int | None:
        """Hz, of the file; None until it is known."""
        return self._kept_rate

    @property
    def written(self) -> int:
        """How many samples are in the file."""
        return self._audio.frames

    @property
    def clipped(self) -> int:
        """How many samples were beyond full scale, and were limited to it."""
        return self._clipped

    def flush(self) -> None:
        """End the run. The file is complete."""
        super().flush()
        with self._lock:
            if not self._stopped:
                self._complete()

    def on_error(self, error: Exception) -> None:
        """Finish the file without replacing an old one, and raise the error."""
        self._failed = True
        super().on_error(error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._failed = self._failed or error is not None
        super().__exit__(kind, error, traceback)

    def _possible_rate(self, sample_rate: int) -> int:
        return self._audio.rate(sample_rate)

    def _keep(self, samples: Samples) -> None:
        beyond = int(np.count_nonzero(np.abs(samples) > 1))
        if beyond and not self._clipped:
            _log.warning("%s: samples beyond full scale are clipped: lower the gain", self._path)
        self._clipped += beyond
        self._audio.file.complete = False
        try:
            self._write(to_pcm16(samples))
        except BaseException:
            self._failed = True
            raise

    def _write(self, frames: NDArray[np.int16]) -> None:
        self._kept_rate = self._kept_rate or self._audio.rate(_DEFAULT_RATE)
        self._audio.begin(self._kept_rate).write(frames)

    def _complete(self) -> None:
        if not self._failed and not self.written and not self._audio.file.would_replace:
            self._write(np.empty(0, np.int16))
        self._audio.file.complete = not self._failed

    def _finish(self) -> None:
        if self._clipped:
            _log.warning("%s: %d samples were clipped", self._path, self._clipped)
        self._complete()
        if self._failed and not self.written:
            self._audio.discard()
        else:
            self._audio.close()
