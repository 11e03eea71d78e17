"""Words, letters and user-perceived characters of a text, in every script.

ICU finds the borders by Unicode's UAX #29, and the words of Thai, Lao, Khmer and Burmese by
dictionaries. Each Chinese character is a word, so that "停" is found in "停下来"; so is each kana,
except for Katakana, where a run is a word. Positions are indices into the text as given, whether it
is composed or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Final
from unicodedata import category, normalize

_ALONE: Final = (  # Han, Hiragana, Bopomofo: each character is a word
    "\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f\u3105-\u312f\u31a0-\u31bf\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_UNSPACED: Final = re.compile(  # also Katakana, Thai and Lao, Tibetan, Burmese, Khmer, Tai
    rf"[{_ALONE}\u30a1-\u30fa\uff66-\uff9d\u0e00-\u0fff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaadf"
    r"\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf]"
)
_VARIANTS: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_MARKS: Final = f"\u3099-\u309c\u30fc{_VARIANTS}"  # voicing, a long vowel: part of the kana before
_PIECE: Final = re.compile(rf"[{_ALONE}][{_MARKS}]*|[^{_ALONE}]+")
_NUMBER: Final = re.compile(r"\d+(?:(?:[^\w\s]|[\u00a0\u2007\u2009\u202f])\d+)*")
_UNITS: Final = "%‰٪°"  # beside the signs of currencies
_BETWEEN: Final = re.compile(r"(?<!\d)[._:](?=\w)|[._:](?!\d)")  # not between digits
# Two spellings of one word may differ in these.
_LOOSE: Final = re.compile(rf"['’‘ʼ＇`´׳״\"{_UNITS}{_VARIANTS}]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def words(text: str) -> list[str]:
    """The words of a text, without case, punctuation and apostrophes, in one composition.

    Words that look alike are equal: "ＯＫ" and "ok", "é" in one code point and in two. Words with
    different accents or vowel signs differ. A number with its separators is one word, without its
    unit.
    """
    text = _BETWEEN.sub(" ", normalize("NFC", text))
    return [_plain(text[start:end]) for start, end in _spans(text)]


def up_to_word(text: str, length: int) -> int:
    """The end of the last word that ends within the first `length` characters; 0 if none does.

    A number with its separators and its unit is one word: "$13.50", "10:30", "50%".
    """
    return _last(_spans(text), length)


def up_to_grapheme(text: str, length: int) -> int:
    """The last border between user-perceived characters within the first `length` code points."""
    return _last(graphemes(text), length)


def graphemes(text: str) -> Iterator[tuple[int, int]]:
    """Where each user-perceived character begins and ends."""
    return _segments(text, words=False)


def letters(text: str) -> int:
    """How many letters and digits the text has. A letter with its signs ("é", "को") counts once."""
    return sum(_is_word(text[start:end]) for start, end in graphemes(text))


def has_letters(text: str, least: int) -> bool:
    """Whether the text has at least so many letters, or a character that can stand alone.

    A digit, a letter of a script without spaces ("停") and a Hangul syllable ("네") can.
    """
    return letters(text) >= least or any(
        char.isdigit() or is_unspaced(char) or "\uac00" <= char <= "\ud7a3" for char in text
    )


def is_unspaced(char: str) -> bool:
    """Whether the character is a letter of a script without spaces between words."""
    return char.isalpha() and _UNSPACED.match(char) is not None


def _last(spans: Iterator[tuple[int, int]], length: int) -> int:
    last = 0
    for _, end in spans:
        if end > length:
            break
        last = end
    return last


def _plain(word: str) -> str:
    """The word for comparison, without invisible characters: joiners, soft hyphens, direction."""
    word = _LOOSE.sub("", normalize("NFKC", word).casefold())
    seen = [char for char in word if category(char) not in ("Cf", "Sc")]
    return normalize("NFC", "".join(seen))


def _is_word(text: str) -> bool:
    return any(char.isalnum() and char not in "ーｰ" for char in text)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each word begins and ends."""
    numbers = _numbers(text)
    number = next(numbers, None)
    begun = -1
    for start, end in _segments(text):
        begun = start if begun < 0 else begun
        while number and number[1] <= begun:
            number = next(numbers, None)
        if number and number[0] < end < number[1]:
            continue
        if _is_word(text[begun:end]):
            yield begun, end
        begun = -1


def _numbers(text: str) -> Iterator[tuple[int, int]]:
    for found in _NUMBER.finditer(text):
        end = found.end()
        while end < len(text) and (text[end] in _UNITS or category(text[end]) == "Sc"):
            end += 1
        yield found.start(), end


def _segments(text: str, *, words: bool = True) -> Iterator[tuple[int, int]]:
    """The pieces between two borders of words, or of user-perceived characters."""
    from icu4py.breakers import CharacterBreaker, WordBreaker

    text = _SURROGATE.sub("\ufffd", text)  # ICU takes no surrogates
    found = (WordBreaker if words else CharacterBreaker)(text, "en")
    pieces = (part for piece in found for part in _PIECE.findall(piece)) if words else found
    return pairwise(accumulate(map(len, pieces), initial=0))
