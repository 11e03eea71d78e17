"""`converse`: turns are answered, and a reply falls silent when the user speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeVar, Unpack, overload

from reactivex import Observable

from rxvoice._check import at_least, milliseconds, whole, within
from rxvoice.elements import FinishedTurn, Say, Speech, Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.operators._echo_judge import echo_judge
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.slots import AudioSink, EchoSlot
from rxvoice.turn import Turn

if TYPE_CHECKING:
    from rxvoice.operators._conversation.settings import Stage

__all__ = ["converse"]

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
W = TypeVar("W")


class _Options(TypedDict, total=False):
    """The options of `converse`."""

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


Listen: TypeAlias = Operator[Turn | Event, Transcript | Event]


@overload
def converse(
    answer: Operator[Turn | Event, Speech | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[_Options],
) -> Operator[Turn | Event, Speech | FinishedTurn | Event]: ...


@overload
def converse(
    listen: Listen,
    first: Operator[Transcript | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[_Options],
) -> Operator[Turn | Event, T | Speech | FinishedTurn | Event]: ...


@overload
def converse(
    listen: Listen,
    first: Operator[Transcript | Event, U | Event],
    second: Operator[U | Event, T | Event],
    /,
    *,
    sink: AudioSink,
    **options: Unpack[_Options],
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
    **options: Unpack[_Options],
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
    **options: Unpack[_Options],
) -> Operator[Turn | Event, T | Speech | FinishedTurn | Event]: ...


def converse(
    listen: Stage,
    *reply: Stage,
    sink: AudioSink,
    interruptions: bool | Observable[bool] | Callable[[Turn], bool] = True,
    says: Observable[str | Say] | Observable[str] | Observable[Say] | None = None,
    min_speech_ms: float = 180,
    min_words: int = 0,
    min_chars: int = 2,
    stop_words: Sequence[str] = (),
    backchannels: Sequence[str] = (),
    own_words: bool = True,
    resume_after_ms: float = 1_500,
    hold_ms: float = 10_000,
    duck: float | None = None,
    echo: EchoSlot | None = None,
    echo_tail_ms: float = 450,
    warm_up_ms: float = 0,
    interrupts: Observable[str | None] | None = None,
    preempt_after_ms: float | None = None,
    preempt_tries: int = 2,
    idle_ms: float | None = None,
    word_events: bool = False,
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
    # Its engine is not loaded by ``import rxvoice``, which is to be quick.
    from rxvoice.operators._conversation.engine import Engine
    from rxvoice.operators._conversation.evidence import Gates
    from rxvoice.operators._conversation.settings import Settings
    from rxvoice.operators._flat import flat

    if not reply and not getattr(listen, "speaks", False):
        raise ConfigError("converse wants one or more stages that answer, got none")
    if not reply and says is not None:
        raise ConfigError("converse says wants a voice of its own, such as vox.synthesize(tts)")
    for stage in (listen, *reply):
        if not callable(stage):
            raise ConfigError(
                f"converse takes operators, such as vox.transcribe(stt), got {stage!r}"
            )
    milliseconds("converse min_speech_ms", min_speech_ms, 0)
    whole("converse min_words", min_words, 0, "words")
    whole("converse min_chars", min_chars, 0, "characters")
    at_least("converse resume_after_ms", resume_after_ms, 0, "ms")
    at_least("converse hold_ms", hold_ms, 0, "ms")
    at_least("converse echo_tail_ms", echo_tail_ms, 0, "ms")
    at_least("converse warm_up_ms", warm_up_ms, 0, "ms")
    if duck is not None:
        within("converse duck", duck, 0, 1, "gain")
    if preempt_after_ms is not None:
        at_least("converse preempt_after_ms", preempt_after_ms, 0, "ms")
        if any(hasattr(it, "heard") and not hasattr(it, "forget") for it in flat(reply)):
            raise ConfigError(
                "converse preempt_after_ms wants a responder that can forget a question: "
                "give it forget() beside heard()"
            )
    whole("converse preempt_tries", preempt_tries, 1, "tries")
    if idle_ms is not None:
        at_least("converse idle_ms", idle_ms, 1, "ms")
    for name in ("write_samples", "flush", "clear", *(["duck"] if duck is not None else [])):
        if not callable(getattr(sink, name, None)):
            raise ConfigError(f"converse wanted a sink with {name}(), got {sink!r}")
    is_echo = None if echo is None else echo_judge(echo)
    settings = Settings(
        listen=listen if reply else None,
        reply=reply or (listen,),
        sink=sink,
        gates=Gates(
            min_speech_ms,
            min_words,
            min_chars,
            _phrases("stop_words", stop_words),
            _phrases("backchannels", backchannels),
            bool(reply),
            own_words,
            is_echo,
        ),
        resume_after_ms=resume_after_ms,
        hold_ms=hold_ms,
        duck=duck,
        interruptions=interruptions,
        says=says,
        echo_tail_ms=echo_tail_ms,
        warm_up_ms=warm_up_ms,
        interrupts=interrupts,
        preempt_after_ms=preempt_after_ms,
        preempt_tries=preempt_tries,
        idle_ms=idle_ms,
        word_events=word_events,
    )

    def start(out: Subscription[T | Speech | FinishedTurn | Event]) -> Handlers[Turn | Event]:
        engine = Engine(out, settings)
        engine.begin()
        return engine.take, engine.complete, engine.fail

    return stateful_on_events(start)


def _phrases(name: str, given: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Each phrase in words, without regard to case and punctuation."""
    from rxvoice._text.words import words

    if not isinstance(given, str):
        phrases = tuple(tuple(words(phrase)) for phrase in given)
        if all(phrases):
            return phrases
    raise ConfigError(f'converse {name} must be words or phrases, as ("stop",), got {given!r}')
