"""How espeak-ng pronounces a text: its phonemes in the International Phonetic Alphabet."""

from __future__ import annotations

import ctypes
import re
from typing import Final

from rxvoice._espeak.library import espeak_library
from rxvoice._text.sentence_ends import ends_sentence
from rxvoice.errors import RxvoiceError

__all__ = ["TIE", "pronounced"]

TIE: Final = "^"
"""Joins the two letters of one phoneme, such as an affricate or a diphthong."""

_UTF8 = 1
_IPA = 0x02
_WITH_TIE = 0x80
_MARK: Final = re.compile(r"[.,!?;:…—]")
_ALIKE: Final = str.maketrans("，、。！？；：。।؟،", ",,.!?;:..?,")
_SWITCH: Final = re.compile(r"\([^)]*\)")  # "(en)": a word that it reads in another language


def pronounced(text: str, language: str) -> list[str]:
    """The phonemes of each clause of a text, with the mark that ends it, if there is one.

    A clause that has no phonemes is left out.

    Args:
        language: one of espeak-ng's voices, such as ``"en-us"``.

    Errors: `RxvoiceError` if espeak-ng has no such voice; `MissingDependency` without
        ``espeakng-loader``.
    Runs on: this thread, some 10 ms. One at a time in a process.
    """
    coded = text.replace("\0", " ").replace("...", "…").encode("utf-8", "replace")
    buffer = ctypes.create_string_buffer(coded)
    start = ctypes.addressof(buffer)
    at = ctypes.c_void_p(start)
    clauses: list[str] = []
    with espeak_library() as (library, _):
        if library.espeak_SetVoiceByName(language.encode()):
            raise RxvoiceError(f"espeak-ng has no voice {language!r}")
        take = library.espeak_TextToPhonemes
        take.restype = ctypes.c_char_p
        done = 0
        while at.value and done < len(coded):
            given: bytes | None = take(ctypes.byref(at), _UTF8, _IPA | _WITH_TIE | ord(TIE) << 8)
            end = at.value - start if at.value else len(coded)
            sounds = _SWITCH.sub("", (given or b"").decode("utf-8", "replace")).strip()
            if sounds:
                clauses.append(sounds + _mark(coded[done:end], coded[end:]))
            done = end
    return clauses


def _mark(clause: bytes, rest: bytes) -> str:
    """The mark that ends a clause; "" for none, or the period of an abbreviation.

    espeak-ng has read the first letter of the next clause too.
    """
    text = clause.decode("utf-8", "ignore").translate(_ALIKE)
    found = list(_MARK.finditer(text))
    if not found:
        return ""
    last = found[-1]
    follows = (text[last.end() :] + rest.decode("utf-8", "ignore")).strip()
    inside = follows and ends_sentence(text[: last.end()], follows[0], uncased=False) is False
    return "" if last.group() == "." and inside else last.group()
