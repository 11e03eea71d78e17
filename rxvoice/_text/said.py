"""What a voice says for a stretch of a line, word by word, beside what was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import regex

from rxvoice._text.markdown import Part

_CLOSING: Final = ".,!?;:…。，！？；：、"
_WORDS: Final = re.compile(r"\s*\S+|\s+")
_EMOJI: Final = regex.compile(
    r"\p{RI}{2}|[0-9#*]\uFE0F?\u20E3"
    r"|(?:(?![©®™])\p{Extended_Pictographic}|[©®™]\uFE0F|\p{Emoji_Modifier})"
    r"(?:\p{Emoji_Modifier}|[\uFE0E\uFE0F\u200D\u20E3\U000E0020-\U000E007F]"
    r"|(?<=\u200D)\p{Extended_Pictographic})*"
)
_CELL: Final = regex.compile(r"\|")
_CELL_OR_EMOJI: Final = regex.compile(rf"\||{_EMOJI.pattern}")


@dataclass(frozen=True, slots=True)
class Line:
    """Where in a line the stretch stands.

    Args:
        row: whether the line is a row of a table.
        last: whether the stretch ends the line.
        goes_on: whether the stretch ends within a word.
        emoji: whether the voice says emoji.
    """

    row: bool = False
    last: bool = False
    goes_on: bool = False
    emoji: bool = False


def said(parts: list[Part], text: str, line: Line) -> list[tuple[str, str]]:
    """Pairs of what the voice says and what was written, one for each word of `text`.

    Markup belongs to the word after it; at the end of the text, to the word before.

    Args:
        parts: the parts of `text`, as `markdown.parse` finds them.
    """
    words: list[tuple[str, str]] = []
    cursor = 0
    for part in parts:
        for word, end in _words(part, text, line) if part.literal else [(part.said, part.end)]:
            if word:
                words.append((word, text[cursor:end]))
                cursor = end
    rest = text[cursor:]
    if not words:
        return [("", rest)]
    words[-1] = (words[-1][0], words[-1][1] + rest)
    return words if line.goes_on else _tidy(words, text)


def _words(part: Part, text: str, line: Line) -> Iterator[tuple[str, int]]:
    """The words of plain text and their ends. A border between table cells becomes a comma."""
    cursor = 0
    for found in _unsaid(part.said, line):
        yield from _plain(part, cursor, found.start())
        cursor = found.end()
        if found.group() == "|":
            end = part.start + cursor
            spaced = text[end : end + 1].isspace() or end == len(text)
            yield "" if line.last and end == len(text) else "," if spaced else ", ", end
    yield from _plain(part, cursor, len(part.said))


def _plain(part: Part, start: int, end: int) -> Iterator[tuple[str, int]]:
    for found in _WORDS.finditer(part.said, start, end):
        yield found.group(), part.start + found.end()


def _unsaid(text: str, line: Line) -> Iterator[regex.Match[str]]:
    if line.emoji:
        return _CELL.finditer(text) if line.row else iter(())
    return (_CELL_OR_EMOJI if line.row else _EMOJI).finditer(text)


def _tidy(words: list[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    """Drop the space before text that the voice does not say."""
    whole = "".join(word for word, _ in words)
    visible = whole.strip()
    if not visible and "\n" not in whole:
        return [("", text)]
    if visible and visible[0] in _CLOSING and visible[0] != text.strip()[0]:
        words[0] = (words[0][0].lstrip(), words[0][1])
    return words
