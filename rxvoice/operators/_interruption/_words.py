"""Words, as far as an interruption cares: to cut a text at one, to compare what was said."""

from __future__ import annotations

import re

__all__ = ["up_to_word", "words"]

# Each character of a script without spaces is a word.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['’][^\W_{_CJK}]+)*")


def words(text: str) -> list[str]:
    """The words of a text without regard to case and punctuation."""
    return [re.sub("['’]", "", word) for word in _WORD.findall(text.casefold())]


def up_to_word(text: str, length: int) -> int:
    """Where the last word ends of those that end within the first `length` characters; 0: none."""
    ends = (found.end() for found in _WORD.finditer(text))
    return max((end for end in ends if end <= length), default=0)
