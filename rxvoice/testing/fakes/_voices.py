"""`FakeResponder` and `FakeSynthesizer`: fakes that write and speak replies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from reactivex import Observable

from rxvoice._audio.samples import Samples
from rxvoice._check import whole
from rxvoice.testing.fakes._script import Script, duration, later


class FakeResponder:
    """A language model.

    Args:
        replies: the replies, turn by turn, each a str or its pieces. The last one is repeated.
        every_ms: milliseconds before each piece; None gives the pieces at once.
    """

    def __init__(self, *replies: str | Sequence[str], every_ms: float | None = None) -> None:
        self._replies = Script("FakeResponder replies", replies)
        self._every_ms = duration("FakeResponder every_ms", every_ms)
        self.asked: list[str] = []
        """The texts that it was asked."""
        self.told: list[str] = []
        """What was heard of each interrupted reply, as it was told."""
        self.forgotten: list[str] = []
        """The texts that it was told to forget."""

    def respond(self, text: str, /) -> str | Iterator[str] | Observable[str]:
        self.asked.append(text)
        reply = self._replies.next()
        if self._every_ms is None:
            return reply if isinstance(reply, str) else iter(reply)
        return later([reply] if isinstance(reply, str) else reply, self._every_ms)

    def heard(self, text: str, /) -> None:
        """Keep the text in ``told``."""
        self.told.append(text)

    def forget(self) -> None:
        """Keep the last text in ``forgotten``."""
        self.forgotten.extend(self.asked[-1:])


class FakeSynthesizer:
    """A voice: each character of a text is the same number of samples of ``ord(char) / 2**21``.

    Args:
        samples_per_char: samples per character, 0 or more.
        sample_rate: Hz.
        pieces: how many pieces a text gives, of nearly equal length.
        every_ms: milliseconds before each piece; None gives the pieces at once.
    """

    def __init__(
        self,
        *,
        samples_per_char: int = 10,
        sample_rate: int = 24_000,
        pieces: int = 1,
        every_ms: float | None = None,
    ) -> None:
        whole("FakeSynthesizer samples_per_char", samples_per_char, 0, "samples")
        whole("FakeSynthesizer sample_rate", sample_rate, 1, "Hz")
        whole("FakeSynthesizer pieces", pieces, 1, "pieces")
        self._samples_per_char = samples_per_char
        self._pieces = pieces
        self._every_ms = duration("FakeSynthesizer every_ms", every_ms)
        self.sample_rate = sample_rate
        self.spoken: list[str] = []
        """The texts that it was asked to speak."""

    def synthesize_stream(self, text: str, /) -> Iterator[Samples] | Observable[Samples]:
        self.spoken.append(text)
        pieces = np.array_split(self.sound(text), self._pieces)
        return iter(pieces) if self._every_ms is None else later(pieces, self._every_ms)

    def sound(self, text: str) -> Samples:
        """The sound of a text, in one piece."""
        levels = np.array([ord(char) for char in text], np.float32) / np.float32(2**21)
        return np.repeat(levels, self._samples_per_char)
