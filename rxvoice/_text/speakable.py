"""`Speakable`: text as a model writes it becomes text as a voice should say it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import groupby
from typing import Final, TypeAlias

from rxvoice._text.markdown import parse
from rxvoice._text.said import Line, said
from rxvoice._text.words import is_unspaced

_LONGEST: Final = 200
"""Characters that a mark may hold back until it is closed."""

_LONGEST_WORD: Final = 2_000  # mostly an address
_MARKERS: Final = frozenset(" \t>*+-#=|:_~`$\\[].)0123456789•‣▪◦")  # may begin a block
_CJK_MARKS: Final = "\u3001-\u3011\u3014-\u301f\uff01-\uff0f\uff1a-\uff20"
_CJK_MARK: Final = re.compile(f"[{_CJK_MARKS}]")
_SIMPLE: Final = re.compile(rf"[^\W\d_]|[ \t{_CJK_MARKS}]")
_MANY: Final = 16  # below that many characters, a search for plain words does not pay
_AT_ONCE: Final = 1_000
_PLAIN: Final = re.compile(  # words that a voice says as they are written
    rf"(?:(?:[^\W_]|[,.;?'’\"()%+=/{_CJK_MARKS}-])*[ \t]+)+"
)
_ADDRESSES: Final = frozenset(("h", "ht", "htt", "http", "https", "w", "ww", "www"))
_LAST_WORD: Final = re.compile(r"[A-Za-z]*$")
_PREFIX: Final = re.compile(
    r"(?:[ \t]*(?:>(?!=)|[-*+•‣▪◦](?=[ \t])(?:[ \t]+\[ \](?=[ \t]))?"
    r"|#{2,6}(?!#)|#(?=[ \t])))*[ \t]*"
)
_FENCE: Final = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})")
_NO_TEXT: Final = re.compile(  # a rule, the line under a heading, a table's second row, and so on
    r"[ \t>]*(?:([-*_])(?:[ \t]*\1){2,}|=+|-+|[*+•‣▪◦]|\|?[ \t:|]*-[ \t:|-]*"
    r"|\$\$|\\[\[\]]|#+)[ \t]*"
)
_BOX: Final = re.compile(r"[ \t]*\[[ xX]\]")
_DEFINITION: Final = re.compile(r"\[[^\]^\[]+\]:[ \t]*(\S*)")
_ADDRESS: Final = re.compile(r"<|https?:|www\.|[/#]|mailto:")
_NOTE: Final = re.compile(r"\[\^[^\]\s]+\]:")


class Speakable:
    """Takes a text in pieces and returns what a voice should say as soon as it is certain.

    The result does not depend on how the text was cut into pieces. See `speakable`.
    """

    def __init__(self, *, code: str = "", emoji: bool = False) -> None:
        self._code = code
        self._emoji = emoji
        self._ready: list[tuple[str, str]] = []
        self._held = ""  # the text that is not certain
        self._before = "\n"  # the character before it
        # Functions, since bound methods would be cycles: garbage that is not freed at once.
        self._mode: _Mode = Speakable._line_begins
        self._then: _Mode = Speakable._line_begins
        self._simple = True  # whether the held text has no mark
        self._closers = ""  # what may close a mark that is open in the held text
        self._closed = False  # whether one of them has come
        self._first = True  # whether the held text begins the line
        self._row = False  # whether the line is a row of a table
        self._heading = False
        self._new_line = True  # whether nothing of the line has been said
        self._fence = ""  # the fence that closes the code in progress
        self._until = ""  # the mark that ends the text that is not for people

    def feed(self, text: str) -> list[tuple[str, str]]:
        """Take the next piece. Returns pairs of what is said and was written, as far as certain."""
        at = 0
        while at < len(text):
            if end := self._plain_end(text, at):
                self._held += text[at:end]
                self._release()
                at = end
            else:
                self._mode(self, text[at])
                at += 1
        return self._take_ready()

    def flush(self) -> list[tuple[str, str]]:
        """Return the rest of the text so far, as if it ended here. It may go on."""
        if self._held and self._mode is Speakable._line_begins and not self._drop_empty_line():
            self._begin_line()
        if self._mode is Speakable._in_line:
            self._release(force=True, last=True)
        self._give("", self._take())
        return self._take_ready()

    def _plain_end(self, text: str, at: int) -> int:
        """The end of the run of words without marks that begins here; 0 if there is none."""
        in_words = self._mode is Speakable._in_line and self._simple and text[at] in " \t"
        if not in_words or len(text) - at < _MANY:
            return 0
        run = _PLAIN.match(text, at, at + _AT_ONCE)
        end = at + len(run.group().rstrip(" \t")) if run else at
        is_plain = end > at and "www." not in (self._held + text[at:end]).lower()
        return end if is_plain else 0

    # Each of these takes the next character, by where it stands.

    def _line_begins(self, char: str) -> None:
        if char == "\n":
            if self._begin_code():
                return
            if not self._drop_empty_line():
                self._begin_line()
                self._release(force=True, last=True)
            self._end_line()
        elif char in _MARKERS and len(self._held) < _LONGEST:
            self._held += char
        elif _FENCE.fullmatch(self._held):
            self._held += char
            self._mode = Speakable._in_info
        else:
            self._begin_line()
            self._in_line(char)

    def _in_info(self, char: str) -> None:
        """After a fence: the name of a language, unless the code is within the line."""
        if char == "\n":
            self._begin_code()
            return
        self._held += char
        if len(self._held) > _LONGEST or (char == "`" and "~" not in self._held):
            self._mode, self._simple, self._first = Speakable._in_line, False, False

    def _in_code(self, char: str) -> None:
        self._held += char
        if char == "\n":
            line = self._held.strip(" \t\n>")
            self._give("", self._take())
            if line.startswith(self._fence) and not line.strip(self._fence[0]):
                self._mode = Speakable._line_begins
        elif len(self._held) > _LONGEST:
            self._skip_line(Speakable._in_code)

    def _in_hidden(self, char: str) -> None:
        self._held += char
        if char == ">" and self._held[-len(self._until) :].lower() == self._until:
            self._give("", self._take())
            self._mode = Speakable._in_line
        elif len(self._held) > _LONGEST:
            tail = self._take()
            self._give("", tail[: -len(self._until)])
            self._held = tail[-len(self._until) :]

    def _skip_line(self, then: _Mode) -> None:
        """Say nothing of the rest of the line."""
        self._then, self._mode = then, Speakable._in_skipped

    def _in_skipped(self, char: str) -> None:
        self._held += char
        if char == "\n":
            self._mode, self._before = self._then, "\n"
        if char == "\n" or len(self._held) > _LONGEST:
            self._give("", self._take())

    def _in_line(self, char: str) -> None:
        if char == "\n":
            self._release(force=True, last=True)
            if self._mode is Speakable._in_line:
                self._end_line()
            else:
                self._mode(self, char)
            return
        simple = _SIMPLE.match(char) is not None
        if self._held.strip(" \t") and self._may_end(char, simple):
            space = char in " \t"
            long = len(self._held) >= (_LONGEST if space else _LONGEST_WORD)
            if not self._closers or self._closed or long:
                self._release(force=long, after="" if space else char)
            if self._mode is not Speakable._in_line:
                self._mode(self, char)
                return
        self._held += char
        self._closed = self._closed or char in self._closers
        self._simple = self._simple and (simple or unicodedata.category(char)[0] == "M")

    def _may_end(self, char: str, simple: bool) -> bool:
        """Whether the held text may be certain, now that this character comes."""
        if char in " \t" or len(self._held) >= _LONGEST_WORD:
            return True
        if not self._simple:
            return simple and is_unspaced(char)
        if not simple:
            return _ends_word(self._held[-1]) and unicodedata.category(char)[0] not in "MC"
        last = _LAST_WORD.search(self._held)
        word = last.group().lower() if last else ""
        begins = word != self._held.lower() or not self._before.isalnum()
        return simple and not (begins and word in _ADDRESSES)

    # Lines.

    def _begin_line(self) -> None:
        """Begin a line with text. The marks of its block, which are held, are not said."""
        prefix = _PREFIX.match(self._held)
        end = prefix.end() if prefix else 0
        self._row = self._held.startswith("|", end)
        marks, self._held = self._held[: end + self._row], self._held[end + self._row :]
        self._heading = "#" in marks
        self._give("", marks)
        self._mode, self._first = Speakable._in_line, True
        self._simple = all(_SIMPLE.match(char) for char in self._held)

    def _end_line(self) -> None:
        self._give("\n", self._take() + "\n")
        self._mode, self._before, self._row = Speakable._line_begins, "\n", False

    def _drop_empty_line(self) -> bool:
        """Drop the line if it has nothing to say. Returns whether it was dropped."""
        if not self._held or not _NO_TEXT.fullmatch(self._held):
            return False
        self._give("", self._take())
        return True

    def _begin_code(self) -> bool:
        fence = _FENCE.match(self._held)
        if fence is None:
            return False
        self._fence = fence.group(1)
        self._give(f"{self._code}\n" if self._code else "", self._take() + "\n")
        self._mode = Speakable._in_code
        return True

    # These hand over what is certain.

    def _release(self, *, force: bool = False, after: str = "", last: bool = False) -> None:
        """Hand over the held text, if it is certain or `force` is set.

        Args:
            after: the character that comes next.
            last: whether the line ends here.
        """
        if self._simple:
            self._give_verbatim(self._take())
            return
        held, first = self._held, self._first
        unsaid = _NOTE.fullmatch(held) or _BOX.fullmatch(held) if first else None
        if unsaid or (self._heading and last and not held.strip("# \t")):
            self._give("", self._take())
            return
        if first and (found := _DEFINITION.match(held)) and not force:
            if _ADDRESS.match(found.group(1)):
                self._skip_line(Speakable._line_begins)
                return
            if not found.group(1):
                return
        shift = len(self._before)
        parts, closers = parse(self._before + held + ("\n" if last else after))
        self._closers, self._closed = closers, False
        if closers and not force:
            return
        parts = [part.moved(-shift, len(held)) for part in parts if part.end > shift]
        hides = next((part for part in parts if part.hides), None)
        if hides:
            parts, held = [part for part in parts if part.end <= hides.start], held[: hides.start]
        line = Line(row=self._row, last=last, goes_on=bool(after or hides), emoji=self._emoji)
        rest = self._take()[len(held) :]
        for say, wrote in said(parts, held, line):
            self._give(say, wrote)
        if hides:
            self._until, self._mode = hides.hides, Speakable._in_hidden
            for char in rest:
                self._mode(self, char)

    def _take(self) -> str:
        held, self._held = self._held, ""
        if held:
            self._before, self._first = held[-1], self._first and not held.strip()
        self._simple, self._closers, self._closed = True, "", False
        return held

    def _give_verbatim(self, text: str) -> None:
        self._give(text, text)

    def _give(self, say: str, wrote: str) -> None:
        if self._new_line:
            say = say.lstrip(" \t")
        if say or wrote:
            self._new_line = say.endswith("\n") if say else self._new_line
            self._ready.append((say, wrote))

    def _take_ready(self) -> list[tuple[str, str]]:
        """Return what is ready, with runs of equal text, and of text that is not said, joined."""
        ready, self._ready = self._ready, []
        pieces: list[tuple[str, str]] = []
        for kind, run in groupby(ready, lambda it: "same" if it[0] == it[1] else it[0] and "other"):
            if kind == "other":
                pieces.extend(run)
            else:
                wrote = "".join(wrote for _, wrote in run)
                pieces.append((wrote if kind else "", wrote))
        return pieces


_Mode: TypeAlias = Callable[[Speakable, str], None]
"""Takes the next character, by where it stands."""


def _ends_word(char: str) -> bool:
    """Whether the character ends a word, unless a combining character follows."""
    return is_unspaced(char) or _CJK_MARK.match(char) is not None
