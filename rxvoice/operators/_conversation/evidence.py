"""The evidence for and against a candidate: how long it speaks, and which words it says."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

from rxvoice._boundary import Calling
from rxvoice._text.words import has_letters, words
from rxvoice.chunks import AudioChunk
from rxvoice.events import DropReason
from rxvoice.operators._conversation.settings import ConverseSettings, Phrases
from rxvoice.turn import Turn

QUIET_MS = 300
"""A candidate that was too short, and is silent for so long, does not pause playback."""

_GAP_MS = 60
"""So much silence begins the count of speech again: several coughs do not make a word."""

Verdict: TypeAlias = Literal["confirmed"] | DropReason | None


class Evidence:
    """What is known of one candidate, and the verdict that follows from it.

    What it takes depends on the reply:

    - While the reply is being heard, the candidate must speak for long enough and say enough words.
      The length tells speech from a cough before the recogniser is asked.
    - While the reply is being thought of, only the words count.
    - Just after the reply, any word confirms. Only the echo of the reply must be kept out.

    Attributes:
        holds: whether the candidate wants playback to be paused.
    """

    def __init__(self, settings: ConverseSettings, call: Calling) -> None:
        self._settings = settings
        self._call = call
        self._spoke = not settings.min_speech_ms  # for long enough
        self._counted = False  # whether any of its speech counted
        self._over_reply = False  # whether a reply was in progress at any speech that counted
        self._over_voice = False  # whether a reply was being heard then
        self._in_warm_up = False
        self._speech_ms = 0.0
        self._silence_ms = 0.0
        self._spoken: frozenset[str] = frozenset()  # by the assistant
        self._said: list[str] = []
        self._words: list[str] = []  # of `_said`, those that count
        self._echoed = False
        self._ended = False
        self._final = False  # whether all of its words are known
        self._given: Verdict = None
        self._gave_up = False
        self.holds = False

    # What comes in

    def add_chunk(
        self, chunk: AudioChunk, *, over_reply: bool, over_voice: bool, warm_up: bool
    ) -> None:
        """Count a chunk of the candidate.

        Args:
            over_reply: whether a reply is in progress.
            over_voice: whether a reply is being heard.
            warm_up: whether the reply began so recently that speech does not pause it.
        """
        ms = len(chunk.samples) * 1000 / chunk.sample_rate
        if not chunk.speech or self._is_echo(chunk):
            self._add_silence(ms)
            return
        self._silence_ms = 0
        if warm_up:
            self._in_warm_up = self._over_reply = True
            return
        self._counted = True
        self._over_reply = self._over_reply or over_reply
        self._over_voice = self._over_voice or over_voice
        self._speech_ms += ms
        self._spoke = self._spoke or self._speech_ms >= self._settings.min_speech_ms
        self.holds = not self._gave_up

    def _add_silence(self, ms: float) -> None:
        self._silence_ms += ms
        if self._silence_ms >= _GAP_MS:
            self._speech_ms = 0
        if self._silence_ms >= QUIET_MS and not self._spoke:
            self.holds = False

    def add_text(self, text: str, spoken: frozenset[str], *, final: bool = False) -> None:
        """Take all the text of the candidate so far.

        Args:
            spoken: the words that the assistant is saying, or has just said.
            final: whether the text is complete.
        """
        self._spoken |= spoken
        self._said = words(text)
        own = self._spoken if self._settings.own_words else frozenset[str]()
        self._words = [word for word in self._said if word not in own]
        self._echoed = bool(self._said) and not self._words
        self._final = final

    def end(self, turn: Turn) -> None:
        """The sound of the candidate is over. Its words may still come."""
        self._ended = True
        # A turn that was cut at the longest goes on in the next one, so it is not too short.
        self._spoke = self._spoke or turn.ended_by == "max_duration"
        if self._is_short:
            self.holds = False  # playback goes on while the words are awaited

    def follow(self, *, speaks: bool = False) -> None:
        """The candidate continues an earlier turn, so it is not too short.

        Args:
            speaks: whether the user is already speaking: then it pauses playback at once.
        """
        self._spoke = True
        self._counted = self.holds = speaks

    def give_up(self) -> None:
        """The candidate has paused playback for long enough. It may still be confirmed."""
        self._gave_up = True
        self.holds = False

    def decide(self, verdict: Verdict) -> None:
        """Set the verdict, whatever the evidence says."""
        self._given = verdict

    # What follows

    @property
    def verdict(self) -> Verdict:
        """``"confirmed"``, the reason to drop the candidate, or None while it is undecided."""
        if self._given is not None:
            return self._given
        if self._has_stop_word() or (self._has_words() and self._may_interrupt()):
            return "confirmed"
        if self._final:
            return self._drop_reason
        if self._ended and not self._settings.stop_words and self._is_noise:
            return self._drop_reason
        return None

    @property
    def _is_short(self) -> bool:
        """Whether it spoke over the assistant's voice, and not for long enough."""
        return not self._spoke and self._over_voice and not self._in_warm_up

    @property
    def _is_noise(self) -> bool:
        """Whether it can be dropped without asking the recogniser."""
        return self._is_short or not (self._counted or self._in_warm_up)

    def _may_interrupt(self) -> bool:
        return self._spoke or (self._final and not self._is_short)

    @property
    def _drop_reason(self) -> DropReason:
        if self._echoed:
            return "echo"
        if self._is_noise:
            return "short"
        return "backchannel" if self._is_backchannel() else "no_words"

    def _has_words(self) -> bool:
        """Whether it has said enough; True where no stage knows its words."""
        settings, said = self._settings, self._words
        if not settings.knows_words:
            return True
        if not has_letters(" ".join(said), max(1, settings.min_chars)):
            return False
        if not self._over_reply:
            return True
        return len(said) >= settings.min_words and not self._is_backchannel()

    def _has_stop_word(self) -> bool:
        said, phrases = self._words, self._settings.stop_phrases
        return any(_phrase_length(said[at:], phrases) for at in range(len(said)))

    def _is_backchannel(self) -> bool:
        """Whether it has said backchannels and nothing else."""
        at = 0
        while at < len(self._said):
            length = _phrase_length(self._said[at:], self._settings.backchannel_phrases)
            if not length:
                return False
            at += length
        return bool(self._said)

    def _is_echo(self, chunk: AudioChunk) -> bool:
        is_echo = self._settings.is_echo
        echo = is_echo is not None and self._call("own_echo", partial(is_echo, chunk), False)
        self._echoed = self._echoed or echo
        return echo


def _phrase_length(said: list[str], phrases: Phrases) -> int:
    """The number of words of the longest phrase that these words begin with; 0 for none."""
    lengths = (len(phrase) for phrase in phrases if tuple(said[: len(phrase)]) == phrase)
    return max(lengths, default=0)
