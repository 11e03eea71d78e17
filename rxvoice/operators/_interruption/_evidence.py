"""The evidence that a candidate is the user's: how long it speaks, and which words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rxvoice.elements import AudioChunk
from rxvoice.events import DropReason
from rxvoice.operators._interruption._words import words

__all__ = ["Evidence", "Gates", "phrases"]

_GAP_MS = 300  # silence after which speech is counted anew: two coughs are no word


@dataclass(frozen=True, slots=True)
class Gates:
    """What it takes to interrupt.

    Args:
        is_echo: whether a chunk is the assistant's own voice; None: nobody knows.
        stop_words: phrases, in words, that pass every gate.
    """

    min_speech_ms: float
    min_words: int
    min_chars: int
    stop_words: tuple[tuple[str, ...], ...]
    is_echo: Callable[[AudioChunk], bool] | None


class Evidence:
    """What speaks for one candidate."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self._counted = False
        self._speech_ms = 0.0
        self._silence_ms = 0.0
        self._words: list[str] = []
        self._echoed = False
        self.spoke = not gates.min_speech_ms
        """Whether it has spoken long enough in one go."""

    def hear(self, chunk: AudioChunk, *, deaf: bool) -> bool:
        """Count a chunk; whether it is the first one of speech that counts.

        Args:
            deaf: whether playback has only begun, and nothing counts.
        """
        ms = len(chunk.samples) * 1000 / chunk.sample_rate
        if chunk.speech and not deaf and not self._is_echo(chunk):
            self._silence_ms = 0
            self._speech_ms += ms
            self.spoke = self.spoke or self._speech_ms >= self._gates.min_speech_ms
            first, self._counted = not self._counted, True
            return first
        self._silence_ms += ms
        if self._silence_ms >= _GAP_MS:
            self._speech_ms = 0
        return False

    def read(self, text: str, spoken: frozenset[str]) -> None:
        """Take the words it has said so far, but for those that the assistant is saying."""
        said = words(text)
        self._words = [word for word in said if word not in spoken]
        self._echoed = bool(said) and not self._words

    def suffices(self, *, wants_words: bool) -> bool:
        """Whether it confirms the candidate.

        Args:
            wants_words: whether it must have said enough as well, not only spoken long enough.
        """
        return self._stops() or (self.spoke and (self._has_words() or not wants_words))

    @property
    def against(self) -> DropReason:
        """Why it is none."""
        if self._echoed:
            return "echo"
        return "no_words" if self.spoke else "short"

    def _has_words(self) -> bool:
        """Whether it has said enough."""
        gates, said = self._gates, self._words
        letters = sum(map(len, said))
        return letters >= max(1, gates.min_chars) and len(said) >= gates.min_words

    def _stops(self) -> bool:
        """Whether it has said a stop word."""
        said = self._words
        return any(
            tuple(said[at : at + len(phrase)]) == phrase
            for phrase in self._gates.stop_words
            for at in range(len(said))
        )

    def _is_echo(self, chunk: AudioChunk) -> bool:
        is_echo = self._gates.is_echo
        echo = is_echo is not None and is_echo(chunk)
        self._echoed = self._echoed or echo
        return echo


def phrases(stop_words: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Stop words as `Gates` has them."""
    return tuple(tuple(words(phrase)) for phrase in stop_words)
