"""What a recogniser answers beside a text, read from the results of several libraries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import cast

from rxvoice._answers.shapes import text
from rxvoice.elements import Recognised, Word, is_word

_WORD = ("word", "text")
_CONFIDENCE = ("confidence", "probability", "conf")


def recognised(piece: object) -> Recognised | str:
    """Read a piece of a recogniser's answer: a `Recognised`, or a str if it has only a text.

    Other fields of a library's result are read where they can mean one thing only; otherwise they
    are left out.

    Raises:
        TypeError: the piece has no text.
    """
    if isinstance(piece, Recognised | str):
        return text(piece) if isinstance(piece, str) else piece
    said = text(piece)
    segments = _items(_get(piece, "segments"))
    own = _items(_get(piece, "words", "result"))
    inner = [it for segment in segments for it in _items(_get(segment, "words"))]
    words = _words(own) or _words(inner) or _words(_joined_tokens(piece))
    words = words or _words(segments or [piece])  # a segment by itself has its times, too
    known = Recognised(
        said,
        words=words,
        language=_named(piece, segments, "language"),
        speaker=_named(piece, segments, "speaker"),
        confidence=_confidence(piece, segments),
    )
    return said if known == Recognised(said) else known


class Known:
    """What is known of an answer that comes in pieces.

    The words of all pieces are kept; of everything else, the last value that a piece had.
    """

    __slots__ = ("_last", "_pieces", "_words")

    def __init__(self) -> None:
        self._last: Recognised | None = None
        self._pieces = 0
        self._words: list[Word] = []

    def add(self, piece: Recognised) -> None:
        """Add a piece."""
        last, self._last = self._last, piece
        self._pieces += 1
        self._words.extend(piece.words)
        if last is not None:
            self._last = Recognised(
                piece.text,
                language=last.language if piece.language is None else piece.language,
                speaker=last.speaker if piece.speaker is None else piece.speaker,
                confidence=last.confidence if piece.confidence is None else piece.confidence,
            )

    def of(self, said: str) -> Recognised | None:
        """Return what is known of the whole text; a single piece with that text as it came."""
        last = self._last
        if last is None or (self._pieces == 1 and last.text.strip() == said):
            return last
        return replace(last, text=said, words=self._words)


def _get(value: object, *names: str) -> object:
    """Return the first of these keys or attributes that is there and not None."""
    for name in names:
        if isinstance(value, Mapping):
            found = cast("Mapping[object, object]", value).get(name)
        else:
            found = getattr(value, name, None)
        if found is not None:
            return found
    return None


def _items(value: object) -> list[object]:
    if isinstance(value, list | tuple):
        return list(cast("Iterable[object]", value))
    return []


def _words(given: list[object]) -> list[Word]:
    """Return the words whose times are known."""
    words = (_word(it) for it in given)
    return [word for word in words if word is not None]


def _word(given: object) -> Word | None:
    if isinstance(given, tuple):
        word = cast("Word", given)
        return word if is_word(word) else None
    said, start, end = _get(given, *_WORD), _number(given, "start"), _number(given, "end")
    if not isinstance(said, str) or not said.strip() or start is None or end is None:
        return None
    sure = _sure(given)
    word = (said.strip(), start, end) if sure is None else (said.strip(), start, end, sure)
    # A library that has no times gives 0 and 0.
    return word if end > start and is_word(word) else None


def _joined_tokens(piece: object) -> list[object]:
    """Return the words of a result of NVIDIA's models in mlx-audio, which splits them in parts."""
    words: list[object] = []
    sentences = _items(_get(piece, "sentences"))
    for token in (it for part in sentences for it in _items(_get(part, "tokens"))):
        said, start, end = _get(token, "text"), _number(token, "start"), _number(token, "end")
        if not isinstance(said, str) or start is None or end is None:
            continue
        if words and not said[:1].isspace():
            before, began, _ = cast("tuple[str, float, float]", words[-1])
            words[-1] = (before + said, began, end)
        elif said.strip():
            words.append((said.strip(), start, end))
    return words


def _named(piece: object, segments: list[object], name: str) -> str | None:
    """Return a name that the piece has itself, or that all of its segments share."""
    own = _get(piece, name)
    found = {own} if isinstance(own, str) else {str(_get(it, name) or "") for it in segments}
    only = found.pop() if len(found) == 1 else ""
    return only or None


def _confidence(piece: object, segments: list[object]) -> float | None:
    own = _sure(piece)
    if own is not None or not segments:
        return own
    parts = [_sure(it) for it in segments]
    known = [it for it in parts if it is not None]
    return sum(known) / len(known) if len(known) == len(parts) else None


def _sure(given: object) -> float | None:
    """Return a confidence from 0 to 1; a mean of logarithms is converted."""
    value = _number(given, *_CONFIDENCE)
    if value is None:
        log = _number(given, "avg_logprob")
        value = None if log is None else math.exp(min(log, 0.0))
    return value if value is not None and 0 <= value <= 1 else None


def _number(given: object, *names: str) -> float | None:
    value = _get(given, *names)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        value = item()  # a number of numpy or another array library
    number = isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
    return float(cast("float", value)) if number else None
