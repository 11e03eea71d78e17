"""The elements of a conversation: one kind per stage, each linked to the one it came from.

All are frozen, slotted dataclasses. Two elements are equal when their fields are equal, and arrays
compare by value, so that recorded elements can be compared in a test.
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
"""A word, its start and end in seconds of the turn's audio, and optionally its confidence."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Recognised(Value):
    """A recogniser's whole result for a turn: the text, and what else it knows.

    A recogniser returns one instead of a str, and `Transcript.recognised` keeps it. A subclass may
    add fields; a result that comes in one piece is kept as it is.

    ```python
    rxv.Recognised("hallo Ann", words=[("hallo", 0.1, 0.4), ("Ann", 0.5, 0.8)], language="de")
    ```

    Args:
        text: what was said.
        words: ``(word, start, end)`` or ``(word, start, end, confidence)`` for each word, in
            seconds from the first sample of the turn's audio. Phrases, if the recogniser does not
            know the words' times.
        language: the recogniser's name for the language, such as ``"de"``, or None.
        speaker: the recogniser's name for the person who spoke, or None.
        confidence: how sure the recogniser is, 0 to 1, or None.

    Raises:
        ConfigError: an argument has the wrong type or is out of range.
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
    """Whether the value is a `Word` with its times in order and its confidence from 0 to 1."""
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
    """The text of a turn. A streaming recogniser gives partial transcripts before the final one.

    Args:
        turn: the turn.
        text: what the user said, without white space around it.
        final: whether this is the whole text of a turn that has ended.
        recognised: what the recogniser knows beside the text, or None. If a question takes several
            turns, it belongs to the last of them.
    """

    turn: Turn
    text: str
    final: bool = True
    recognised: Recognised | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """The words with their times, as in `Recognised`. Empty if they are unknown."""
        return () if self.recognised is None else tuple(self.recognised.words)

    @property
    def language(self) -> str | None:
        """The recogniser's name for the language, or None."""
        return None if self.recognised is None else self.recognised.language

    @property
    def speaker(self) -> str | None:
        """The recogniser's name for the person who spoke, or None."""
        return None if self.recognised is None else self.recognised.speaker

    @property
    def confidence(self) -> float | None:
        """How sure the recogniser is, 0 to 1, or None."""
        return None if self.recognised is None else self.recognised.confidence


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reply(Value):
    """Part of the assistant's reply, as text. The final one carries all of the text.

    Args:
        transcript: the transcript that the assistant replies to.
        delta: the new text, as a voice should say it. Empty on the final one.
        text: the whole reply as the model wrote it, on the final one. Empty before.
        final: whether the reply is complete.
        markup: what the model wrote for ``delta``, where `speakable` has changed it. None if they
            are the same. The joined `written` of all deltas is what the model wrote.
        flush: whether to speak at once what has come so far, even if the sentence is not over.
            Such a `Reply` has no ``delta``.
    """

    transcript: Transcript
    delta: str = ""
    text: str = ""
    final: bool = False
    markup: str | None = None
    flush: bool = False

    @property
    def written(self) -> str:
        """The text that the model wrote for ``delta``."""
        return self.delta if self.markup is None else self.markup

    @property
    def turn(self) -> Turn:
        """The turn this answers."""
        return self.transcript.turn


class Sentence:
    """A sentence that is being spoken; its pieces of `Speech` share it.

    Args:
        text: the text of the sentence.

    Attributes:
        pieces: how many pieces of `Speech` it has so far.
        is_over: whether all of its sound has been made, so that no more pieces follow.
        asked: when the synthesizer was asked for it, in seconds as `AudioChunk.time`, or in virtual
            time; None if nothing says so.
    """

    __slots__ = ("asked", "is_over", "pieces", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces = 0
        self.is_over = False
        self.asked: float | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Speech(Value):
    """Part of the assistant's reply, as sound. The final one only says that the reply is over.

    Args:
        reply: the `Reply` that completed the sentence; on the final `Speech`, the final `Reply`.
        samples: float32 of shape ``(n,)`` in [-1, 1], mono, of numpy or an ``mx.array``.
            `synthesize` gives numpy's. Empty on the final one.
        sample_rate: Hz.
        text: the sentence that is spoken. Empty on the final one.
        final: whether the reply is over.
        words: where words end, as pairs of an index into ``text`` and an index into ``samples``:
            once that sample has been heard, the text up to there has been heard. Empty if the
            synthesizer does not say.
        interrupted: whether the user interrupted the reply; set on the final one.
        heard: what was heard of an interrupted reply; set on its final one.
        sentence: the `Sentence` that the pieces of one sentence share. It says whether more pieces
            follow. None if that is unknown. Not compared.
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
        chunks_consumed: microphone chunks that had come when the turn ended, since the start.
        user_text: the transcript.
        assistant_text: the reply; for an interrupted reply, what was heard of it. From `converse`,
            without words at its end that the voice gave no sound for.
        barge_in_observed: whether the user spoke over the assistant during the turn.
        interrupted: whether the user interrupted the reply.
        source: the turn's ``source``: the microphone or person, or None.
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
        samples: shape ``(n,)``, in [-1, 1], mono; any array type that a synthesizer may give.
        words: pairs of an index into the text and an index into ``samples``, as `Speech.words`.
    """

    samples: Samples
    words: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Say:
    """Text that the app wants the assistant to say by itself; see `converse`.

    Args:
        text: what to say.
        interruptible: whether the user may interrupt it.
        when: ``"free"``: once nobody speaks and no reply is due. ``"now"``: at once, in place of
            the reply in progress.
    """

    text: str
    _: KW_ONLY
    interruptible: bool = True
    when: Literal["free", "now"] = "free"

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.text), str):
            raise ConfigError(f"Say text must be a str, got {self.text!r}")
        if self.when not in ("free", "now"):
            raise ConfigError(f'Say when must be "free" or "now", got {self.when!r}')
