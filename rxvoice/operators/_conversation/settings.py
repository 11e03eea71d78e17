"""The options of `converse`: their types, defaults and checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from functools import cached_property
from inspect import Parameter
from typing import TypeAlias, TypedDict

from reactivex import Observable

from rxvoice._check import at_least, milliseconds, whole, within
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Say
from rxvoice.errors import ConfigError
from rxvoice.operators._echo_judge import echo_judge
from rxvoice.operators._stage_operator import Stage, take_apart
from rxvoice.slots import AudioSink, EchoSlot
from rxvoice.turn import Turn

Phrases: TypeAlias = tuple[tuple[str, ...], ...]
"""Phrases, each as its words."""


class ConverseOptions(TypedDict, total=False):
    """The options of `converse`, as a type checker sees them."""

    interruptions: bool | Observable[bool] | Callable[[Turn], bool]
    says: Observable[str | Say] | Observable[str] | Observable[Say] | None
    min_speech_ms: float
    min_words: int
    min_chars: int
    stop_words: Sequence[str]
    backchannels: Sequence[str]
    own_words: bool
    resume_after_ms: float
    hold_ms: float
    duck: float | None
    echo: EchoSlot | None
    echo_tail_ms: float
    warm_up_ms: float
    interrupts: Observable[str | None] | None
    preempt_after_ms: float | None
    preempt_tries: int
    idle_ms: float | None
    word_events: bool


@dataclass(frozen=True)
class ConverseSettings:
    """The arguments of `converse`, checked; its docstring documents them.

    Args:
        listen: the stage that listens. None: the first stage of the reply takes the turn itself.
        reply: the stages of the reply.
        sink: where the speech goes.
    """

    listen: Stage | None
    reply: tuple[Stage, ...]
    sink: AudioSink
    _: KW_ONLY
    interruptions: bool | Observable[bool] | Callable[[Turn], bool] = True
    says: Observable[str | Say] | Observable[str] | Observable[Say] | None = None
    min_speech_ms: float = 180
    min_words: int = 0
    min_chars: int = 2
    stop_words: Sequence[str] = ()
    backchannels: Sequence[str] = ()
    own_words: bool = True
    resume_after_ms: float = 1_500
    hold_ms: float = 10_000
    duck: float | None = None
    echo: EchoSlot | None = None
    echo_tail_ms: float = 450
    warm_up_ms: float = 0
    interrupts: Observable[str | None] | None = None
    preempt_after_ms: float | None = None
    preempt_tries: int = 2
    idle_ms: float | None = None
    word_events: bool = False

    def __post_init__(self) -> None:
        if self.listen is None and self.says is not None:
            raise ConfigError("converse says wants a voice of its own, such as vox.synthesize(tts)")
        milliseconds("converse min_speech_ms", self.min_speech_ms, 0)
        whole("converse min_words", self.min_words, 0, "words")
        whole("converse min_chars", self.min_chars, 0, "characters")
        for name in ("resume_after_ms", "hold_ms", "echo_tail_ms", "warm_up_ms"):
            at_least(f"converse {name}", getattr(self, name), 0, "ms")
        if self.duck is not None:
            within("converse duck", self.duck, 0, 1, "gain")
        if self.preempt_after_ms is not None:
            at_least("converse preempt_after_ms", self.preempt_after_ms, 0, "ms")
            if not all(it.memory is None or it.memory.can_forget for it in take_apart(self.reply)):
                raise ConfigError(
                    "converse preempt_after_ms wants a responder that can forget a question: "
                    "give it forget() beside heard()"
                )
        whole("converse preempt_tries", self.preempt_tries, 1, "tries")
        if self.idle_ms is not None:
            at_least("converse idle_ms", self.idle_ms, 1, "ms")
        for name in ("write_samples", "flush", "clear", *(() if self.duck is None else ("duck",))):
            if not callable(getattr(self.sink, name, None)):
                raise ConfigError(f"converse wanted a sink with {name}(), got {self.sink!r}")
        # The other checks are made where these are computed.
        _ = self.is_echo, self.stop_phrases, self.backchannel_phrases

    @property
    def knows_words(self) -> bool:
        """Whether any stage says what the user said."""
        return self.listen is not None

    @cached_property
    def stop_phrases(self) -> Phrases:
        """The stop words, each phrase as its words."""
        return _phrases("stop_words", self.stop_words)

    @cached_property
    def backchannel_phrases(self) -> Phrases:
        """The backchannels, each phrase as its words."""
        return _phrases("backchannels", self.backchannels)

    @cached_property
    def is_echo(self) -> Callable[[AudioChunk], bool] | None:
        """Whether a chunk is the assistant's own voice. None: there is no detector."""
        return None if self.echo is None else echo_judge(self.echo)


def option_parameters() -> list[Parameter]:
    """The options as parameters of a signature, with their defaults."""
    return [
        Parameter(it.name, Parameter.KEYWORD_ONLY, default=it.default, annotation=it.type)
        for it in fields(ConverseSettings)
        if it.kw_only
    ]


def _phrases(name: str, given: Sequence[str]) -> Phrases:
    """Each phrase as its words, without case and punctuation."""
    from rxvoice._text.words import words

    if not isinstance(given, str):
        phrases = tuple(tuple(words(phrase)) for phrase in given)
        if all(phrases):
            return phrases
    raise ConfigError(f'converse {name} must be words or phrases, as ("stop",), got {given!r}')
