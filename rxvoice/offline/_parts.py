"""Long texts cut into parts that a synthesizer speaks in one call."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rxvoice._text.words import up_to_grapheme, up_to_word

__all__ = ["parts"]

_MAX_CHARS = 240
"""Characters in a part: about 15 s of speech."""

_CUTS = (r"[.!?]\s|[\n。！？।။]", r"[,;:]\s|[、，]", r"\s")
"""Where a longer text is cut: after a sentence, else a clause, else a word."""


def parts(text: str) -> Iterator[str]:
    """The text in parts that can be spoken at once, cut where it is heard least."""
    rest = text.strip().replace("\0", " ")
    while len(rest) > _MAX_CHARS:
        head = rest[:_MAX_CHARS]
        ends = (max((found.end() for found in re.finditer(at, head)), default=0) for at in _CUTS)
        cut = next((end for end in ends if end), 0) or _between(rest)
        yield rest[:cut].strip()
        rest = rest[cut:].strip()
    if rest:
        yield rest


def _between(text: str) -> int:
    """Where to cut what has no spaces: at a word, else between two characters."""
    near = text[: 2 * _MAX_CHARS]
    return up_to_word(near, _MAX_CHARS) or up_to_grapheme(near, _MAX_CHARS) or _MAX_CHARS
