"""Texts as Kokoro reads them: in the phonemes that it was trained with.

Kokoro's own reader, misaki, installs packages while it runs, and has no version for Python 3.13 and
later. It takes espeak-ng for all languages but Chinese and Japanese, and for English words that are
not in its dictionary. This does the same for all words, with the same changes of letters.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Final

from rxvoice._espeak.phonemes import TIE, pronounced

__all__ = ["LANGUAGES", "phonemes"]

LANGUAGES: Final = {
    "a": "en-us",
    "b": "en-gb",
    "e": "es",
    "f": "fr-fr",
    "h": "hi",
    "i": "it",
    "p": "pt-br",
}
"""Kokoro's letters for languages, with which the names of its voices begin, and their names."""

_READERS: Final = {**LANGUAGES, "b": "en", "f": "fr"}
"""espeak-ng's names of those."""

_SYLLABIC: Final = "\u0329"
_NASAL: Final = "\u0303"

# From misaki 0.9.4, EspeakFallback and EspeakG2P; longer ones first.
_ENGLISH: Final = {
    f"ʔˌn{_SYLLABIC}": "ʔn",
    f"ʔn{_SYLLABIC}": "ʔn",
    "a^ɪ": "I",
    "a^ʊ": "W",
    "d^ʒ": "ʤ",
    "e^ɪ": "A",
    "t^ʃ": "ʧ",
    "ɔ^ɪ": "Y",
    "ə^l": "ᵊl",
    "ʲo": "jo",
    "ʲə": "jə",
    "e": "A",
    "ʲ": "",
    "ɚ": "əɹ",
    "r": "ɹ",
    "x": "k",
    "ç": "k",
    "ɐ": "ə",
    "ɬ": "l",
    _NASAL: "",
}
_AMERICAN: Final = {"o^ʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""}
_BRITISH: Final = {"e^ə": "ɛː", "iə": "ɪə", "ə^ʊ": "Q"}
_LATE: Final = {"o": "ɔ", "ɾ": "T", "ʔ": "t", "ɹɹ": "ɹ"}
_OTHERS: Final = {
    "a^ɪ": "I",
    "a^ʊ": "W",
    "d^z": "ʣ",
    "d^ʒ": "ʤ",
    "e^ɪ": "A",
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "s^s": "S",
    "t^s": "ʦ",
    "t^ʃ": "ʧ",
    "ɔ^ɪ": "Y",
    "-": "",
}


def phonemes(text: str, letter: str, known: Container[str], most: int) -> Iterator[str]:
    """A text in Kokoro's phonemes, in parts; a part ends with a clause where it can.

    Args:
        letter: of the language, one of `LANGUAGES`.
        known: the phonemes that the model has; others are left out.
        most: how many a part may have.

    Errors: as `pronounced`.
    """
    part = ""
    for clause in pronounced(text, _READERS[letter]):
        sounds = "".join(it for it in _kokoro(clause, letter) if it in known)
        if part and len(part) + 1 + len(sounds) > most:
            yield part
            part = ""
        part = f"{part} {sounds}" if part else sounds
        while len(part) > most:
            cut = part.rfind(" ", 0, most + 1)
            cut = cut if cut > 0 else most
            yield part[:cut]
            part = part[cut:].strip()
    if part:
        yield part


def _kokoro(sounds: str, letter: str) -> str:
    """The phonemes of espeak-ng in Kokoro's letters."""
    if letter not in "ab":
        return _changed(sounds, _OTHERS).replace(TIE, "")
    sounds = _changed(sounds, _ENGLISH)
    sounds = re.sub(rf"(\S){_SYLLABIC}", r"ᵊ\1", sounds).replace(_SYLLABIC, "")
    sounds = _changed(sounds, _BRITISH if letter == "b" else _AMERICAN)
    if letter == "a":
        # misaki's dictionary has this vowel in endings only, such as "-ed" and "-es".
        sounds = re.sub(r"ᵻ(?![dz](?:\W|$))", "ə", sounds)
    return _changed(sounds, _LATE).replace(TIE, "")


def _changed(sounds: str, changes: Mapping[str, str]) -> str:
    for old, new in changes.items():
        sounds = sounds.replace(old, new)
    return sounds
