"""`RecordedAnswers`: what models would have answered, as far as a trace knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from rxvoice._pieces import News
from rxvoice.elements import TimedSamples
from rxvoice.trace._known import KnownAnswer, KnownAnswers, first_delay, last_delay
from rxvoice.trace._spoken_words import SpokenSpan, SpokenWords
from rxvoice.turn import Turn

__all__ = ["UNKNOWN", "RecordedAnswers"]

UNKNOWN = "no word of it is known"
"""The note on a turn that was none when it was recorded."""

_PIECE_MS = 100
"""Of made-up sound."""


class RecordedAnswers:
    """Looks answers up by what is asked: a text, or a span of sound.

    Args:
        known: what models are known to answer.
        ratio: samples of the pipe for a sample of the microphone.
        streams: whether the recogniser is asked once for each chunk.
        note: told what is not known, with the turn.
    """

    def __init__(
        self, known: KnownAnswers, ratio: float, *, streams: bool, note: Callable[[Turn, str], None]
    ) -> None:
        self._known = known
        self._words = SpokenWords(known, ratio)
        self._ratio = ratio
        self._streams = streams
        self._note = note
        self._steps = {
            (span.known.turn.start, it.samples): it
            for span in self._words.spans
            for it in known.by_stage["transcribe"]
            if it.turn == span.known.turn.id
        }

    def answer(
        self, stage: str, turn: Turn, text: str | None, time: float, samples: int
    ) -> KnownAnswer:
        """The answer, with its delays from now on.

        Args:
            time: seconds since the trace began.
            samples: of the microphone, delivered so far.
        """
        asked = KnownAnswer(stage, turn.id, text, time, samples)
        if stage == "transcribe":
            return self._step(asked, turn) if self._streams else self._transcribed(asked, turn)
        if text is not None:
            return self._spoken(asked, turn) if stage == "synthesize" else self._reply(asked, turn)
        found = self._known.nearest(stage, time)
        return asked if found is None else _answered(asked, found)

    def _transcribed(self, asked: KnownAnswer, turn: Turn) -> KnownAnswer:
        text, span = self._heard(turn, turn.start + len(turn.audio))
        usual = self._known.usual("transcribe", last_delay)
        if span is not None and text == span.text:
            return _answered(asked, span.asked)
        asked.pieces, asked.end = [(usual, text)] if text else [], usual
        return asked

    def _step(self, asked: KnownAnswer, turn: Turn) -> KnownAnswer:
        """One step of a recogniser that streams."""
        is_last = turn.ended_by is not None
        recorded = self._steps.get((turn.start, asked.samples))
        if recorded is not None and not is_last and not _is_last(recorded):
            return _answered(asked, recorded)
        if not is_last:
            text, _, _ = self._words.within(turn.start, round(asked.samples * self._ratio))
            delay = self._known.usual("transcribe", last_delay)
            news = News((text,) if text else (), replaces=bool(text))
        else:
            text, span = self._heard(turn, turn.start + len(turn.audio))
            finals = [it.asked for it in self._words.spans if it.asked.is_whole]
            delay = span.asked.end if span and span.asked.end else 0.0
            delay = delay or (sorted(it.end or 0.0 for it in finals) or [0.0])[len(finals) // 2]
            news = News((text,) if text else (), replaces=True, last=True)
        asked.pieces, asked.end = [(delay, news)], delay
        return asked

    def _heard(self, turn: Turn, end: int) -> tuple[str, SpokenSpan | None]:
        text, how, span = self._words.within(turn.start, end)
        if how == "joined" and span is not None:
            self._note(turn, "the words are those recorded within it")
        elif how == "unknown":
            self._note(turn, UNKNOWN)
        return text, span

    def _reply(self, asked: KnownAnswer, turn: Turn) -> KnownAnswer:
        found = self._known.same_text(asked.stage, asked.text or "", asked.time)
        if found is None:
            found = self._known.nearest(asked.stage, asked.time)
            if found is None:
                self._note(turn, "no reply is known")
                asked.end = 0.0
                return asked
            self._note(turn, f"the reply of turn {found.turn} stands in, for another text")
        if not found.is_whole and found.error is None:
            self._note(turn, "its reply is known as far as it had been written")
        return _answered(asked, found)

    def _spoken(self, asked: KnownAnswer, turn: Turn) -> KnownAnswer:
        text, known = asked.text or "", self._known
        found = known.same_text("synthesize", text, asked.time)
        if found is not None and (found.is_whole or found.error is not None):
            return _answered(asked, found)
        pieces = list(found.pieces) if found else []
        rate = known.voice_rate
        missing = len(text) * known.ms_per_char / 1000
        missing -= sum(len(timed.samples) / rate for _, (timed, rate) in pieces)
        delay = pieces[-1][0] if pieces else known.usual("synthesize", first_delay)
        if missing > 0:
            self._note(turn, "how long the voice speaks is estimated for a sentence")
            step = _PIECE_MS / 1000
            made = (np.zeros(round(rate * step), np.float32) for _ in range(round(missing / step)))
            # As soon as the sentence begins, all of it is there: a voice is faster than speech.
            pieces += [(delay, (TimedSamples(it), rate)) for it in made]
        asked.pieces, asked.end = pieces, delay
        return asked


def _answered(asked: KnownAnswer, found: KnownAnswer) -> KnownAnswer:
    """The same answer; of an answer that was cut short, as far as it came."""
    # A clock that stood still for a moment must not turn the order of the pieces.
    delays = list(accumulate((it for it, _ in found.pieces), max))
    end = found.end if found.end is not None else (delays[-1] if delays else 0.0)
    pieces: list[tuple[float, Any]] = [
        (delay, value) for delay, (_, value) in zip(delays, found.pieces, strict=True)
    ]
    return replace(asked, pieces=pieces, end=end, error=found.error)


def _is_last(asked: KnownAnswer) -> bool:
    return any(isinstance(it, News) and it.last for _, it in asked.pieces)
