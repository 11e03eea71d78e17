"""`FakeTranscriber` and `FakeStreamingTranscriber`."""

from __future__ import annotations

from reactivex import Observable

from rxvoice._audio.samples import Samples
from rxvoice.testing.fakes._script import Script, duration, later


class FakeTranscriber:
    """A recogniser of whole turns.

    Args:
        texts: the transcripts, turn by turn. The last one is repeated.
        after_ms: milliseconds that each transcript takes; None answers at once.
    """

    def __init__(self, *texts: str, after_ms: float | None = None) -> None:
        self._texts = Script("FakeTranscriber texts", texts)
        self._after_ms = duration("FakeTranscriber after_ms", after_ms)
        self.given: list[Samples] = []
        """The audio of each turn."""

    def transcribe_turn(self, audio: Samples, /) -> str | Observable[str]:
        self.given.append(audio)
        text = self._texts.next()
        return text if self._after_ms is None else later([text], self._after_ms)


class FakeStreamingTranscriber(FakeTranscriber):
    """A streaming recogniser: a word of the text with each chunk, and the rest at the end.

    Args:
        texts: as in `FakeTranscriber`.
        replacing: whether a partial is the whole text so far (a str) or the new words (a list).
    """

    def __init__(self, *texts: str, replacing: bool = False) -> None:
        super().__init__(*texts)
        self._replacing = replacing
        self.sessions: list[FakeRecognition] = []
        """The sessions that were begun, one per turn."""

    def session(self) -> FakeRecognition:
        begun = FakeRecognition(self._texts.next(), replacing=self._replacing)
        self.sessions.append(begun)
        return begun


class FakeRecognition:
    """The session of one turn: see `FakeStreamingTranscriber`."""

    def __init__(self, text: str, *, replacing: bool = False) -> None:
        self._words = [f" {word}" if n else word for n, word in enumerate(text.split())]
        self._replacing = replacing
        self._said = 0
        self.given: list[Samples] = []
        """The samples that it was fed."""
        self.closed = False

    @property
    def done(self) -> bool:
        return self.closed and self._said == len(self._words)

    def feed(self, samples: Samples, /) -> None:
        self.given.append(samples)

    def step(self) -> list[str] | str | None:
        if self._said == len(self._words):
            return None
        self._said += 1
        if self._replacing:
            return "".join(self._words[: self._said])
        return [self._words[self._said - 1]]

    def close(self) -> None:
        self.closed = True
