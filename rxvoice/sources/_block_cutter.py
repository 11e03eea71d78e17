"""Samples of one rate become the blocks that a microphone emits."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk


class BlockCutter:
    """Cuts samples into blocks, and knows when each was captured.

    Args:
        sample_rate: Hz.
        block_ms: milliseconds of a block. Its borders are multiples of that, so that blocks do not
            drift where it is no whole number of samples.
    """

    def __init__(self, sample_rate: int, block_ms: int) -> None:
        self._rate = sample_rate
        self._block_ms = block_ms
        self._held: list[Samples] = []
        self._blocks = 0
        self._start = 0  # of the samples held
        self.position = 0
        """How many samples came so far."""
        self.base: float | None = None
        """When sample 0 was captured; None until that is known."""

    def set_time(self, time: float) -> None:
        """Say when the next sample was captured."""
        self.base = time - self.position / self._rate

    @property
    def time(self) -> float | None:
        """When the next sample was captured; None until that is known."""
        return None if self.base is None else self.base + self.position / self._rate

    def add(self, samples: Samples) -> Generator[AudioChunk]:
        """Add samples, and give the blocks that are complete."""
        self._held.append(samples)
        self.position += len(samples)
        while self.position >= (border := self._border()):
            held = self._held[0] if len(self._held) == 1 else np.concatenate(self._held)
            size = border - self._start
            block, rest = held[:size], held[size:]
            block.flags.writeable = False
            self._held = [rest] if len(rest) else []
            start, self._start = self._start, border
            self._blocks += 1
            time = None if self.base is None else self.base + start / self._rate
            yield AudioChunk(block, self._rate, start, time=time)

    def _border(self) -> int:
        return (self._blocks + 1) * self._block_ms * self._rate // 1000

    def silence_until(self, time: float) -> Generator[AudioChunk]:
        """Add zeros up to that time, in whole samples."""
        if self.base is not None:
            missing = round((time - self.base) * self._rate) - self.position
            for piece in zeros(missing, self._rate):
                yield from self.add(piece)


def zeros(count: int, most: int) -> Generator[Samples]:
    """`count` zeros, at most `most` at once."""
    while count > 0:
        size = min(count, most)
        yield np.zeros(size, np.float32)
        count -= size
