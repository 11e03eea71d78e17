"""The best of the texts that a beam search ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BeamText", "best", "says_twice"]


@dataclass(frozen=True, slots=True)
class BeamText:
    """A text of a beam search.

    Args:
        score: the sum of the log probabilities of its tokens and of its end.
    """

    text: str
    tokens: list[int]
    score: float


def best(texts: Sequence[BeamText]) -> BeamText:
    """The text with the likeliest tokens on average, so that no end is lost.

    The average is unfair where a text is repeated: from the second time on, each token is nearly
    certain. There the sum decides.
    """
    found = max(texts, key=lambda it: it.score / max(1, len(it.tokens)))
    said = _bare(found.text)
    once = (it for it in texts if _is_repeated(_bare(it.text), said))
    single = max(once, key=lambda it: it.score, default=found)
    return single if single.score > found.score else found


def says_twice(text: str) -> bool:
    """Whether a text is the same words two times or more; the last time may be cut short."""
    said = _bare(text)
    return any(_is_repeated(said[:count], said) for count in range(1, len(said) // 2 + 1))


def _is_repeated(words: list[str], said: list[str]) -> bool:
    """Whether what was said is these words two times or more; the last time may be cut short."""
    return 0 < 2 * len(words) <= len(said) and (words * len(said))[: len(said)] == said


def _bare(text: str) -> list[str]:
    """The words, without punctuation and capitals."""
    bare = ("".join(filter(str.isalnum, word)).casefold() for word in text.split())
    return [word for word in bare if word]
