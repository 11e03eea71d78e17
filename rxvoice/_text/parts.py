"""Long texts cut into parts that a synthesizer speaks in one call."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rxvoice._text.sentence_ends import ends_sentence
from rxvoice._text.words import up_to_grapheme, up_to_word

__all__ = ["parts"]

_MAX_CHARS = 240
"""Characters in a part: about 15 s of speech."""

_LEAST_CHARS = 20
"""A clause that is spoken alone has this many characters at least: shorter ones sound chopped."""

_CUTS = (r"[.!?]\s|[\n。！？।။]", r"[,;:]\s|[、，]", r"\s")
"""Where a longer text is cut: after a sentence, else a clause, else a word."""

_CLAUSE = re.compile(f"{_CUTS[0]}|{_CUTS[1]}|[—–]\\s")


def parts(text: str, *, clause: int | None = None) -> Iterator[str]:
    """The text in parts that can be spoken at once, cut where it is heard least.

    Args:
        clause: cut what is longer than this, in characters, if a sentence or a clause ends in it;
            None for parts that are as long as they may be.
    """
    rest = text.strip().replace("\0", " ")
    while rest:
        cut = _cut(rest, clause)
        yield rest[:cut].strip()
        rest = rest[cut:].strip()


def _cut(rest: str, clause: int | None) -> int:
    """Where the first part ends."""
    if clause is not None and len(rest) > clause:
        within = range(_LEAST_CHARS, len(rest) - _LEAST_CHARS + 1)
        ends = [
            found.end()
            for found in _CLAUSE.finditer(rest[:_MAX_CHARS])
            if found.end() in within and not _is_inside(rest, found.end())
        ]
        if ends:
            return max((end for end in ends if end <= clause), default=min(ends))
    if len(rest) <= _MAX_CHARS:
        return len(rest)
    head = rest[:_MAX_CHARS]
    ends = (max((found.end() for found in re.finditer(at, head)), default=0) for at in _CUTS)
    return next((end for end in ends if end), 0) or _between(rest)


def _is_inside(text: str, end: int) -> bool:
    """Whether the mark before that index is of an abbreviation, such as "Mr. "."""
    before = text[:end].rstrip()
    return before.endswith(".") and ends_sentence(before, text[end], uncased=False) is False


def _between(text: str) -> int:
    """Where to cut what has no spaces: at a word, else between two characters."""
    near = text[: 2 * _MAX_CHARS]
    return up_to_word(near, _MAX_CHARS) or up_to_grapheme(near, _MAX_CHARS) or _MAX_CHARS
