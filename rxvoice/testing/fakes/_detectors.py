"""Fakes of the parts that judge a chunk, or a turn's silence."""

from __future__ import annotations

from collections.abc import Iterable

from reactivex import Observable

from rxvoice._audio.samples import Samples
from rxvoice._check import at_least
from rxvoice.policies import rms
from rxvoice.testing.fakes._script import duration, later


class FakeVad:
    """A voice activity detector.

    Args:
        answers: one per chunk: bools, probabilities, or a str in which ``~`` is speech and any
            other character is not. After the last one there is no speech. Each subscription starts
            at the first answer.
        threshold: the root mean square, 0 to 1, from which a chunk is speech; replaces answers.
    """

    def __init__(
        self, answers: str | Iterable[bool | float] = (), *, threshold: float | None = None
    ) -> None:
        if threshold is not None:
            at_least("FakeVad threshold", threshold, 0, "RMS")
        self._answers = (
            tuple(char == "~" for char in answers) if isinstance(answers, str) else tuple(answers)
        )
        self._threshold = threshold
        self._asked = 0
        self.given: list[Samples] = []
        """The samples of each chunk, in all subscriptions."""

    def fresh(self) -> FakeVad:
        """A detector for one subscription, which starts at the first answer."""
        own = FakeVad(self._answers, threshold=self._threshold)
        own.given = self.given
        return own

    def __call__(self, samples: Samples, /) -> bool | float:
        self.given.append(samples)
        if self._threshold is not None:
            return rms(samples) >= self._threshold
        self._asked += 1
        return self._answers[self._asked - 1] if self._asked <= len(self._answers) else False


class FakeWakeWord:
    """A wake word detector.

    Args:
        answers: one character for each chunk: the word is told with a ``w``, and with no other.
            Each subscription starts at the first.
        word: the word.
    """

    def __init__(self, answers: str = "", word: str = "computer") -> None:
        self._answers = answers
        self._word = word
        self._asked = 0
        self.given: list[Samples] = []
        """The samples of each chunk, in all subscriptions."""

    def fresh(self) -> FakeWakeWord:
        """A detector for one subscription, which starts at the first answer."""
        own = FakeWakeWord(self._answers, self._word)
        own.given = self.given
        return own

    def spot(self, samples: Samples, /) -> str | None:
        self.given.append(samples)
        self._asked += 1
        return self._word if self._answers[self._asked - 1 : self._asked] == "w" else None


class FakePolicy:
    """An end-of-turn policy.

    Args:
        answers: one per question. After the last one, the answer is no.
        after_ms: milliseconds that each answer takes; None answers at once.
    """

    def __init__(self, answers: Iterable[bool] = (True,), *, after_ms: float | None = None) -> None:
        self._answers = list(answers)
        self._after_ms = duration("FakePolicy after_ms", after_ms)
        self.asked: list[tuple[Samples, int]] = []
        """The questions: the turn's audio and its silence in milliseconds."""

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        self.asked.append((audio, silence_ms))
        n = len(self.asked)
        answer = self._answers[n - 1] if n <= len(self._answers) else False
        return answer if self._after_ms is None else later([answer], self._after_ms)


class FakeBargeIn:
    """A barge-in detector.

    Args:
        answers: one per question. After the last one, the answer is no. None: yes whenever the
            assistant plays.
    """

    def __init__(self, answers: Iterable[bool] | None = None) -> None:
        self._answers = None if answers is None else list(answers)
        self.asked: list[tuple[Samples, bool]] = []
        """The questions: the chunk, and whether the assistant was playing."""

    def detect(self, samples: Samples, playing: bool, /) -> bool:
        self.asked.append((samples, playing))
        if self._answers is None:
            return playing
        n = len(self.asked)
        return self._answers[n - 1] if n <= len(self._answers) else False
