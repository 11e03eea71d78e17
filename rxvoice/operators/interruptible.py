"""`interruptible`: turns are answered, and a reply falls silent when the user speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeVar, Unpack, overload

from reactivex import Observable

from rxvoice._check import at_least, whole, within
from rxvoice.elements import Event, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.operators._kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.slots import AudioSink, EchoSlot, echo_judge
from rxvoice.turn import Turn

if TYPE_CHECKING:
    from rxvoice.operators._interruption._settings import Stage

__all__ = ["interruptible"]

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")


class _Options(TypedDict, total=False):
    """The options of `interruptible`."""

    min_speech_ms: float
    min_words: int
    min_chars: int
    resume_after_ms: float
    duck: float | None
    interruptions: bool
    stop_words: Sequence[str]
    echo: EchoSlot | None
    echo_tail_ms: float
    warm_up_ms: float
    interrupts: Observable[str | None] | None
    preempt_after_ms: float | None
    preempt_tries: int
    idle_ms: float | None


Listen: TypeAlias = Operator[Turn | Event, Transcript | Event]


@overload
def interruptible(
    listen: Listen,
    first: Operator[Transcript | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[_Options],
) -> Operator[Turn | Event, T | Speech | Event]: ...


@overload
def interruptible(
    listen: Listen,
    first: Operator[Transcript | Event, U | Event],
    second: Operator[U | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[_Options],
) -> Operator[Turn | Event, T | Speech | Event]: ...


@overload
def interruptible(
    listen: Listen,
    first: Operator[Transcript | Event, U | Event],
    second: Operator[U | Event, V | Event],
    third: Operator[V | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[_Options],
) -> Operator[Turn | Event, T | Speech | Event]: ...


def interruptible(
    listen: Listen,
    *reply: Stage,
    sink: AudioSink,
    min_speech_ms: float = 180,
    min_words: int = 0,
    min_chars: int = 2,
    resume_after_ms: float = 1_500,
    duck: float | None = None,
    interruptions: bool = True,
    stop_words: Sequence[str] = (),
    echo: EchoSlot | None = None,
    echo_tail_ms: float = 450,
    warm_up_ms: float = 0,
    interrupts: Observable[str | None] | None = None,
    preempt_after_ms: float | None = None,
    preempt_tries: int = 2,
    idle_ms: float | None = None,
) -> Operator[Turn | Event, T | Speech | Event]:
    """Answer each turn, and fall silent when the user speaks over the answer.

    A reply is in progress from the end of its turn until it was heard to its end, and for
    `echo_tail_ms` after. A turn that opens then is only a candidate: playback is paused at its
    first chunk that counts as speech, and goes on with the very next sample if the candidate turns
    out to be none. Once it is confirmed the reply in progress is disposed, the sink cleared, the
    responder told what was heard, and the candidate is the next turn, with all its audio.

    To be followed directly by ``play(sink)`` or ``subscribe(sink)``: it holds the sink back and
    clears it, and reads its position, but writes nothing. What is not written is waited for: with
    ``play(errors="event")`` a failed write would leave the reply without an end.

    Emits: what the last stage gives, in order, as it comes; a reply's final `Speech` once it was
        heard to its end. Of a reply that was interrupted, a final one that says what was heard.
        Beside them, in the order in which it happened, all that `rxvoice.events` has from
        ``TurnOpened`` to ``Idle``; the sink's events, and those from upstream.
    Completes: when the source has and every turn was answered and heard.
    Errors: with the source, at once; with what a stage, the sink's ``events`` or `interrupts`
        errors with; a `StageError` when a method of the sink raises.
    Drops: candidates that are not confirmed, and turns without a word, each with a ``Dropped``; of
        a reply that was interrupted, what was not heard; the words of a turn that the app
        interrupted before it was answered, where no other turn follows.
    Runs on: the threads of the source and the stages, one at a time, never two at once. What comes
        from the sink and from `interrupts` is taken to the scheduler given to ``subscribe``, where
        there is one. Timers run on that as well; without one, on threads of their own. Disposed or
        failed while it is paused, it clears the sink, so that nothing is heard later; otherwise
        what the sink has is left to it.

    Args:
        listen: the stage that listens, `transcribe`. It begins when a turn opens, a candidate too.
        reply: the stages that answer, one or more, `respond` and `synthesize`; begun with each
            final transcript. The operator among them that has ``heard`` is told what was heard.
        sink: where the speech goes. One without ``pause`` plays on while a candidate is judged; of
            one without ``position`` all that it was given and does not return from ``clear`` was
            heard; with one without ``played`` a reply was heard once it was given.
        min_speech_ms: milliseconds of chunks judged speech that confirm a candidate, 0 or more. A
            silence of 300 ms begins the count anew.
        min_words: words that it must have said as well, where partial transcripts come, 0 or more;
            without those that the assistant is saying. As long as nothing of a reply was heard
            there is nothing to stop, so a word is always wanted then, if it takes until the final
            transcript.
        min_chars: letters and digits that these words must have, 0 or more.
        resume_after_ms: milliseconds after which playback goes on, confirmed or not, 0 or more. A
            candidate that has spoken long enough over a reply of which nothing was heard, and
            whose words nobody knows yet, is then confirmed instead.
        duck: the gain, 0 to 1, at which to play on instead of pausing; the sink needs ``duck``.
        interruptions: False: turns that open during a reply wait, and are answered in order.
        stop_words: words or phrases that confirm a candidate whatever else is wanted.
        echo: an object with ``is_echo(samples) -> bool``, or such a callable: such chunks of a
            candidate do not count as speech. `vad` takes one too, and opens no turn at them.
        echo_tail_ms: milliseconds after a reply during which a turn must still be confirmed, 0 or
            more.
        warm_up_ms: milliseconds from a reply's first sample during which no speech counts, 0 or
            more.
        interrupts: the app's own: None interrupts at once, or confirms the candidate that there
            is; a text interrupts too, and is answered as if it had been said.
        preempt_after_ms: begin the reply when a partial transcript has not changed for so many
            milliseconds of silence, 0 or more, though the turn is not over; nothing of it comes
            out before the final transcript says the same. None: never.
        preempt_tries: how often in a turn, 1 or more.
        idle_ms: ``Idle`` when nobody has spoken for so many milliseconds, above 0, since a reply
            was heard; once. None: never.
    """
    # Its engine is not loaded by ``import rxvoice``, which is to be quick.
    from rxvoice.operators._interruption._dialogue import Dialogue
    from rxvoice.operators._interruption._evidence import Gates, phrases
    from rxvoice.operators._interruption._settings import Settings

    if not reply:
        raise ConfigError("interruptible wants one or more stages that answer, got none")
    for stage in (listen, *reply):
        if not callable(stage):
            raise ConfigError(
                f"interruptible takes operators, such as vox.transcribe(stt), got {stage!r}"
            )
    at_least("interruptible min_speech_ms", min_speech_ms, 0, "ms")
    whole("interruptible min_words", min_words, 0, "words")
    whole("interruptible min_chars", min_chars, 0, "characters")
    at_least("interruptible resume_after_ms", resume_after_ms, 0, "ms")
    at_least("interruptible echo_tail_ms", echo_tail_ms, 0, "ms")
    at_least("interruptible warm_up_ms", warm_up_ms, 0, "ms")
    if duck is not None:
        within("interruptible duck", duck, 0, 1, "gain")
    if preempt_after_ms is not None:
        at_least("interruptible preempt_after_ms", preempt_after_ms, 0, "ms")
        if any(hasattr(it, "heard") and not hasattr(it, "forget") for it in reply):
            raise ConfigError(
                "interruptible preempt_after_ms wants a responder that can forget a question: "
                "give it forget() beside heard()"
            )
    whole("interruptible preempt_tries", preempt_tries, 1, "tries")
    if idle_ms is not None:
        at_least("interruptible idle_ms", idle_ms, 1, "ms")
    for name in ("clear", *(["duck"] if duck is not None else [])):
        if not callable(getattr(sink, name, None)):
            raise ConfigError(f"interruptible wanted a sink with {name}(), got {sink!r}")
    if isinstance(stop_words, str) or not all(stops := phrases(stop_words)):
        raise ConfigError(
            f'interruptible stop_words must be words or phrases, as ("stop",), got {stop_words!r}'
        )
    is_echo = None if echo is None else echo_judge(echo)
    settings = Settings(
        listen=listen,
        reply=reply,
        sink=sink,
        gates=Gates(min_speech_ms, min_words, min_chars, stops, is_echo),
        resume_after_ms=resume_after_ms,
        duck=duck,
        interruptions=interruptions,
        echo_tail_ms=echo_tail_ms,
        warm_up_ms=warm_up_ms,
        interrupts=interrupts,
        preempt_after_ms=preempt_after_ms,
        preempt_tries=preempt_tries,
        idle_ms=idle_ms,
    )

    def start(out: Subscription[T | Speech | Event]) -> Handlers[Turn | Event]:
        dialogue = Dialogue(out, settings)
        dialogue.begin()
        return dialogue.take, dialogue.complete, dialogue.fail

    return stateful_on_events(start)
