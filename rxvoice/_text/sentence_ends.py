"""Whether a mark ends a sentence, judged by abbreviations, initials and numbers around it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from unicodedata import category, normalize

from rxvoice._text.marks import ALIKE, CLOSERS, JOINERS, SHOUT


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Abbreviations before a name or within a sentence: never the last word.
_INNER: Final = _words(
    """mr mrs ms mx dr drs prof st rev fr gen col sgt cpl lt capt cmdr maj adm sen rep gov pres hon
    messrs mt ft vs e.g i.e eg ie cf viz approx resp incl esp mme mlle mm mgr me av env ex hr hrn
    dipl z.b d.h u.a s.o bzw ca evtl ggf inkl sog vgl zzgl bzgl mio mrd sra srta dra ud uds ee ej
    lic ing med"""
)
# Abbreviations before a number: "No. 5", but "No. I did not."
_NUMBERED: Final = _words(
    """no nos nr n° p pp fig figs vol ch chap sec art eq op est tel abs abb bd kap str núm pág ext
    jan feb mar apr jun jul aug sep sept oct nov dec"""
)
# Abbreviations that may be the last word: the next word tells.
_EITHER_WAY: Final = _words("inc ltd co corp bros jr sr dept ave blvd rd al chr")
_LOWER_GOES_ON: Final = _INNER | _NUMBERED | _EITHER_WAY | {"etc", "usw"}
_STARTERS: Final = _words(
    """A An The This That These Those There Here I You He She It We They My Your His Her Its Our
    Their And But So Then However Also Or If When While Since Because Although After Before Now Once
    In On At As For From To With Without By Not Yes No What Who Why How Where Which Is Are Was Were
    Do Does Did Can Could Would Should Let Please Both Each Every Some Many Most All Another Today
    Der Die Das Ein Eine Er Sie Es Ich Wir Und Aber Dann Il Elle Nous Vous Ils Elles Ce Cette El
    Ella Los Las Pero"""
)
_AFTER_TIME: Final = re.compile(
    r"[A-Z]{2,}|(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|Eastern|Central|Mountain|Pacific"
)
_TIME: Final = re.compile(r"[ap]\.?m", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\s()\[\]{}\"'“”„‘’«»*_/–—-]*")
_INITIAL: Final = "A-Za-zÀ-ɏͰ-ӿԱ-Ֆא-תء-يऄ-हก-ฮა-ჿ"
_INITIALS: Final = re.compile(
    rf"([{_INITIAL}]{{1,2}}\.)*[{_INITIAL}]|EE\.UU|([A-Z][a-z]?\.)+[A-Z][a-z]"
)
_LIST_NUMBER: Final = re.compile(r"\W*(\d{1,3}|[A-Za-z]|[ivxIVX]{2,4})\.")
_GERMAN_ORDINAL: Final = re.compile(
    r"\b(?<!\bI )([Aa]m|[Dd](er|ie|as|en|em|es)|[VvZ]om|[Zz]um|[Ii]m|[Bb]is|[Ss]eit)\s\d{1,2}\.$"
)


def begins_sentence(word: str) -> bool:
    return word in _STARTERS


def _begins_after_time(word: str) -> bool:
    return _AFTER_TIME.match(word) is None


def is_cjk(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff"


def ends_sentence(text: str, char: str, *, uncased: bool) -> bool | Callable[[str], bool]:
    """Whether the mark at the end of `text` ends a sentence, when `char` comes next.

    Returns:
        True or False; or a function that tells, to be called with the word that begins with `char`.
    """
    body = text.rstrip(CLOSERS + " \t\u00a0\u202f\u3000")
    if char in JOINERS:
        return False
    if body[-1:] in (*SHOUT, *ALIKE, ""):  # "": only closing brackets are in sight
        return not char.islower() or (uncased and body == text)
    if body.endswith(("…", "..", "⋯", "‥")):
        return not char.islower()
    last = _WORD.match(body[-2::-1])  # backwards: a search for the end takes ten times as long
    word = normalize("NFC", last.group()[::-1]) if last else ""
    key = word.lower()
    unit = len(word) == 1 and body[:-2].rstrip()[-1:].isdigit()
    letters = "".join(it for it in word if category(it)[0] != "M")
    initials = not unit and _INITIALS.fullmatch(letters) is not None
    if char.islower():
        return uncased and not initials and key not in _LOWER_GOES_ON
    if key in _INNER or _LIST_NUMBER.fullmatch(body):
        return False
    if body[-2:-1].isdigit() and _GERMAN_ORDINAL.search(body):
        return False
    if key in _NUMBERED:
        return char.isalpha()
    if initials or key in _EITHER_WAY:
        return char.isalpha() and (_begins_after_time if _TIME.fullmatch(word) else begins_sentence)
    return not (is_cjk(char) and word[-1:].isdigit())
