"""Text as models write it: sentences, what a voice says, how it is pronounced."""

from __future__ import annotations

from pathlib import Path

from fuzz.taker import Taker

from rxvoice._language.thoughts import Said
from rxvoice._text.parts import parts
from rxvoice._text.segmenter import Segmenter
from rxvoice._text.speakable import Speakable
from rxvoice._text.words import has_letters, letters, words


def _cut(text: str, data: bytes) -> list[str]:
    """The text in pieces, as a model may write it."""
    taker = Taker(data[::-1])
    found: list[str] = []
    while text:
        size = taker.pick((1, 2, 5, 30, 400)) if not taker.is_over else len(text)
        found.append(text[:size])
        text = text[size:]
    return found


def sentences(data: bytes, folder: Path) -> None:
    """Sentences: the same however the text was cut, and only white space is lost."""
    text = data.decode("utf-8", "replace")
    for least in (None, 12):
        whole, cut = (Segmenter(first_clause_chars=least, max_chars=200) for _ in range(2))
        said = whole.feed(text) + whole.flush()
        again = [it for piece in _cut(text, data) for it in cut.feed(piece)] + cut.flush()
        assert again == said
        assert "".join("".join(said).split()) == "".join(text.split())
    assert "".join("".join(parts(text)).split()) == "".join(text.replace("\0", " ").split())
    for it in parts(text, clause=60):
        assert it
        assert len(it) <= 480


def speakable(data: bytes, folder: Path) -> None:
    """What a voice says of Markdown: the same however the text was cut, and all of it told."""
    text = data.decode("utf-8", "replace")
    whole, cut = Speakable(code="code"), Speakable(code="code")
    said = whole.feed(text) + whole.flush()
    again = [it for piece in _cut(text, data) for it in cut.feed(piece)] + cut.flush()
    assert "".join(it for it, _ in again) == "".join(it for it, _ in said)
    assert "".join(it for _, it in said) == text
    assert "".join(it for _, it in again) == text
    thoughts, cut_thoughts = Said(), Said()
    spoken = thoughts.feed(text) + thoughts.end()
    pieces = "".join(map(cut_thoughts.feed, _cut(text, data)))
    assert pieces + cut_thoughts.end() == spoken


def spoken_words(data: bytes, folder: Path) -> None:
    """Words of every script."""
    text = data.decode("utf-8", "surrogatepass" if b"\xed" in data[:1] else "replace")
    found = words(text)
    assert all(found)
    assert letters(text) >= 0
    has_letters(text, 2)


def pronounced(data: bytes, folder: Path) -> None:
    """What espeak-ng, which is written in C, makes of a text."""
    from rxvoice._espeak.phonemes import pronounced as phonemes

    text = data.decode("utf-8", "surrogateescape")
    for clause in phonemes(text[:4_000], "en-us"):
        assert isinstance(clause, str)
