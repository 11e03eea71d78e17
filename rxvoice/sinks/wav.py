"""`wav`: speech is written to a file."""

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
    """A sink that writes speech to a file: 16 bits, mono; WAV, or what the path's suffix says.

    The file is begun at the first sample. Each piece of a WAV is in the file when it has been
    taken, first the samples and then the header: whatever becomes of the process, the file can be
    played. A file that was there before keeps its name until the new one is complete, after
    `flush` or `stop` without an error, and has a sample at least: until then the new one is beside
    it, as ``reply.partial.wav`` for ``reply.wav``, and stays there when the process is killed, when
    the stream or the ``with`` block ends with an error, or when writing fails. `where` says where
    it is. Where there was none and nothing was said, `flush` and `stop` write an empty file.

    Errors: `ConfigError` here, when the path cannot be written; `SinkStalled` for more than a WAV
        can hold, 4 GiB or 24 hours, and after `stop`; an OSError when writing fails later.

    Args:
        path: of the file, .wav, .flac, .mp3, .ogg or .opus; its directory exists. A stream, such
            as ``sys.stdout.buffer`` or the path of a named pipe, gets a WAV, whose header cannot
            say how long it is.
        sample_rate: Hz, of the file; None for the rate of the first speech, 24 000 where there is
            none. What comes at another rate is resampled by soxr. Where the format does not have
            the rate, the file has the next higher one that it has.
    """
    return WavSink(path, sample_rate)


class WavSink(KeepingSink):
    """Made by `wav`; a context manager, which stops it at the end."""

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
        # One that nobody stops is finished with the program.
        weakref.finalize(self, self._audio.close)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._path

    @property
    def where(self) -> Path:
        """Where the file is now: its path, or beside it while an old file is there."""
        return self._audio.file.where

    @property
    def sample_rate(self) -> int | None:
        """Hz, of the file; None until it is known."""
        return self._kept_rate

    @property
    def written(self) -> int:
        """Samples in the file."""
        return self._audio.frames

    @property
    def clipped(self) -> int:
        """Samples that were beyond full scale, and were cut to it."""
        return self._clipped

    def flush(self) -> None:
        """End the run; what was written is complete."""
        super().flush()
        with self._lock:
            if not self._stopped:
                self._complete()

    def on_error(self, error: Exception) -> None:
        """Finish what was taken, which does not replace an old file, and raise the error."""
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
