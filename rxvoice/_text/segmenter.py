"""`Segmenter`: cuts text that arrives in pieces into sentences."""

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
_REST: Final = 30  # characters after which a space ends a sentence of Thai or Lao
_LOOK_BACK: Final = 48  # characters before a mark that can change what it means


def _text(chars: list[str]) -> str:
    return "".join(chars)


def _break(chars: list[str]) -> int:
    """Where to cut a sentence that is too long.

    After the last clause or word that ends in the second half, or else after the last
    user-perceived character. The very last character may still go on, so it does not count.
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

    The sentences do not depend on how the text was cut into pieces. Only white space is lost. A
    sentence comes out with the first character that makes it certain: the one after the white
    space that follows a full stop, the one after a CJK mark, or a newline. Thai and Lao have no
    mark for the end: a space ends a sentence of 30 characters or more. After an abbreviation that
    may end a sentence ("U.S.", "p.m.", "Inc.") the segmenter waits for the next word. Marks and
    bullets without a letter or digit join the next sentence; at the end of the text they come out
    alone.

    In doubt the sentence goes on, since a voice says a long sentence right, and half a sentence
    wrong. A sentence of `max_chars` is cut: in its second half, at the last white space, comma or
    end of a word, if there is one. The cost of a character does not grow with the text.
    Not thread-safe; runs where it is called.

    Args:
        first_clause_chars: let the first piece of the text end at a clause boundary (comma,
            semicolon, colon, spaced dash) after at least this many characters, so that a voice
            begins sooner. None: only at the end of a sentence.
        max_chars: the longest sentence, in characters, 1 or more.

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
        self._closer = ""  # what closes the quotation in progress
        self._end = 0  # the end of the sentence if the last mark ends it; 0: no mark to judge
        self._hard = False  # whether that mark ends it whatever follows
        self._word = 0  # where the next word begins, if it must tell; 0: it need not
        self._begins: Callable[[str], bool] = begins_sentence
        self._spoke = False  # whether a piece of this text has come out

    def feed(self, delta: str) -> list[str]:
        """Take the next piece of the text. Returns the sentences that it made certain.

        They are stripped and not empty; white space within a sentence stays.
        """
        return list(self.cut(delta))

    def cut(self, delta: str) -> Iterator[str]:
        """As `feed`, but lazily: the text after a sentence is read when the next one is wanted.

        Iterate to the end before the next piece.
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
        """End the text. Returns the rest of it, and makes the segmenter ready for another text."""
        self._step("\n")
        self._emit(len(self._held))
        ready = self._ready
        self._reset()
        return ready

    def _plain(self, delta: str, at: int) -> int:
        """Take characters that cannot end a sentence nor tell of an end. Returns where they end."""
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
        """Hand over a sentence that has reached the longest length."""
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
        """Decide whether the sentence ends, if `char` tells. True if `char` belongs to its end."""
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
        """Whether the character may end a sentence after the held text."""
        if char not in ALIKE:
            return char in MARKS and char not in UNMARKED
        before = _text(self._held[max(0, self._end, len(self._held) - 4) :])
        return ALIKE[char].search(normalize("NFC", before)) is not None

    def _rests(self, char: str) -> bool:
        """Whether a sentence of Thai or Lao ends before this letter."""
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
        """Forget the mark in progress, and hand over the sentence if it ends there, or at `end`."""
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
