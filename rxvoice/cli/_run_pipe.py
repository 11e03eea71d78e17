"""The conversation of ``rxvoice run`` and ``demo``: a recording, answered turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import reactivex as rx
from reactivex import Observable, Subject
from reactivex import operators as ops
from reactivex.scheduler import CurrentThreadScheduler

from rxvoice import events
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.cli._both import BothSides
from rxvoice.cli._parts import Parts
from rxvoice.cli._settings import CommandSettings
from rxvoice.cli._traced import live_here
from rxvoice.cli._view import PlainView
from rxvoice.elements import FinishedTurn, Reply, Speech, Transcript
from rxvoice.events import Event
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.policies import silence
from rxvoice.slots import AudioSink
from rxvoice.turn import Turn

T = TypeVar("T")


@dataclass
class Story:
    """Shows a conversation on a view, and keeps what the caller wants to know of it.

    Args:
        view: shows each event.
        progress: called with each chunk: how many seconds of the recording have passed.
        tell: called with each event.
        check: called with each chunk; may raise, to end the conversation.
    """

    view: PlainView
    progress: Callable[[float], None] = lambda _: None
    tell: Callable[[Event], None] = lambda _: None
    check: Callable[[], None] = lambda: None
    finished: list[FinishedTurn] = field(default_factory=list[FinishedTurn])
    failures: list[events.TurnFailed] = field(default_factory=list[events.TurnFailed])

    def on_chunk(self, chunk: AudioChunk | Event) -> None:
        """Report how far the recording has come."""
        self.check()
        if isinstance(chunk, AudioChunk):
            self.progress(chunk.start / chunk.sample_rate)

    def on_element(self, element: object) -> None:
        """Show an event, and keep each turn that finishes or fails."""
        if isinstance(element, FinishedTurn):
            self.finished.append(element)
        elif isinstance(element, Event):
            if isinstance(element, events.TurnFailed):
                self.failures.append(element)
            self.tell(element)
            self.view.show(element)


def conversation(
    microphone: Observable[AudioChunk],
    parts: Parts,
    sink: AudioSink,
    story: Story,
    *,
    settings: CommandSettings,
    both: BothSides | None = None,
) -> Observable[FinishedTurn | Event]:
    """Make the conversation, from a recording to a sink, with its events.

    It fails with what the recording failed with, once every turn before that has been answered.
    """
    errors: list[Exception] = []

    def end_early(error: Exception, _: Observable[AudioChunk]) -> Observable[AudioChunk]:
        # What the user said before the recording broke off still gets its reply.
        errors.append(error)
        return rx.empty()

    turns = microphone.pipe(ops.catch(end_early)).pipe(
        vox.chunk(512),
        ops.do_action(both.user) if both else ops.do_action(),
        ops.do_action(story.on_chunk),
        vox.vad(parts.vad, start=settings.vad_start, stop=settings.vad_stop),
        vox.preroll(settings.preroll_ms),
        vox.turn_window(silence(settings.silence_ms), max_duration_ms=settings.max_turn_ms),
    )
    replies = turns.pipe(
        _telling(_tell_turns),
        vox.transcribe(parts.stt),
        _telling(_tell_transcripts),
        vox.respond(parts.llm, min_chars=1),
        _telling(_tell_replies),
    )
    return replies.pipe(
        vox.speakable(),
        vox.synthesize(parts.tts),
        vox.metrics(),
        ops.do_action(both.assistant) if both else ops.do_action(),
        _telling(_tell_speech),
        _played(sink, errors),
    )


def converse(
    pipe: Observable[FinishedTurn | Event],
    story: Story,
    traced: Mapping[str, Any] | None = None,
) -> None:
    """Hold the conversation on this thread, and return when the recording has ended.

    Args:
        traced: options of `live` for a trace; None to record nothing.

    Raises:
        Exception: the error that the stream ended with. Every turn before it has been answered.
    """
    errors: list[Exception] = []
    # On this scheduler a paced recording plays on this thread too: subscribing is the conversation.
    here = CurrentThreadScheduler.singleton()
    if traced is None:
        pipe.subscribe(story.on_element, errors.append, scheduler=here)
    else:
        live_here(pipe, story.on_element, errors.append, here, **traced)
    if errors:
        raise errors[0]


def _played(
    sink: AudioSink, errors: list[Exception]
) -> Operator[Speech | Event, FinishedTurn | Event]:
    """Write the speech to the sink, and let events pass; end with the first of the errors."""

    def start(out: Subscription[FinishedTurn | Event]) -> Handlers[Speech | Event]:
        speech: Subject[Speech] = Subject()

        def step(element: Speech | Event) -> None:
            speech.on_next(element) if isinstance(element, Speech) else out.emit(element)

        def end() -> None:
            out.fail(errors[0]) if errors else out.complete()

        written = speech.pipe(vox.play(sink))
        out.life.add(written.subscribe(out.emit, out.fail, end, scheduler=out.scheduler))
        return step, speech.on_completed, None

    return stateful_on_events(start)


def _telling(
    start: Callable[[Subscription[T | Event]], Callable[[T | Event], None]],
) -> Operator[T | Event, T | Event]:
    """Make an operator that emits events beside the elements, from its step function."""

    def handlers(out: Subscription[T | Event]) -> Handlers[T | Event]:
        return start(out), None, None

    return stateful_on_events(handlers)


def _tell_turns(out: Subscription[Turn | Event]) -> Callable[[Turn | Event], None]:
    def step(element: Turn | Event) -> None:
        if isinstance(element, Turn):
            out.emit(events.TurnOpened(element))
        out.emit(element)

    return step


def _tell_transcripts(
    out: Subscription[Transcript | Event],
) -> Callable[[Transcript | Event], None]:
    def watch(turn: Turn) -> None:
        def ended() -> None:
            out.emit(events.TurnEnded(turn, turn.start + len(turn.audio)))

        out.life.add(turn.subscribe(on_error=lambda _: None, on_completed=ended))

    def step(element: Transcript | Event) -> None:
        if isinstance(element, events.TurnOpened):
            watch(element.turn)  # here, since `transcribe` holds an event back until the transcript
        if isinstance(element, Transcript) and element.final:
            out.emit(events.Transcribed(element.turn, element.text))
            if not element.text:
                out.emit(events.Dropped(element.turn, "no_words"))
        out.emit(element)

    return step


def _tell_replies(out: Subscription[Reply | Event]) -> Callable[[Reply | Event], None]:
    started: Turn | None = None

    def step(element: Reply | Event) -> None:
        nonlocal started
        if isinstance(element, Reply):
            if element.turn is not started:
                started = element.turn
                out.emit(events.ReplyStarted(started))
            if element.delta:
                out.emit(events.ReplyDelta(element.turn, element.delta))
        out.emit(element)

    return step


def _tell_speech(out: Subscription[Speech | Event]) -> Callable[[Speech | Event], None]:
    speaking: Turn | None = None

    def step(element: Speech | Event) -> None:
        nonlocal speaking
        if isinstance(element, Speech) and not element.final and element.turn is not speaking:
            speaking = element.turn
            out.emit(events.Speaking(speaking))
        out.emit(element)
        if isinstance(element, Speech) and element.final:
            out.emit(events.Finished(element.turn, element.reply.text))

    return step
