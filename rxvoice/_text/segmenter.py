"""Text that arrives in pieces, cut into sentences as soon as each one is certain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from unicodedata import normalize

from rxvoice._text.marks import (
    ALIKE,
    BRACKETS,
    CLOSERS,
    EITHER,
    HARD,
    JOINERS,
    MARKS,
    NEWLINES,
    PAIRS,
    UNMARKED,
)
from rxvoice._text.sentence_ends import begins_sentence, ends_sentence, is_cjk
from rxvoice._text.words import up_to_grapheme, up_to_word
from rxvoice.errors import ConfigError

_CLAUSE: Final = re.compile(rf"([,;:،؛፣፤၊՝][{re.escape(CLOSERS)}]{{0,2}}|\s[–—])$")
_CJK_CLAUSE: Final = re.compile(rf"[，；：、][{re.escape(BRACKETS)}]{{0,2}}$")

_TELLING: Final = "".join({*MARKS, *NEWLINES, *PAIRS, *PAIRS.values()})
# Neither ends a sentence nor opens or closes a quotation.
_PLAIN: Final = re.compile(f"[^{re.escape(_TELLING)}]+")
_SPACE: Final = re.compile(r"\s+")
_NEWLINE: Final = re.compile(f"[{NEWLINES}]")
_BREAKS: Final = "，；：、،؛፣፤၊՝,;:–—"
_MOST: Final = 1_000  # characters of a sentence
_REST: Final = 30
_LOOK_BACK: Final = 48  # characters before a mark that can bear on it


def _text(chars: list[str]) -> str:
    return "".join(chars)


def _break(chars: list[str]) -> int:
    """Where to cut characters that go on: the end of a clause or word, or of a character as seen.

    The last such end, but the last one may go on; clauses and words of the second half only.
    """
    most, least = len(chars) - 1, len(chars) // 2
    for end in range(most, least, -1):
        if chars[end].isspace() or chars[end - 1] in _BREAKS:
            return end
    text = _text(chars)
    end = up_to_word(text, most)
    return end if end > least else up_to_grapheme(text, most) or max(most, 1)


class Segmenter:
    """Cuts text that arrives in pieces into sentences.

    The same sentences come out however the text was cut into pieces, and nothing but white space
    is lost. A sentence is handed over with the first character that makes it certain: the one
    after the white space that follows a full stop, the one after a CJK mark, a newline at once.
    Thai and Lao mark no end: there a space ends a sentence of 30 characters or more.
    Only after an abbreviation that may end a sentence ("U.S.", "p.m.", "Inc.") is the next word
    awaited. Marks and bullets without a letter or digit join the sentence that follows; at the end
    of the text, `flush` gives them alone.

    In doubt a sentence goes on: one too long is still spoken right, one cut in the middle is not.
    But none is longer than `max_chars`: it is cut there, at the last white space, comma or end of a
    word of its second half where it has one. Each character costs the same however long the text.
    Not thread-safe; runs where it is called.

    Args:
        first_clause_chars: the first piece of a text may end at a clause boundary (comma,
            semicolon, colon, spaced dash) that at least this many characters precede, to be spoken
            sooner. None: off.
        max_chars: the longest sentence, in characters, at least 1.

    Raises:
        ConfigError: `first_clause_chars` or `max_chars` is not a whole number of at least 1
            character.
    """

    def __init__(self, *, first_clause_chars: int | None = None, max_chars: int = _MOST) -> None:
        least = first_clause_chars
        if least is not None and (type(least) is not int or least < 1):
            raise ConfigError(
                f"first_clause_chars must be a whole number of at least 1 character, got {least!r};"
                " None cuts at sentence ends only"
            )
        if type(max_chars) is not int or max_chars < 1:
            raise ConfigError(
                f"max_chars must be a whole number of at least 1 character, got {max_chars!r}"
            )
        self._least = least
        self._most = max_chars
        self._reset()

    def _reset(self) -> None:
        self._ready: list[str] = []
        self._held: list[str] = []
        self._first = ""  # first letter or digit of the sentence
        self._closer = ""  # what would close the quotation in progress
        self._end = 0  # where the sentence ends if the last mark ends it; 0: no mark to judge
        self._hard = False  # that mark ends it whatever follows
        self._word = 0  # where the awaited next word begins; 0: none is awaited
        self._begins: Callable[[str], bool] = begins_sentence
        self._spoke = False  # something of this text was handed over

    def feed(self, delta: str) -> list[str]:
        """Takes the next piece of the text; gives the sentences that it made certain.

        Each is stripped and none is empty; white space within is as it came.
        """
        return list(self.cut(delta))

    def cut(self, delta: str) -> Iterator[str]:
        """As `feed`, one sentence at a time: the text after it is read when the next is asked for.

        To be iterated to its end before the next piece.
        """
        at = 0
        while at < len(delta):
            plain = self._plain(delta, at)
            if plain == at:
                self._step(delta[at])
                plain += 1
            at = plain
            if len(self._held) >= self._most:
                self._cut_short()
            if self._ready:
                ready, self._ready = self._ready, []
                yield from ready

    def flush(self) -> list[str]:
        """Ends the text; gives what is left of it, if anything, and starts afresh."""
        self._step("\n")
        self._emit(len(self._held))
        ready = self._ready
        self._reset()
        return ready

    def _plain(self, delta: str, at: int) -> int:
        """Takes what neither ends a sentence nor tells whether one has ended; gives its end."""
        if not self._held and (space := _SPACE.match(delta, at)):
            if _NEWLINE.search(delta, at, space.end()):
                self._closer = ""
            return space.end()
        if self._word or self._end or (self._least and not self._spoke):
            return at
        found = _PLAIN.match(delta, at, at + self._most - len(self._held))
        if found is None:
            return at
        plain = found.group()
        self._held.extend(plain)
        if not self._first:
            self._first = next(filter(str.isalnum, plain), "")
        return found.end()

    def _cut_short(self) -> None:
        """Hands over a sentence that is as long as one may be."""
        self._emit(self._end or _break(self._held))
        self._end = self._word = 0
        if _text(self._held).isspace():
            self._held.clear()
        self._first = next(filter(str.isalnum, self._held), "")

    def _step(self, char: str) -> None:
        absorbed = False
        if self._word and char.isalpha():
            pass
        elif self._word:
            word = _text(self._held[self._word :])
            self._settle(self._begins(word + "." if char == "." else word))
        elif self._end:
            absorbed = self._judge(char)
        elif self._rests(char) or (self._least and not self._spoke and self._at_clause(char)):
            self._emit(len(self._held))
            self._first = ""
        if char in NEWLINES:
            self._closer = ""
            self._settle(True, len(self._held))
        marks = self._marks(char)
        if self._held or not char.isspace():
            self._held.append(char)
        if not self._first and char.isalnum():
            self._first = char
        if char == self._closer:
            self._closer = ""
        elif not self._closer:
            self._closer = PAIRS.get(char, "")
        # A title may hold marks: 《摔跤吧！爸爸》.
        if absorbed or (marks and self._first and self._closer != "》"):
            self._end = len(self._held)
            self._hard = char in HARD or (absorbed and self._hard)

    def _judge(self, char: str) -> bool:
        """Settles whether the sentence ends, if `char` tells; True if `char` belongs to its end."""
        gap = len(self._held) > self._end
        if char in EITHER and (gap or self._hard):
            closes = char == self._closer
        else:
            closes = char in (BRACKETS if gap else CLOSERS)
        if closes or self._marks(char):
            return True
        if self._hard:
            self._settle(char not in JOINERS)
        elif not gap and not char.isspace() and not is_cjk(char):
            self._settle(False)
        elif not char.isspace():
            text = _text(self._held[max(0, self._end - _LOOK_BACK) : self._end])
            answer = ends_sentence(text, char, uncased=self._first.islower())
            if isinstance(answer, bool):
                self._settle(answer)
            else:
                self._begins, self._word = answer, len(self._held)
        return False

    def _marks(self, char: str) -> bool:
        """Whether it may end a sentence, after what is held."""
        if char not in ALIKE:
            return char in MARKS and char not in UNMARKED
        before = _text(self._held[max(0, self._end, len(self._held) - 4) :])
        return ALIKE[char].search(normalize("NFC", before)) is not None

    def _rests(self, char: str) -> bool:
        """Whether a sentence that no mark will end may end before this letter."""
        if char not in UNMARKED or len(self._held) < _REST or not self._held[-1].isspace():
            return False
        return _text(self._held[-4:]).rstrip()[-1:] in (*UNMARKED,)

    def _at_clause(self, char: str) -> bool:
        tail = _text(self._held[-4:])
        found = _CLAUSE.search(tail) if char.isspace() else None
        if char not in BRACKETS:
            found = found or _CJK_CLAUSE.search(tail)
        if found is None or not self._first:
            return False
        return len(self._held) - len(tail) + found.start() >= (self._least or 0)

    def _settle(self, ends: bool, end: int = 0) -> None:
        """Forgets the mark in progress; hands the sentence over if it ends with it, or at `end`."""
        end = end or self._end
        self._end = self._word = 0
        if ends and self._first:
            self._emit(end)
            self._first = next(filter(str.isalnum, self._held), "")

    def _emit(self, end: int) -> None:
        text = _text(self._held[:end]).strip()
        del self._held[:end]
        if text:
            self._ready.append(text)
            self._spoke = True
