"""`Answers`: follows what the models were asked, and puts it into the turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from rxvoice.trace._reading import TraceLine, is_count
from rxvoice.trace._story import StoryAnswer, StorySentence, StoryTurn
from rxvoice.trace._text import text_of


@dataclass(slots=True)
class _Open:
    """An answer in progress: what takes its pieces, and what takes its end."""

    piece: Callable[[float, Any], None]
    end: Callable[[float, str | None], None]


class Answers:
    """Follows the lines of models: ask, piece, end and fail."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}

    def ask(self, line: TraceLine, turn: StoryTurn | None) -> None:
        """A model is asked."""
        if turn is None:
            return
        stage = line.text("stage")
        if stage == "synthesize":
            self._open[line.count("id")] = _sentence(turn, line)
        elif stage == "answer":
            self._open[line.count("id")] = _both(_answer(turn.model, line), _sentence(turn, line))
        elif stage == "transcribe":
            self._open[line.count("id")] = _answer(turn.recogniser, line)
        else:
            self._open[line.count("id")] = _answer(turn.model, line)

    def take(self, line: TraceLine) -> None:
        """A piece, or the end."""
        asked = self._open.get(line.count("id"))
        if asked is None:
            return
        if line.kind == "piece":
            asked.piece(line.at, line.fields.get("v"))
            return
        error = line.table("error")
        why = f"{error.get('type')}: {error.get('message')}" if error else None
        asked.end(line.at, why)
        del self._open[line.count("id")]


def _answer(answers: list[StoryAnswer], line: TraceLine) -> _Open:
    answer = StoryAnswer(line.at)
    answers.append(answer)

    def end(at: float, why: str | None) -> None:
        answer.end, answer.failed = at, why

    return _Open(lambda at, _: answer.pieces.append(at), end)


def _sentence(turn: StoryTurn, line: TraceLine) -> _Open:
    sentence = StorySentence(text_of(line.fields.get("input")), line.at)

    def piece(at: float, value: Any) -> None:
        if not isinstance(value, dict):
            return
        known = cast("Mapping[str, Any]", value)
        count, rate = known.get("n"), known.get("rate")
        if is_count(count) and is_count(rate) and count and rate:
            sentence.first = at if sentence.first is None else sentence.first
            sentence.seconds += count / rate

    def end(at: float, why: str | None) -> None:
        sentence.end, sentence.failed = at, why

    turn.sentences.append(sentence)
    return _Open(piece, end)


def _both(first: _Open, second: _Open) -> _Open:
    def piece(at: float, value: Any) -> None:
        first.piece(at, value)
        second.piece(at, value)

    def end(at: float, why: str | None) -> None:
        first.end(at, why)
        second.end(at, why)

    return _Open(piece, end)
