"""The evidence for and against a candidate: how long it speaks, and which words it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice._text.words import has_letters, words
from rxvoice.chunks import AudioChunk
from rxvoice.events import DropReason
from rxvoice.turn import Turn

QUIET_MS = 300
"""Playback goes on after so much silence of a candidate that has not spoken long enough."""

_GAP_MS = 60
"""Silence that begins the count of speech again: coughs do not add up to a word."""

Verdict: TypeAlias = Literal["confirmed"] | DropReason | None


@dataclass(frozen=True, slots=True)
class Gates:
    """What it takes to interrupt.

    Args:
        stop_words: phrases, in words, that pass every gate.
        backchannels: phrases, in words, that never interrupt alone.
        wants_words: whether words are ever known.
        own_words: whether words that the assistant is saying count as its echo.
        is_echo: whether a chunk is the assistant's own voice; None: nobody knows.
    """

    min_speech_ms: float
    min_words: int
    min_chars: int
    stop_words: tuple[tuple[str, ...], ...]
    backchannels: tuple[tuple[str, ...], ...]
    wants_words: bool
    own_words: bool
    is_echo: Callable[[AudioChunk], bool] | None


class Evidence:
    """What is known of one candidate, and what follows from it.

    Speech over the assistant's voice must last, and say something: its length tells it from a
    cough before a recogniser is asked. While a reply is being thought of, only words count. After
    a reply, where only its echo is to be feared, any word will do.

    Attributes:
        holds: whether playback is to be held back for it.
    """

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
        self._spoke = not gates.min_speech_ms
        self._counted = False  # whether any speech of it counted
        self._over_reply = False  # whether a reply was in progress at any that counted,
        self._over_voice = False  # and whether it was being heard
        self._in_warm_up = False
        self._speech_ms = 0.0
        self._silence_ms = 0.0
        self._spoken: frozenset[str] = frozenset()
        self._said: list[str] = []
        self._words: list[str] = []
        self._echoed = False
        self._ended = False
        self._final = False
        self._given: Verdict = None
        self._gave_up = False
        self.holds = False

    # What is told of it

    def hear(self, chunk: AudioChunk, *, over_reply: bool, over_voice: bool, warm_up: bool) -> None:
        """Count a chunk.

        Args:
            over_reply: whether a reply is in progress.
            over_voice: whether some of it is being heard.
            warm_up: whether it has only begun, and speech does not hold it back.
        """
        ms = len(chunk.samples) * 1000 / chunk.sample_rate
        if not chunk.speech or self._is_echo(chunk):
            self._hear_silence(ms)
            return
        self._silence_ms = 0
        if warm_up:
            self._in_warm_up = self._over_reply = True
            return
        self._counted = True
        self._over_reply = self._over_reply or over_reply
        self._over_voice = self._over_voice or over_voice
        self._speech_ms += ms
        self._spoke = self._spoke or self._speech_ms >= self._gates.min_speech_ms
        self.holds = not self._gave_up

    def _hear_silence(self, ms: float) -> None:
        self._silence_ms += ms
        if self._silence_ms >= _GAP_MS:
            self._speech_ms = 0
        if self._silence_ms >= QUIET_MS and not self._spoke:
            self.holds = False

    def read(self, text: str, spoken: frozenset[str], *, final: bool = False) -> None:
        """Take the words that it has said so far, or that it has said in all.

        Args:
            spoken: the words that the assistant is saying, or was just now.
        """
        self._spoken |= spoken
        self._said = words(text)
        own = self._spoken if self._gates.own_words else frozenset[str]()
        self._words = [word for word in self._said if word not in own]
        self._echoed = bool(self._said) and not self._words
        self._final = final

    def end(self, turn: Turn) -> None:
        """Its sound is over; its words may be known later."""
        self._ended = True
        # It was cut at the longest turn, and so goes on: no cough does.
        self._spoke = self._spoke or turn.ended_by == "max_duration"
        if self._is_short and self._gates.stop_words:
            self.holds = False  # and its words are waited for

    def follow(self, *, speaks: bool = False) -> None:
        """It goes on with what was said before, which was no cough.

        Args:
            speaks: whether it has begun to speak already, and holds playback back.
        """
        self._spoke = True
        self._counted = self.holds = speaks

    def give_up(self) -> None:
        """It has held playback back for long enough."""
        self._gave_up = True
        self.holds = False

    def decide(self, verdict: Verdict) -> None:
        """Somebody knows better: the app, or whoever saw it fail."""
        self._given = verdict

    # What follows

    @property
    def verdict(self) -> Verdict:
        """What it is; None as long as it may be either."""
        if self._given is not None:
            return self._given
        if self._stops() or (self._has_words() and self._may_interrupt()):
            return "confirmed"
        if self._final:
            return self._against
        if self._ended and not self._gates.stop_words and self._is_noise:
            return self._against
        return None

    @property
    def _is_short(self) -> bool:
        """Whether it has not spoken long enough over the assistant's voice."""
        return not self._spoke and self._over_voice and not self._in_warm_up

    @property
    def _is_noise(self) -> bool:
        """Whether a recogniser need not even be asked."""
        return self._is_short or not (self._counted or self._in_warm_up)

    def _may_interrupt(self) -> bool:
        return self._spoke or (self._final and not self._is_short)

    @property
    def _against(self) -> DropReason:
        """Why it is none."""
        if self._echoed:
            return "echo"
        if self._is_noise:
            return "short"
        return "backchannel" if self._is_backchannel() else "no_words"

    def _has_words(self) -> bool:
        """Whether it has said enough, where that is ever known."""
        gates, said = self._gates, self._words
        if not gates.wants_words:
            return True
        if not has_letters(" ".join(said), max(1, gates.min_chars)):
            return False
        if not self._over_reply:
            return True
        return len(said) >= gates.min_words and not self._is_backchannel()

    def _stops(self) -> bool:
        """Whether it has said a stop word."""
        said = self._words
        return any(_begins(said[at:], self._gates.stop_words) for at in range(len(said)))

    def _is_backchannel(self) -> bool:
        """Whether it has said backchannels and nothing else."""
        at = 0
        while at < len(self._said):
            length = _begins(self._said[at:], self._gates.backchannels)
            if not length:
                return False
            at += length
        return bool(self._said)

    def _is_echo(self, chunk: AudioChunk) -> bool:
        is_echo = self._gates.is_echo
        echo = is_echo is not None and is_echo(chunk)
        self._echoed = self._echoed or echo
        return echo


def _begins(said: list[str], phrases: tuple[tuple[str, ...], ...]) -> int:
    """How many words the longest phrase has that these begin with; 0: with none."""
    lengths = (len(phrase) for phrase in phrases if tuple(said[: len(phrase)]) == phrase)
    return max(lengths, default=0)
