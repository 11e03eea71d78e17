"""A stereo WAV whose two channels grow by themselves."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.pcm16 import to_pcm16
from rxvoice._audio.samples import Samples
from rxvoice._audio.wav import HEADER_BYTES, MOST_BYTES, header
from rxvoice._files.output import OutputFile
from rxvoice.errors import SinkStalled

_FRAME_BYTES = 4  # two channels of 16 bits
_MOST_FRAMES = MOST_BYTES // _FRAME_BYTES
_BLOCK = 1 << 16


class StereoWav:
    """Writes samples of either channel to any place. Elsewhere there is silence.

    After each `write`, the file can be played: the samples come first, then the header.

    Args:
        file: begun by the first sample.
        sample_rate: Hz.
    """

    def __init__(self, file: OutputFile, sample_rate: int) -> None:
        self._file = file
        self._rate = sample_rate
        self.frames = 0
        """The length so far."""

    def write(self, channel: int, at: int, samples: Samples) -> None:
        """Write samples to a channel, 0 or 1, from frame `at` on. The other channel stays.

        Raises:
            SinkStalled: the file is full.
            OSError: the file cannot be written.
        """
        if not self._file.is_begun:
            self._write_header()
        file = self._file.open()
        pcm = to_pcm16(samples)
        for i in range(0, len(pcm), _BLOCK):
            block = pcm[i : i + _BLOCK]
            begin, end = at + i, at + i + len(block)
            if end > _MOST_FRAMES:
                raise SinkStalled(f"{self._file.path} is full, at 4 GiB: go on in another file")
            frames = np.zeros((len(block), 2), "<i2")
            file.seek(HEADER_BYTES + _FRAME_BYTES * begin)
            there = np.frombuffer(file.read(_FRAME_BYTES * len(block)), "<i2").reshape(-1, 2)
            frames[: len(there)] = there
            frames[:, channel] = block
            file.seek(HEADER_BYTES + _FRAME_BYTES * begin)
            file.write(frames.tobytes())
            if end > self.frames:
                self.frames = end
                self._write_header()

    def _write_header(self) -> None:
        file = self._file.open()
        file.seek(0)
        file.write(header(2, self._rate, _FRAME_BYTES * self.frames))
