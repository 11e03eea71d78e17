"""The words on which two decodes of a growing recording agree."""

from __future__ import annotations

from itertools import takewhile

__all__ = ["Agreement"]


class Agreement:
    """Partial texts that do not flicker: a word is told once two decodes in a row have it.

    The method is known as LocalAgreement. What was told once is told again, whatever the next
    decodes make of it; the final text comes from elsewhere.
    """

    def __init__(self) -> None:
        self._last: list[str] = []
        self._agreed: list[str] = []

    @property
    def any(self) -> bool:
        """Whether there are any words yet."""
        return bool(self._agreed)

    def take(self, text: str) -> str | None:
        """All words agreed so far where this decode agrees to more, else None."""
        words = text.split()
        pairs = zip(self._last, words, strict=False)
        count = sum(1 for _ in takewhile(lambda it: _bare(it[0]) == _bare(it[1]), pairs))
        self._last = words
        if count <= len(self._agreed):
            return None
        self._agreed = words[:count]
        return " ".join(self._agreed)


def _bare(word: str) -> str:
    """The word without its punctuation and capitals, which change as the sentence goes on."""
    return "".join(filter(str.isalnum, word)).casefold()
