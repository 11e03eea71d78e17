"""Where the speech in a growing recording pauses and ends."""

from __future__ import annotations

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice._silero import Silero

__all__ = ["SpeechEnd", "spans"]

_SPEECH = 0.35
"""The probability from which a chunk is speech. Lower than a turn's threshold: a faint last sound
is to be kept."""

_TAIL = 3_200
"""Samples behind the last chunk of speech that still belong to it."""

_PAUSE = 9_600
"""Samples without speech that divide a recording. Behind a pause Whisper may take the rest for
nothing, so what is said before it and behind it is decoded apart."""

_LONGEST = 20 * 16_000
"""Samples that are decoded in one go. From 12 s to the 28 s that Whisper can take, the length makes
no difference to the words that are wrong."""

_BLOCK = 1_600


class SpeechEnd:
    """Follows a recording with a voice activity detector, from its first sample on."""

    def __init__(self, detector: Silero) -> None:
        self._detector = detector
        self._rest = np.zeros(0, np.float32)
        self._taken = 0
        self._speech = 0
        self._begin: int | None = None
        self.pauses: list[int] = []
        """Samples at which the recording is divided, each a little behind speech."""

    @property
    def begin(self) -> int:
        """The first sample of the speech; without any, 0."""
        # The detector hears speech a little late.
        return max(0, (self._begin or 0) - 2 * self._detector.chunk_size)

    @property
    def heard_speech(self) -> bool:
        """Whether there was any speech."""
        return self._speech > 0

    @property
    def is_quiet(self) -> bool:
        """Whether the speech is over, as far as the recording goes."""
        return self.heard_speech and self.total >= self._speech + _TAIL

    @property
    def total(self) -> int:
        """Samples of the recording."""
        return self._taken + len(self._rest)

    @property
    def end(self) -> int:
        """The sample before which all speech is; without any, the end of the recording."""
        return min(self.total, self._speech + _TAIL) if self.heard_speech else self.total

    def feed(self, samples: Samples) -> None:
        """Follow the recording further."""
        size = self._detector.chunk_size
        rest = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(rest) - len(rest) % size
        for at in range(0, whole, size):
            if self._detector.probability(rest[at : at + size]) >= _SPEECH:
                if self._begin is None:
                    self._begin = self._taken + at
                elif self._taken + at - self._speech >= _PAUSE:
                    self.pauses.append(self._speech + _TAIL)
                self._speech = self._taken + at + size
        self._taken += whole
        self._rest = rest[whole:].copy()


def spans(audio: Samples, pauses: list[int]) -> list[tuple[int, int]]:
    """Divide a recording at its pauses, and where there is none for 20 s at the quietest place.

    Audio that follows changes only the last span.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for end in [*(it for it in pauses if it < len(audio)), len(audio)]:
        while end - start > _LONGEST:
            cut = start + _quietest(audio[start : start + _LONGEST])
            found.append((start, cut))
            start = cut
        found.append((start, end))
        start = end
    return found


def _quietest(audio: Samples) -> int:
    """The middle of the quietest 0.3 s in the second half."""
    first = len(audio) // 2
    blocks = audio[first:][: first // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    loud = np.convolve(np.square(blocks).sum(1), np.ones(3), "valid")
    return first + int(np.argmin(loud)) * _BLOCK + _BLOCK * 3 // 2
