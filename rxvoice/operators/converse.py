"""`converse`: turns are answered, and a reply falls silent when the user speaks."""

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
    """Hold a conversation: answer each turn, and fall silent when the user speaks over the answer.

    It writes the speech to `sink` itself, counts what the sink takes and plays, and logs each
    turn with a `FinishedTurn`. So nothing that writes to a sink belongs behind it: `play` and
    ``subscribe(sink)`` refuse what it emits. A stage that changes speech goes inside, after
    `synthesize`.

    A reply is in progress from the end of its turn until it was heard to its end, and for
    `echo_tail_ms` after. A turn that opens then is only a *candidate*. Playback pauses at its
    first chunk that counts as speech, and the reply is kept. A candidate that says something is
    confirmed: the reply is disposed, the sink cleared, the responder told what was heard, and the
    candidate is the next turn, with all its audio. After any other candidate the reply goes on
    with the very next sample.

    Words confirm a candidate, so a noise never ends a reply. A recogniser with partial transcripts
    tells them while the user speaks; one of whole turns tells them at the end of the turn, and
    playback stays paused until then. Speech over the assistant's voice that is shorter than
    `min_speech_ms` is dropped without asking the recogniser.

    Emits: what the last stage gives, in order, as it is written to the sink; a reply's final
        `Speech` and its `FinishedTurn` once it was heard to its end. Of a reply that was
        interrupted both say what was heard. Beside them, in the order in which it happened, all
        that `rxvoice.events` has from ``TurnOpened`` to ``Idle``; the sink's events, and those
        from upstream.
    Completes: when the source has and every turn was answered and heard, after one
        ``sink.flush()``.
    Errors: with the source, at once; with what a stage, the sink's ``events`` or `interrupts`
        errors with; with what ``sink.flush()`` raises. Whatever else the sink raises fails the turn
        that is being answered, with a `TurnFailed`, and no more.
    Drops: candidates that are not confirmed, and turns without a word, each with a ``Dropped``; of
        a reply that was interrupted, what was not heard; the words of a turn that the app
        interrupted before it was answered, where no other turn follows.
    Runs on: the threads of the source and the stages, one at a time, never two at once; the sink is
        written to there. What comes from the sink and from `interrupts` is taken to the scheduler
        given to ``subscribe``, where there is one. Timers run on that as well; without one, on
        threads of their own. Disposed or failed during a reply, it clears the sink and tells the
        responder what was heard.

    Args:
        listen: the stage that listens, `transcribe`. It begins when a turn opens, a candidate too.
            Or `answer` alone, one model that hears and speaks: nobody knows words then, so speech
            of `min_speech_ms` confirms a candidate, and texts are neither typed nor said.
        reply: the stages that answer, one or more, such as `respond`, `speakable` and
            `synthesize`; begun with each final transcript. The operator among them that has
            ``heard`` is told what was heard.
        sink: where the speech goes. One without ``pause`` is cleared instead, and given again what
            it had not played; of one without ``position`` all that it was given and does not return
            from ``clear`` was heard; with one without ``played`` a reply was heard once it was
            given.
        interruptions: False: turns that open during a reply wait, and are answered in order. It may
            change: an ``Observable[bool]``, where True holds until it says otherwise, or a function
            that is given the turn that opens. Candidates wait as well once it says False.
        says: what the app says by itself: a text, spoken once nobody speaks and nobody waits for an
            answer, or a `Say`. It passes the stages behind the one that answers. What was heard of
            it is the assistant's in the history of a responder that has ``said``.
        min_speech_ms: milliseconds of chunks judged speech, in one go, that a candidate must speak
            over the assistant's voice, 0 or more. A silence of 60 ms begins the count again.
        min_words: words that a candidate must say during a reply, 0 or more; without those that the
            assistant is saying.
        min_chars: letters that these words must have, 0 or more. A digit will do, and so will one
            character of a script without spaces, such as Chinese.
        stop_words: words or phrases that confirm a candidate whatever else is wanted.
        backchannels: words or phrases that alone never interrupt a reply, such as ``"mhm"``.
        own_words: whether words that the assistant is saying, or has just said, count as its echo.
            False where it cannot hear itself, as with headphones: then "coffee" answers "Tea or
            coffee?" while that is still being said.
        resume_after_ms: milliseconds after which playback goes on where partial transcripts come,
            and have no word yet, 0 or more. A candidate that has not spoken for `min_speech_ms`
            holds playback for 300 ms of its silence.
        hold_ms: the same where only whole turns are recognised, 0 or more.
        duck: the gain, 0 to 1, at which to play on instead of pausing; the sink needs ``duck``.
        echo: an object with ``is_echo(samples) -> bool``, or such a callable: such chunks of a
            candidate do not count as speech. `vad` takes one too, and opens no turn at them.
        echo_tail_ms: milliseconds after a reply during which a turn must still be confirmed, by any
            word, 0 or more.
        warm_up_ms: milliseconds from a reply's first sample during which speech does not pause it,
            0 or more: its words alone are judged, when its turn is over.
        interrupts: the app's own: None interrupts at once, or confirms the candidate that there
            is; a text interrupts too, and is answered as if it had been said, in a turn with an
            ``id`` below 0.
        preempt_after_ms: begin the reply when a partial transcript has not changed for so many
            milliseconds of silence, 0 or more, though the turn is not over; nothing of it comes
            out before the final transcript says the same. None: never.
        preempt_tries: how often in a turn, 1 or more.
        idle_ms: ``Idle`` when nobody has spoken for so many milliseconds, 1 or more, since a reply
            was heard; once. None: never.
        word_events: tell a ``Spoken`` for each word as it leaves the loudspeaker.
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
        # The engine is not loaded by ``import rxvoice``, which is to be quick.
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
