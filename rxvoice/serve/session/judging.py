"""Speech and the end of a turn, judged by settings that may change at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

from reactivex import Observable, abc

from rxvoice._audio.samples import Samples
from rxvoice._check import method
from rxvoice.chunks import AudioChunk
from rxvoice.events import Event
from rxvoice.operators._detector import AnswersLater, answers_later
from rxvoice.serve.session.settings import TurnTaking
from rxvoice.slots import PolicySlot, VadSlot

CHUNK = 512
RATE = 16_000
PREFIX_MS = 2_000
"""The longest sound before the speech that a turn may have."""

_HYSTERESIS = 0.15
_DONE = (".", "?", "!", "…", "。", "？", "！")  # what ends a sentence
_UNFINISHED, _UNKNOWN = 0.4, 0.2
"""The part of the patience that is waited for the end of a sentence, and without any words."""

Taking = Callable[[], TurnTaking | None]


class Judge:
    """Says whether a chunk is speech; for `vad`. Where the client ends turns, everything is.

    Args:
        detector: gives a probability, or a bool.
        taking: the settings.
        on_speech: called for each chunk that is speech.

    Attributes:
        judged: how many samples were judged.
    """

    chunk_size = CHUNK
    sample_rate = RATE

    def __init__(self, detector: VadSlot, taking: Taking, on_speech: Callable[[], None]) -> None:
        self._detector = detector
        self._ask: Callable[[Samples], bool | float]
        self._ask = method(detector, "probability", "is_speech")
        self._taking = taking
        self._on_speech = on_speech
        self._speaking = False
        self.judged = 0
        self._highest = 0.0
        self._later: _JudgedLater | None = None

    def take_highest(self) -> float:
        """The highest probability since the last call."""
        highest, self._highest = self._highest, 0.0
        return highest

    def is_speech(self, samples: Samples, /) -> bool:
        """Whether the next chunk is speech."""
        if self.is_told:
            return self.decide(None)
        try:
            answer = self._ask(samples)
        except BaseException:
            self.judged += CHUNK  # `vad` takes it for what the chunk before was
            raise
        return self.decide(answer)

    def gathered(self, scheduler: abc.SchedulerBase | None) -> AnswersLater | None:
        """The same, some time later, if the detector gathers the chunks of many sessions."""
        later = answers_later(self._detector, scheduler)
        self._later = None if later is None else _JudgedLater(self, later)
        return self._later

    def settle(self) -> None:
        """Judge all chunks that came, now."""
        if self._later is not None:
            self._later.settle()

    @property
    def waiting(self) -> int:
        """How many samples wait to be judged."""
        return 0 if self._later is None else self._later.waiting

    @property
    def is_told(self) -> bool:
        """Whether the client says what a turn is."""
        return self._taking() is None

    def decide(self, answer: bool | float | None) -> bool:
        """What follows from the detector's answer; None: it was not asked."""
        taking = self._taking()
        self.judged += CHUNK
        if taking is None or answer is None:
            self._speaking = True
        else:
            probability = float(answer)
            self._highest = max(self._highest, probability)
            threshold = taking.threshold
            if self._speaking and not isinstance(answer, bool):
                threshold = max(0.01, threshold - _HYSTERESIS)
            self._speaking = probability >= threshold
        if self._speaking:
            self._on_speech()
        return self._speaking


class _JudgedLater:
    """A `Judge` whose detector answers later.

    Attributes:
        waiting: how many samples wait for an answer.
    """

    def __init__(self, judge: Judge, later: AnswersLater) -> None:
        self._judge = judge
        self._detector = later
        self.waiting = 0

    def ask(self, samples: Samples, take: Callable[[object], None], /) -> None:
        """Have `take` called with whether it is speech, or with an error."""
        if self._judge.is_told:
            take(self._judge.decide(None))
        else:
            self.waiting += CHUNK
            self._detector.ask(samples, partial(self._judged, take))

    def _judged(self, take: Callable[[object], None], answer: object) -> None:
        self.waiting -= CHUNK
        if isinstance(answer, BaseException):
            self._judge.judged += CHUNK  # `vad` takes it for what the chunk before was
            take(answer)
        else:
            take(self._judge.decide(cast("float", answer)))

    def settle(self) -> None:
        """Answer all that was asked, now."""
        self._detector.settle()

    def dispose(self) -> None:
        """Answer nothing more."""
        self._detector.dispose()


class TurnEnd:
    """Says whether the user has finished; a policy for `turn_window`.

    Args:
        taking: the settings.
        smart_turn: makes a policy that judges by a model, for a patience in milliseconds.

    Attributes:
        words: what the user has said so far.
    """

    sample_rate = RATE

    def __init__(
        self, taking: Taking, smart_turn: Callable[[int], PolicySlot] | None = None
    ) -> None:
        self._taking = taking
        self._make = smart_turn
        self._smart: tuple[int, Callable[[Samples, int], object]] | None = None
        self.words = ""

    def user_finished(self, audio: Samples, silence_ms: int, /) -> bool | Observable[bool]:
        """Whether the turn ends with this silence."""
        taking = self._taking()
        if taking is None:
            return False
        if taking.patience_ms is None:
            return silence_ms >= taking.silence_ms
        if self._make is not None:
            asked = self._smart_for(taking.patience_ms)(audio, silence_ms)
            return cast("bool | Observable[bool]", asked)
        if self.words.rstrip().endswith(_DONE):
            return silence_ms >= taking.silence_ms
        part = _UNFINISHED if self.words else _UNKNOWN
        return silence_ms >= max(taking.silence_ms, part * taking.patience_ms)

    def _smart_for(self, patience_ms: int) -> Callable[[Samples, int], object]:
        if self._smart is None or self._smart[0] != patience_ms:
            assert self._make is not None
            self._smart = patience_ms, method(self._make(patience_ms), "user_finished")
        return self._smart[1]


def with_prefix(taking: Taking) -> Callable[[AudioChunk | Event], AudioChunk | Event]:
    """Cut the sound before the speech to as much as the settings want."""

    def cut(chunk: AudioChunk | Event) -> AudioChunk | Event:
        if not isinstance(chunk, AudioChunk) or chunk.lead_in is None:
            return chunk
        now = taking()
        wanted = RATE * now.prefix_ms // 1000 if now else 0
        kept = chunk.lead_in[max(0, len(chunk.lead_in) - wanted) :]
        return replace(chunk, lead_in=kept)

    return cut
