"""`KnownAnswers`: what the models of a trace were asked, and what they answered when."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rxvoice._pieces import News
from rxvoice.elements import Recognised
from rxvoice.errors import ConfigError
from rxvoice.trace._codec import decoded, error_of
from rxvoice.trace._kept_sound import KeptSound
from rxvoice.trace._outline import OutlineTurn
from rxvoice.trace._reading import Trace

__all__ = ["KnownAnswer", "KnownAnswers"]

_VOICE_MS_PER_CHAR = 65
"""How long a voice speaks, where the trace has none that has."""


@dataclass(slots=True, eq=False)
class KnownAnswer:
    """What a model was asked, and its answer. Times are seconds, delays count from the asking.

    Args:
        stage: which model.
        turn: the number of the turn.
        text: the question, where it was a text.
        time: when it was asked.
        samples: of the first source, delivered before.
    """

    stage: str
    turn: int
    text: str | None
    time: float
    samples: int
    pieces: list[tuple[float, Any]] = field(default_factory=list[tuple[float, Any]])
    end: float | None = None
    error: BaseException | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the model came to the end of its answer."""
        return self.end is not None and self.error is None


class KnownAnswers:
    """What models are known to answer.

    Args:
        trace: where it is known from.
        turns: the turns as they were.
    """

    def __init__(self, trace: Trace, turns: Iterable[OutlineTurn]) -> None:
        self.turns = list(turns)
        self.sounds = KeptSound(trace)
        self.by_stage: dict[str, list[KnownAnswer]] = defaultdict(list)
        asked: dict[int, KnownAnswer] = {}
        for line in trace.of("ask", "piece", "end", "fail"):
            number = line.count("id")
            if line.kind == "ask":
                text = line.fields.get("input")
                asked[number] = it = KnownAnswer(
                    line.text("stage"),
                    line.fields.get("turn", 0),
                    text if isinstance(text, str) else None,
                    line.at,
                    line.samples,
                )
                self.by_stage[it.stage].append(it)
            elif (it := asked.get(number)) is not None:
                delay = line.at - it.time
                if line.kind == "piece":
                    it.pieces.append((delay, self._value(line.fields.get("v"))))
                else:
                    it.end = delay
                    if line.kind == "fail":
                        it.error = error_of(line.table("error"))

    def _value(self, value: Any) -> Any:
        try:
            return decoded(value, self.sounds)
        except ConfigError:
            return None

    def same_text(self, stage: str, text: str, time: float) -> KnownAnswer | None:
        """What was asked with this text; a whole answer before others, then the nearest in time."""
        found = [it for it in self.by_stage[stage] if it.text == text and it.error is None]
        found = found or [it for it in self.by_stage[stage] if it.text == text]
        return min(found, key=lambda it: (not it.is_whole, abs(it.time - time)), default=None)

    def nearest(self, stage: str, time: float) -> KnownAnswer | None:
        """What was asked at about this time."""
        found = [it for it in self.by_stage[stage] if it.pieces]
        return min(found, key=lambda it: (not it.is_whole, abs(it.time - time)), default=None)

    def usual(self, stage: str, of: Callable[[KnownAnswer], float | None]) -> float:
        """The median of something over all answers; 0 if there are none."""
        found = [it for each in self.by_stage[stage] if (it := of(each)) is not None]
        return statistics.median(found) if found else 0.0

    @cached_property
    def ms_per_char(self) -> float:
        """How long the voice speaks, for a character."""
        spoken = [
            1000 * sum(len(timed.samples) / rate for _, (timed, rate) in it.pieces) / len(it.text)
            for it in self.by_stage["synthesize"]
            if it.is_whole and it.text and it.pieces
        ]
        return statistics.median(spoken) if spoken else _VOICE_MS_PER_CHAR

    @cached_property
    def voice_rate(self) -> int:
        """Hz, of the voice."""
        rates = [rate for it in self.by_stage["synthesize"] for _, (_, rate) in it.pieces]
        return rates[0] if rates else 24_000


def first_delay(asked: KnownAnswer) -> float | None:
    """Until the first piece."""
    return asked.pieces[0][0] if asked.pieces else None


def last_delay(asked: KnownAnswer) -> float | None:
    """Until the end, of a whole answer."""
    return asked.end if asked.is_whole else None


def text_after(pieces: Iterable[Any], before: str) -> str:
    """The text of a recogniser after more pieces of its answer."""
    for piece in pieces:
        if isinstance(piece, News):
            new = "".join(_plain(it) for it in piece.pieces)
            before = new if piece.replaces else before + new
        else:
            before += _plain(piece)
    return before


def _plain(piece: object) -> str:
    if isinstance(piece, Recognised):
        return piece.text
    return piece if isinstance(piece, str) else ""
