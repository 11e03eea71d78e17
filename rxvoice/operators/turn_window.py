"""`turn_window`: gather chunks into turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

from reactivex import Observable
from reactivex.disposable import CompositeDisposable, Disposable

from rxvoice._answers.observables import outwards
from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._answers.shapes import yes_or_no
from rxvoice._audio.samples import Samples
from rxvoice._boundary import Handled, boundary_of, outside
from rxvoice._check import at_least, method, observable, unjudged
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError, ModelTimeout, RxvoiceError
from rxvoice.events import Event, Muted
from rxvoice.operators._signals import on_signal, one_at_a_time
from rxvoice.operators.kernel import (
    Handlers,
    Operator,
    Subscription,
    misplaced,
    stateful_on_events,
)
from rxvoice.policies import fresh, silence
from rxvoice.slots import PolicySlot
from rxvoice.stage_error import StageError
from rxvoice.turn import EndedBy, Turn, TurnWriter

__all__ = ["turn_window"]


def turn_window(
    policy: PolicySlot = silence(1600),
    *,
    max_duration_ms: float = 30_000,
    timeout_ms: float | None = 30_000,
    end: Observable[object] | None = None,
    discard: Observable[object] | None = None,
    source: str | None = None,
) -> Operator[AudioChunk | Event, Turn | Event]:
    """Gather the chunks of each turn of the user.

    A chunk of speech opens a turn, whose audio starts with the chunk's ``lead_in``. While the turn
    is open every chunk joins it, also silence: a recogniser needs the silence at the end. After
    each chunk of silence the policy says whether the user has finished.

    Emits: each `Turn` as it *opens*; it grows from then on, and completes when the turn ends.
        Events from upstream pass.
    Completes: with the source, after it has ended an open turn (``ended_by="source"``). A partial
        chunk at the end joins an open turn and is not counted.
    Errors: with the source, with ``end`` and with ``discard``; with an `AudioFormatError` for a
        chunk that no `vad` has judged, or that does not have the policy's ``sample_rate``. Each
        first fails an open turn, with a `StageError`. A policy that raises fails only its turn.
    Drops: chunks outside a turn; the last ones come back as ``lead_in``. While `mute` mutes, no
        turn is open: it ends an open one (``"app"``).
    Runs on: the thread of the source. The later answer of a policy must arrive there too; it is
        subscribed to with the scheduler given to ``subscribe``. ``end`` and ``discard`` may emit on
        any thread: they act on that scheduler, or at once if there is none, and never while a chunk
        is being processed.

    A turn outlives the subscription that it came from while it has a subscriber: after
    ``ops.take(1)`` the source is disposed when the first turn is over. A turn that has
    no subscriber when that subscription is disposed fails, so that a later subscriber is told.

    Args:
        policy: an object with ``user_finished(audio, silence_ms) -> bool``, or such a callable.
            ``audio`` is the turn so far, float32 of shape ``(n,)``; ``silence_ms`` is the silence
            at its end, counted in samples. The result may be an ``Observable[bool]``: the turn ends
            when that emits True, unless the user has spoken since. If the policy has ``fresh()``,
            that makes a policy for each subscription; if it has a ``sample_rate``, each chunk must
            have it. If it has ``user_spoke_again(silence_ms)``, that is called with the silence
            that the user's speech ends, within a turn or between two.
        max_duration_ms: the longest turn, in milliseconds, 1 or more, pre-roll included. A longer
            one is ended (``"max_duration"``); if speech goes on it opens the next turn, and no
            sample is lost.
        timeout_ms: how long the later answer of a policy may take, in milliseconds of silence, 1 or
            more. After that the turn fails, with a `ModelTimeout`. None: no limit.
        end: each element ends the open turn (``"app"``), as the release of a push-to-talk key does.
            None: never.
        discard: each element ends the open turn and discards it (``"discarded"``): `transcribe`
            does not transcribe it. None: never.
        source: the microphone or person that the turns are from, such as ``"ann"``, for their
            ``source``. It tells them apart when turns of several are merged, since each numbers its
            own from 1. None: there is only one.

    These are the steps 3 and 4 of the reference loop.
    """
    method(policy, "user_finished")
    at_least("turn_window max_duration_ms", max_duration_ms, 1, "ms")
    if timeout_ms is not None:
        at_least("turn_window timeout_ms", timeout_ms, 1, "ms, or None,")
    observable("turn_window end", end)
    observable("turn_window discard", discard)
    if source is not None and not (isinstance(cast("object", source), str) and source.strip()):
        raise ConfigError(f'turn_window source must be a name such as "ann", got {source!r}')

    def start(out: Subscription[Turn | Event]) -> Handlers[AudioChunk | Event]:
        own = fresh(policy)
        boundary = boundary_of(out.scheduler)
        asking = _call if boundary is None else boundary.policy
        user_finished: Callable[[Samples, int], object] = method(own, "user_finished")
        rate: int | None = getattr(own, "sample_rate", None)
        spoke_again: Callable[[int], object] | None = getattr(own, "user_spoke_again", None)
        open_turn: TurnWriter | None = None
        silence_ms = 0
        count = 0
        turns = 0
        muted = False
        since_turn: int | None = None  # samples since the last turn ended
        silence_before: int  # ms of silence at the end of the last turn
        asked: CompositeDisposable | None = None
        asked_at: int | None = None  # the silence at the first question without an answer yet

        def close(ended_by: EndedBy) -> None:
            ended = reset()
            if ended:
                ended.close(ended_by, count)
                let_go_if_left()

        def fail_turn(error: BaseException) -> None:
            ended = reset()
            if ended:
                ended.fail(StageError("turn_window", ended.turn, error))
                let_go_if_left()

        def reset() -> TurnWriter | None:
            """Forget the turn before anything is emitted, so that an error downstream is safe."""
            nonlocal open_turn, since_turn, silence_before
            ended, open_turn = open_turn, None
            void_answers()
            if ended:
                since_turn, silence_before = 0, silence_ms
            return ended

        def let_go_if_left() -> None:
            if out.is_left:  # nobody would get another turn
                out.life.dispose()

        def void_answers() -> None:
            nonlocal asked, asked_at
            asked_at = None
            if asked:
                out.life.remove(asked)
                asked = None

        def open_with(chunk: AudioChunk) -> TurnWriter:
            nonlocal open_turn, turns
            lead_in = chunk.samples[:0] if chunk.lead_in is None else chunk.lead_in
            if since_turn is not None:
                lead_in = lead_in[max(0, len(lead_in) - since_turn) :]
            turns += 1
            first = chunk.start - len(lead_in)
            time = None if chunk.time is None else chunk.time - len(lead_in) / chunk.sample_rate
            opened = open_turn = TurnWriter(
                *(turns, first, chunk.sample_rate),
                keep=out.keep,
                barge_in=chunk.barge_in,
                source=source,
                time=time,
            )
            if len(lead_in):
                opened.append(
                    AudioChunk(lead_in, chunk.sample_rate, first, speech=False, time=time)
                )
            out.emit(opened.turn)
            return opened

        def ask(turn: Turn) -> None:
            nonlocal asked, asked_at
            try:
                finished = asking(lambda: user_finished(turn.audio, silence_ms))
            except BaseException as error:
                fail_turn(error)
                raise_if_ctrl_c(error)
                return
            if not isinstance(finished, bool) and isinstance(finished, Observable):
                # The bool is looked for first: isinstance() with Observable costs 0.3 µs.
                if asked is None:
                    asked = CompositeDisposable()
                    out.life.add(asked)
                if asked_at is None:
                    asked_at = silence_ms
                elif timeout_ms is not None and silence_ms - asked_at >= timeout_ms:
                    fail_turn(_unanswered(silence_ms - asked_at, timeout_ms))
                    return
                answered = Handled(on_answer, _nothing, fail_turn, asked)
                if boundary is not None:
                    recorded = boundary.ask("policy", turn, None, answered)
                    if recorded is None:
                        return
                    answered = recorded
                on_next, on_error = outwards(answered.take, answered.fail)
                later = cast("Observable[bool]", finished)
                asked.add(later.subscribe(on_next, on_error, scheduler=outside(out.scheduler)))
            else:
                on_answer(finished)

        def tell_policy(tell: Callable[[int], object], broken_ms: int) -> None:
            try:
                tell(broken_ms)
            except BaseException as error:
                fail_turn(error)
                raise_if_ctrl_c(error)

        def on_answer(finished: object) -> None:
            nonlocal asked_at
            asked_at = None
            try:
                over = yes_or_no(finished, "user_finished()")
            except Exception as error:
                fail_turn(error)
                return
            if over:
                close("policy")

        def step(element: AudioChunk | Event) -> None:
            nonlocal muted
            if isinstance(element, AudioChunk):
                on_chunk(element)
            elif isinstance(cast("object", element), Event):
                if isinstance(element, Muted):
                    muted = element.muted
                    if muted:
                        close("app")
                out.emit(element)
            else:
                out.fail(misplaced(("turn_window", AudioChunk, "chunk()"), element))

        def on_chunk(chunk: AudioChunk) -> None:
            nonlocal silence_ms, count, since_turn
            if chunk.partial:
                if open_turn:
                    open_turn.append(chunk)
                return
            if chunk.speech is None:
                fail(unjudged("turn_window"))
                return
            if rate and chunk.sample_rate != rate:
                wanted = f"this policy wants audio at {rate} Hz, got {chunk.sample_rate} Hz"
                fail(AudioFormatError(f"{wanted}: use chunk(sample_rate={rate})"))
                return
            count += 1
            if chunk.speech and not muted:  # a detector may be late to notice the mute
                if asked:
                    void_answers()
                broken_ms, silence_ms = silence_ms, 0
                if open_turn is None and since_turn is not None:
                    broken_ms = silence_before + since_turn * 1000 // chunk.sample_rate
                turn = open_turn or open_with(chunk)
                if spoke_again and broken_ms:
                    tell_policy(spoke_again, broken_ms)
            elif open_turn:
                silence_ms += chunk.ms
                turn = open_turn
            else:
                if since_turn is not None:
                    since_turn += len(chunk.samples)
                return
            turn.append(chunk if chunk.lead_in is None else replace(chunk, lead_in=None))
            if not chunk.speech and turn is open_turn:
                ask(turn.turn)
            if turn is open_turn and turn.turn.ms >= max_duration_ms:
                close("max_duration")

        def flush() -> None:
            close("source")
            out.complete()

        def fail(error: Exception) -> None:
            fail_turn(error)
            out.fail(error)

        def abandon() -> None:
            fail_turn(RxvoiceError(_ABANDONED))

        out.life.add(Disposable(abandon))
        if end is None and discard is None:
            return step, flush, fail
        steered = one_at_a_time()
        if end is not None:
            on_signal("end", end, out, steered(partial(close, "app")), steered(fail))
        if discard is not None:
            on_signal("discard", discard, out, steered(partial(close, "discarded")), steered(fail))
        return steered(step), steered(flush), steered(fail)

    return stateful_on_events(start)


def _call(ask: Callable[[], object]) -> object:
    return ask()


def _nothing() -> None:
    """A policy that answers later may end, which says nothing."""


def _unanswered(ms: int, timeout_ms: float) -> ModelTimeout:
    message = f"the policy gave no answer for {ms / 1000:.3g} s of silence"
    return ModelTimeout(f"{message} (timeout_ms={timeout_ms:g})", ms / 1000)


_ABANDONED = (
    "the subscription to turn_window() was disposed while the turn was open and had no subscriber: "
    "subscribe to a turn as it comes"
)
