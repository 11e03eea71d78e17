"""Takes a model's thoughts out of its text."""

from __future__ import annotations

import re

from rxvoice._text.unicode import Joined

_OPEN = ("<think>", "<thinking>", "<thought>", "<reasoning>", "[think]")
_CLOSE = ("</think>", "</thinking>", "</thought>", "</reasoning>", "[/think]")


def _any_of(marks: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, marks)), re.IGNORECASE | re.ASCII)


_MARK = _any_of(_OPEN + _CLOSE)
_END = _any_of(_CLOSE)
_LONGEST = max(map(len, _CLOSE))


class Said:
    """The part to say of one stretch of a reply, piece by piece.

    Thoughts and their marks are left out, and so is white space before the first word. A mark that
    comes in several pieces is held back until it is complete.

    Attributes:
        is_thinking: whether a thought has begun and not ended.
        has_lost_mark: whether a thought ended that had not begun. All text before its end may have
            been a thought.
    """

    def __init__(self) -> None:
        self.is_thinking = False
        self.has_lost_mark = False
        self._joined = Joined()
        self._held = ""
        self._has_begun = False

    def feed(self, piece: str) -> str:
        """The part to say of the next piece and of what was held back."""
        return self._begun(self._parted(self._held + self._joined.feed(piece)))

    def end(self) -> str:
        """The part to say of what was held back, after the last piece."""
        rest = self._parted(self._held + self._joined.end()) + self._held
        self._held = ""
        return self._begun("" if self.is_thinking else rest)

    def _parted(self, text: str) -> str:
        said = ""
        while found := (_END if self.is_thinking else _MARK).search(text):
            if not self.is_thinking:
                said += text[: found.start()]
            is_end = found[0].lower() in _CLOSE
            self.has_lost_mark |= is_end and not self.is_thinking
            self.is_thinking = not is_end
            text = text[found.end() :]
        self._held = _beginning(text, _CLOSE if self.is_thinking else _OPEN + _CLOSE)
        return said if self.is_thinking else said + text[: len(text) - len(self._held)]

    def _begun(self, said: str) -> str:
        if not self._has_begun:
            said = said.lstrip()
            self._has_begun = bool(said)
        return said


def _beginning(text: str, marks: tuple[str, ...]) -> str:
    """The end of the text in which a mark may have begun; "" for none."""
    for at in range(max(0, len(text) - _LONGEST + 1), len(text)):
        if text[at] in "<[" and any(mark.startswith(text[at:].lower()) for mark in marks):
            return text[at:]
    return ""
