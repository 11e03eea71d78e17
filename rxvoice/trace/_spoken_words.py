"""`SpokenWords`: which words the user spoke at which sample, as far as a trace knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.chunks import AudioChunk
from rxvoice.elements import Recognised
from rxvoice.trace._known import KnownAnswer, KnownAnswers, text_after
from rxvoice.trace._outline import OutlineTurn
from rxvoice.turn import Turn

How: TypeAlias = Literal["recorded", "joined", "unknown"]
"""``"recorded"``: the whole of one recorded turn; ``"joined"``: words of several, or a part of one;
``"unknown"``: no word is known there."""


@dataclass(frozen=True, slots=True, eq=False)
class SpokenSpan:
    """A recorded turn that was transcribed.

    Args:
        known: the turn.
        text: what was recognised.
        words: each word and the sample at which it was spoken.
        asked: the recogniser's last answer.
    """

    known: OutlineTurn
    text: str
    words: tuple[tuple[str, int], ...]
    asked: KnownAnswer


class SpokenWords:
    """The words that the user spoke.

    Where the recogniser did not say when each word was, and did not stream, the words of a turn are
    spread evenly over its speech.

    Args:
        known: what the recogniser was asked.
    """

    def __init__(self, known: KnownAnswers, ratio: float) -> None:
        self._ratio = ratio
        by_turn: dict[int, list[KnownAnswer]] = {}
        for asked in known.by_stage["transcribe"]:
            by_turn.setdefault(asked.turn, []).append(asked)
        turns = {it.turn.id: it for it in known.turns}
        self.spans = [
            span
            for id, asked in by_turn.items()
            if id in turns and (span := self._span(turns[id], asked)) is not None
        ]

    def within(self, start: int, end: int) -> tuple[str, How, SpokenSpan | None]:
        """The text between two samples, how it is known, and the turn that most of it is of."""
        found = [
            (span, [word for word, at in span.words if start <= at < end]) for span in self.spans
        ]
        found = [(span, words) for span, words in found if words]
        if not found:
            return "", "unknown", None
        most, words = max(found, key=lambda it: len(it[1]))
        if len(found) == 1 and len(words) == len(most.words):
            return most.text, "recorded", most
        return " ".join(" ".join(words) for _, words in found), "joined", most

    def _span(self, known: OutlineTurn, asked: list[KnownAnswer]) -> SpokenSpan | None:
        text, grown = "", list[tuple[int, str]]()
        timed: tuple[tuple[str, int], ...] = ()
        for it in asked:
            pieces = [piece for _, piece in it.pieces]
            text = text_after(pieces, text)
            grown.append((round(it.samples * self._ratio), text))
            timed = next(_timed(pieces, known.turn), timed)
        text = text.strip()
        if not text:
            return None
        words = timed or (
            _growing(grown, text, known) if len(asked) > 1 else _spread(known.turn, text)
        )
        return SpokenSpan(known, text, words, asked[-1])


def _timed(pieces: list[object], turn: Turn) -> Iterator[tuple[tuple[str, int], ...]]:
    for piece in pieces:
        if isinstance(piece, Recognised) and piece.words:
            rate = turn.sample_rate
            yield tuple((it[0].strip(), turn.start + round(it[1] * rate)) for it in piece.words)


def _growing(
    grown: list[tuple[int, str]], text: str, known: OutlineTurn
) -> tuple[tuple[str, int], ...]:
    """A word was spoken just before the text had it, and no later than the user spoke."""
    words, last = text.split(), max(known.turn.start, known.speech[1] - 1)
    had = [(at, len(it.split())) for at, it in grown]
    spoken = sorted(next((at for at, count in had if count > n), last) for n in range(len(words)))
    return tuple(zip(words, (min(at - 1, last) for at in spoken), strict=True))


def _spread(turn: Turn, text: str) -> tuple[tuple[str, int], ...]:
    """The words, evenly over the chunks of speech."""
    chunks: list[int] = []

    def look(chunk: AudioChunk) -> None:
        if chunk.speech:
            chunks.append(chunk.start)

    turn.subscribe(look, lambda _: None).dispose()
    chunks = chunks or [turn.start]
    words = text.split()
    return tuple((it, chunks[n * len(chunks) // len(words)]) for n, it in enumerate(words))
