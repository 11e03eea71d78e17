"""`converse`: turns are answered, and a reply falls silent when the user interrupts."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, TypeAlias, TypeVar, Unpack, cast, overload

from rxvoice.elements import FinishedTurn, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators._conversation.settings import (
    ConverseOptions,
    ConverseSettings,
    option_parameters,
)
from rxvoice.operators._stage_operator import Stage, asked
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.slots import AudioSink
from rxvoice.turn import Turn

__all__ = ["converse"]

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
W = TypeVar("W")


Listen: TypeAlias = Operator[Turn | Event, Transcript | Event]


@overload
def converse(
    answer: Operator[Turn | Event, Speech | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[ConverseOptions],
) -> Operator[Turn | Event, Speech | FinishedTurn | Event]: ...


@overload
def converse(
    listen: Listen,
    first: Operator[Transcript | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[ConverseOptions],
) -> Operator[Turn | Event, T | Speech | FinishedTurn | Event]: ...


@overload
def converse(
    listen: Listen,
    first: Operator[Transcript | Event, U | Event],
    second: Operator[U | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[ConverseOptions],
) -> Operator[Turn | Event, T | Speech | FinishedTurn | Event]: ...


@overload
def converse(
    listen: Listen,
    first: Operator[Transcript | Event, U | Event],
    second: Operator[U | Event, V | Event],
    third: Operator[V | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[ConverseOptions],
) -> Operator[Turn | Event, T | Speech | FinishedTurn | Event]: ...


@overload
def converse(
    listen: Listen,
    first: Operator[Transcript | Event, U | Event],
    second: Operator[U | Event, V | Event],
    third: Operator[V | Event, W | Event],
    fourth: Operator[W | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[ConverseOptions],
) -> Operator[Turn | Event, T | Speech | FinishedTurn | Event]: ...


def converse(
    listen: Stage, *reply: Stage, sink: AudioSink, **options: Unpack[ConverseOptions]
) -> Operator[Turn | Event, T | Speech | FinishedTurn | Event]:
    """Hold a conversation: answer each turn, and fall silent when the user interrupts.

    `converse` writes the speech to `sink` itself, counts what the sink takes and plays, and logs
    each turn with a `FinishedTurn`. Put nothing behind it that writes to a sink: `play` and
    ``subscribe(sink)`` refuse what it emits. A stage that changes speech goes inside, after
    `synthesize`.

    A reply is in progress from the end of its turn until its last sample is heard, and for
    `echo_tail_ms` after that. A turn that opens in this time is only a *candidate*. Its first chunk
    that counts as speech pauses playback. The reply is kept. If the candidate says something, it is
    confirmed: the reply is disposed, the sink is cleared, the responder is told what was heard, and
    the candidate is the next turn, with all its audio. Otherwise the candidate is dropped, and the
    reply goes on with the very next sample.

    Words confirm a candidate, so a noise never ends a reply. A recogniser with partial transcripts
    tells them while the user speaks. A recogniser of whole turns tells them at the end of the turn,
    and playback stays paused until then. Speech over the assistant's voice that is shorter than
    `min_speech_ms` is dropped, and the recogniser is not asked.

    Emits: what the last stage gives, in order, as it is written to the sink; the final `Speech` of
        a reply and its `FinishedTurn` once the reply was heard to its end, or was interrupted: then
        both say what was heard. Among them, in the order in which they happen: the events from
        ``TurnOpened`` to ``Idle`` in `rxvoice.events`, the sink's events, and those from upstream.
    Completes: when the source has completed and every turn was answered and heard, after one
        ``sink.flush()``.
    Errors: at once with the source; with what a stage, the sink's ``events`` or `interrupts` errors
        with; with what ``sink.flush()`` raises. If another method of the sink raises, only the turn
        that is being answered fails, with a `TurnFailed`. What the subscriber raises reaches who
        gave the element; the turn that was at work fails, with a `TurnFailed` that comes next.
    Drops: candidates that are not confirmed and turns without a word, each with a ``Dropped``; the
        part of an interrupted reply that was not heard; the words of a turn that the app
        interrupted before it was answered, if no other turn follows.
    Runs on: the threads of the source and the stages, one at a time; the sink is written to there.
        What comes from the sink and from `interrupts` moves to the scheduler given to
        ``subscribe``, if there is one. Timers run on it too, or else on threads of their own.
        Disposed or failed during a reply, it clears the sink and tells the responder what was
        heard.

    Args:
        listen: the stage that listens, `transcribe`. It begins when a turn or a candidate opens.
            Or `answer` alone, for one model that takes and gives speech: then no words are known,
            speech of `min_speech_ms` confirms a candidate, and the app can neither type a text nor
            have one said.
        reply: one or more stages that answer, such as `respond`, `speakable` and `synthesize`. They
            begin with each final transcript. The operator that has ``heard`` is told what was heard
            of an interrupted reply.
        sink: where the speech goes. A sink without ``pause`` is cleared instead, and gets again
            what it had not played. Without ``position``, all that it took and does not return from
            ``clear`` counts as heard. Without ``played``, a reply counts as heard once it was
            written.
        interruptions: False: turns that open during a reply wait, and are answered in order. An
            ``Observable[bool]`` changes it; it begins with True. A function decides for each turn
            that opens. On False, open candidates wait as well.
        says: what the app says by itself: a text, said once nobody speaks and nobody waits for a
            reply, or a `Say`. It goes into the stages behind the responder. A responder that has
            ``said`` adds what was heard of it to its history.
        min_speech_ms: milliseconds of speech, in one go, that a candidate must speak over the
            assistant's voice, 0 or more. 60 ms of silence begin the count again.
        min_words: words that a candidate must say during a reply, 0 or more. Words that the
            assistant is saying do not count.
        min_chars: letters that these words must have in all, 0 or more. One digit is enough, and so
            is one character of a script without spaces, such as Chinese.
        stop_words: words or phrases that always confirm a candidate.
        backchannels: words or phrases that never interrupt a reply alone, such as ``"mhm"``.
        own_words: whether words that the assistant is saying, or has just said, count as its echo.
            Use False if the microphone cannot pick up the loudspeaker, as with headphones: then
            "coffee" answers "Tea or coffee?" before the question is over.
        resume_after_ms: milliseconds, 0 or more, after which playback goes on although the
            candidate is undecided, if partial transcripts come and have no word yet. A candidate
            shorter than `min_speech_ms` pauses playback only until it is silent for 300 ms.
        hold_ms: the same for a recogniser of whole turns, 0 or more.
        duck: the gain, 0 to 1, to play at instead of pausing. The sink must have ``duck``.
        echo: an object with ``is_echo(samples) -> bool``, or such a callable. Chunks that are echo
            do not count as speech of a candidate. `vad` takes one too, and opens no turn at echo.
        echo_tail_ms: milliseconds after a reply in which a turn is still a candidate, and any word
            confirms it, 0 or more.
        warm_up_ms: milliseconds from a reply's first sample in which speech does not pause it, 0 or
            more. Only its words are judged, when its turn is over.
        interrupts: what the app does. None interrupts the reply at once, or confirms the open
            candidate. A text interrupts too, and is answered as if the user had said it, in a turn
            with an ``id`` below 0.
        preempt_after_ms: begin the reply before the turn is over, once a partial transcript has
            stayed the same for so many milliseconds of silence, 0 or more. Nothing of the reply
            comes out until the final transcript says the same. None: never.
        preempt_tries: how often it may do that in a turn, 1 or more.
        idle_ms: emit ``Idle``, once, when nobody has spoken for so many milliseconds, 1 or more,
            after a reply. None: never.
        word_events: emit a ``Spoken`` for each word as it leaves the loudspeaker.
    """
    if not reply and not asked(listen).speaks:
        raise ConfigError("converse wants one or more stages that answer, got none")
    for stage in (listen, *reply):
        if not callable(stage):
            raise ConfigError(
                f"converse takes operators, such as vox.transcribe(stt), got {stage!r}"
            )
    for name in options:
        if name not in ConverseOptions.__annotations__:
            raise TypeError(f"converse() got an unexpected keyword argument {name!r}")
    settings = ConverseSettings(listen if reply else None, reply or (listen,), sink, **options)

    def start(out: Subscription[T | Speech | FinishedTurn | Event]) -> Handlers[Turn | Event]:
        # Imported here, so that ``import rxvoice`` is quick.
        from rxvoice.operators._conversation.engine import Engine

        engine = Engine(out, settings)
        engine.begin()
        return engine.take, engine.complete, engine.fail

    return stateful_on_events(start)


def _with_options(function: Callable[..., object]) -> Signature:
    """The signature of the function, with each option in place of ``**options``."""
    signed = signature(function)
    given = [it for it in signed.parameters.values() if it.kind is not Parameter.VAR_KEYWORD]
    return signed.replace(parameters=[*given, *option_parameters()])


cast("Any", converse).__signature__ = _with_options(converse)  # for help() and the docs
