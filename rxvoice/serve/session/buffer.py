"""`SoundBuffer`: the microphone's sound, in chunks, and what of it is no item yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.serve.session.judging import CHUNK, PREFIX_MS, RATE

_KEPT = PREFIX_MS * RATE // 1000
"""Samples that are kept for a turn that the client cuts out of silence; `preroll` has them too."""


class SoundBuffer:
    """Cuts sound at 16 kHz into chunks, and counts it from the beginning of the dialogue."""

    def __init__(self) -> None:
        self._rest = np.empty(0, np.float32)
        self._chunked = 0  # all before this was given in chunks
        self._kept: deque[AudioChunk] = deque()
        self._held = 0

    @property
    def position(self) -> int:
        """Samples that came."""
        return self._chunked + len(self._rest)

    @property
    def left(self) -> int:
        """Samples that do not fill a chunk yet."""
        return len(self._rest)

    def feed(self, samples: Samples) -> Iterator[AudioChunk]:
        """Add sound, and give the chunks that are full."""
        joined = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        end = len(joined) - len(joined) % CHUNK
        # Two copies: views of the whole would keep all of it, for as long as a chunk is kept.
        self._rest = joined[end:].copy()
        full = joined[:end].copy()
        for at in range(0, end, CHUNK):
            yield self._chunk(full[at : at + CHUNK], partial=False)

    def tail(self) -> AudioChunk | None:
        """Give what does not fill a chunk."""
        rest, self._rest = self._rest, self._rest[:0]
        return self._chunk(rest, partial=True) if len(rest) else None

    def since(self, position: int) -> Samples:
        """The sound from this position on, as far as it is kept."""
        parts = [chunk.samples[max(0, position - chunk.start) :] for chunk in self._kept]
        return np.concatenate([*parts, np.empty(0, np.float32)])

    def forget(self) -> None:
        """Drop what is kept."""
        self._chunked += len(self._rest)
        self._rest = self._rest[:0]
        self._kept.clear()
        self._held = 0

    def _chunk(self, samples: Samples, *, partial: bool) -> AudioChunk:
        chunk = AudioChunk(samples, RATE, self._chunked, partial=partial)
        self._chunked += len(samples)
        self._kept.append(chunk)
        self._held += len(samples)
        while self._held > _KEPT:
            self._held -= len(self._kept.popleft().samples)
        return chunk
