"""The elements of a conversation: one kind per stage, each linked to the one it came from.

All are frozen, slotted dataclasses. Two are equal when their fields are, arrays compared by
value: numpy's own ``==`` gives an array, which makes a recorded marble raise when compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from numbers import Real
from typing import Literal, TypeAlias, cast

from rxvoice._audio.samples import Samples
from rxvoice._value import Value
from rxvoice.errors import ConfigError
from rxvoice.turn import Turn

__all__ = [
    "FinishedTurn",
    "Recognised",
    "Reply",
    "Say",
    "Speech",
    "TimedSamples",
    "Transcript",
    "Word",
]


Word: TypeAlias = tuple[str, float, float] | tuple[str, float, float, float]
"""A word, where it starts and ends in seconds of the turn's audio, and maybe its confidence."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recognised(Value):
    """What a recogniser knows of a turn beside its text; `Transcript.recognised` keeps it.

    A recogniser gives one in the place of a str. A subclass may add what else it knows: given in
    one piece, it is kept as it is.

    ```python
    rxv.Recognised("hallo Ann", words=[("hallo", 0.1, 0.4), ("Ann", 0.5, 0.8)], language="de")
    ```

    Args:
        text: what was said.
        words: ``(word, start, end)`` or ``(word, start, end, confidence)`` each, in seconds from
            the first sample of the turn's audio; phrases, where no words are known.
        language: as the recogniser names it, such as ``"de"``; None where it does not say.
        speaker: who spoke, as the recogniser names them; None where it does not say.
        confidence: how sure it is, 0 to 1; None where it does not say.

    Raises:
        ConfigError: one of them is none.
    """

    text: str
    _: KW_ONLY
    words: Sequence[Word] = ()
    language: str | None = None
    speaker: str | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.text), str):
            raise ConfigError(f"Recognised text must be a str, got {self.text!r}")
        for name in ("language", "speaker"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigError(f"Recognised {name} must be a str or None, got {value!r}")
        if self.confidence is not None and not _is_confidence(self.confidence):
            raise ConfigError(
                f"Recognised confidence must be from 0 to 1, or None, got {self.confidence!r}"
            )
        words = tuple(self.words)
        for word in words:
            if not is_word(word):
                raise ConfigError(
                    "Recognised words must be (word, start, end) or (word, start, end, "
                    f"confidence), in seconds and from 0 to 1, got {word!r}"
                )
        object.__setattr__(self, "words", words)


def is_word(value: object) -> bool:
    """Whether it is a `Word`: its times in order, its confidence from 0 to 1."""
    if not isinstance(value, tuple) or not 3 <= len(cast("tuple[object, ...]", value)) <= 4:
        return False
    text, start, end, *confidence = cast("tuple[object, ...]", value)
    return (
        isinstance(text, str)
        and _is_number(start)
        and _is_number(end)
        and 0 <= cast("float", start) <= cast("float", end)
        and all(map(_is_confidence, confidence))
    )


def _is_confidence(value: object) -> bool:
    return _is_number(value) and 0 <= cast("float", value) <= 1


def _is_number(value: object) -> bool:
    return type(value) is not bool and isinstance(value, Real) and math.isfinite(value)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transcript(Value):
    """What a turn said: partial ones first when the recogniser streams, then one final one.

    Args:
        turn: the turn.
        text: what was said, without white space around it.
        final: whether the turn has ended, and this is all of it.
        recognised: what the recogniser knows beside the text; None where that is nothing. Of a
            question that was said in several turns it is the last one's.
    """

    turn: Turn
    text: str
    final: bool = True
    recognised: Recognised | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """The words with their times, see `Recognised`; empty where they are not known."""
        return () if self.recognised is None else tuple(self.recognised.words)

    @property
    def language(self) -> str | None:
        """The language, as the recogniser names it; None where it does not say."""
        return None if self.recognised is None else self.recognised.language

    @property
    def speaker(self) -> str | None:
        """Who spoke, as the recogniser names them; None where it does not say."""
        return None if self.recognised is None else self.recognised.speaker

    @property
    def confidence(self) -> float | None:
        """How sure the recogniser is, 0 to 1; None where it does not say."""
        return None if self.recognised is None else self.recognised.confidence


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reply(Value):
    """A piece of an answer.

    Args:
        transcript: what is being answered.
        delta: the new text, as it is to be spoken; empty on the final one.
        text: all of the answer as the model wrote it, on the final one; empty before.
        final: whether the answer is complete.
        markup: what the model wrote for ``delta``, where that differs (`speakable`); None: the
            same. The `written` of the pieces, joined, is all that the model wrote.
        flush: whether to speak now what was written so far, though the sentence may go on; such
            a piece has no ``delta``.
    """

    transcript: Transcript
    delta: str = ""
    text: str = ""
    final: bool = False
    markup: str | None = None
    flush: bool = False

    @property
    def written(self) -> str:
        """What the model wrote for ``delta``."""
        return self.delta if self.markup is None else self.markup

    @property
    def turn(self) -> Turn:
        """The turn this answers."""
        return self.transcript.turn


class Sentence:
    """A sentence that is being spoken: what its pieces of `Speech` share.

    Args:
        text: what is spoken.

    Attributes:
        pieces: how many there are so far.
        is_over: whether all of its sound has been made: there will be no more of them.
    """

    __slots__ = ("is_over", "pieces", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces = 0
        self.is_over = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Speech(Value):
    """A piece of a spoken answer.

    Args:
        reply: the piece of text that completed the sentence; on the final `Speech` the final one.
        samples: float32 of shape ``(n,)`` in [-1, 1], mono; numpy's, as `synthesize` gives them, or
            an ``mx.array``. Empty on the final one, which only says that the answer is over.
        sample_rate: Hz.
        text: the sentence being spoken; empty on the final one.
        final: whether the answer is over.
        words: where words end: pairs of an index into ``text`` and one into ``samples``. When
            that sample has been heard, the text has been, up to there. Empty where the
            synthesizer does not say.
        interrupted: on the final one, whether the user interrupted the answer.
        heard: on the final one of an interrupted answer, what was heard of it.
        sentence: shared by the pieces of one sentence, it tells whether there will be more of them;
            None where nobody knows. Not compared.
    """

    reply: Reply
    samples: Samples
    sample_rate: int
    text: str = ""
    final: bool = False
    words: tuple[tuple[int, int], ...] = ()
    interrupted: bool = False
    heard: str | None = None
    sentence: Sentence | None = field(default=None, compare=False, repr=False)

    @property
    def turn(self) -> Turn:
        """The turn this answers."""
        return self.reply.transcript.turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FinishedTurn(Value):
    """The log entry of one finished turn.

    Args:
        chunks_consumed: microphone chunks seen before the turn was finalized, since the start.
        user_text: what was heard.
        assistant_text: what was answered; of an answer that was interrupted, what was heard.
        barge_in_observed: whether the user spoke over the assistant during the turn.
        interrupted: whether the user interrupted the answer.
        source: who spoke, where the turn has a ``source``.
    """

    chunks_consumed: int
    user_text: str
    assistant_text: str
    barge_in_observed: bool = False
    interrupted: bool = False
    source: str | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TimedSamples(Value):
    """A piece of sound from a synthesizer that knows where its words end.

    Args:
        samples: of shape ``(n,)`` in [-1, 1], mono, in whichever shape a synthesizer may give them.
        words: pairs of an index into the text and one into ``samples``, as `Speech.words`.
    """

    samples: Samples
    words: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Say:
    """Something that the app says in a conversation by itself; see `converse`.

    Args:
        text: what to say.
        interruptible: whether the user may interrupt it.
        when: ``"free"``: once nobody speaks and nobody waits for an answer; ``"now"``: at once, in
            place of the reply in progress.
    """

    text: str
    _: KW_ONLY
    interruptible: bool = True
    when: Literal["free", "now"] = "free"

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.text), str):
            raise ConfigError(f"Say wanted a text, got {self.text!r}")
        if self.when not in ("free", "now"):
            raise ConfigError(f'Say when must be "free" or "now", got {self.when!r}')
