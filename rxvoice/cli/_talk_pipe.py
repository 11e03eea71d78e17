"""The conversation of ``rxvoice talk`` as a pipe: copy it into a program of your own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reactivex import Observable, Subject, abc
from reactivex import operators as ops

from rxvoice import echo
from rxvoice import operators as vox
from rxvoice._boundary import calling
from rxvoice._threads.paced import paced
from rxvoice.chunks import AudioChunk
from rxvoice.cli._keys import PushToTalk
from rxvoice.cli._parts import Parts
from rxvoice.cli._settings import CommandSettings
from rxvoice.elements import FinishedTurn, Reply, Speech
from rxvoice.events import Event
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful_on_events
from rxvoice.policies import silence
from rxvoice.slots import PolicySlot

if TYPE_CHECKING:
    from rxvoice.mlx import MlxScheduler

_START_CHUNKS = 3
"""Chunks of speech that open a turn. Fewer are a click, or an echo that was not recognised."""
_TAIL_MS = 200
"""Audio that still belongs to the turn after the button is released, in milliseconds."""


class Controls:
    """Controls a running conversation. Any thread may call its methods.

    Args:
        button: the button that the user pushes to talk; None to listen all the time.
    """

    def __init__(self, button: PushToTalk | None = None) -> None:
        self.button = button
        self.interrupts: Subject[str | None] = Subject()
        self.closing = False

    def press(self) -> None:
        """Push the button: begin a turn and interrupt the reply, or end the turn."""
        if self.button is not None:
            self.button.toggle()
            if self.button.down:
                self.interrupts.on_next(None)

    def close(self, *, silence: bool) -> None:
        """Stop listening. The open turn still gets its transcript.

        Args:
            silence: also interrupt the reply.
        """
        self.closing = True
        if silence:
            self.interrupts.on_next(None)


def _while_listening(
    controls: Controls,
) -> Operator[AudioChunk | Event, AudioChunk | Event]:
    """Pass what the microphone gives, and complete once it is to be closed."""

    def start(out: Subscription[AudioChunk | Event]) -> Handlers[AudioChunk | Event]:
        call = calling(out.scheduler)

        def step(element: AudioChunk | Event) -> None:
            # Another thread closes it, at a moment that a trace must have.
            if call("closing", lambda: controls.closing, False):
                out.complete()
            else:
                out.emit(element)

        return step, None, None

    return stateful_on_events(start)


def conversation(
    microphone: Observable[AudioChunk | Event],
    parts: Parts,
    speaker: echo.Tap,
    settings: CommandSettings,
    *,
    models: MlxScheduler | None,
    waiting: abc.SchedulerBase | None = None,
    controls: Controls,
    on_reply: Callable[[Reply | Event], None] = lambda _: None,
    on_speech: Callable[[Speech | FinishedTurn | Event], None] = lambda _: None,
) -> Observable[Speech | FinishedTurn | Event]:
    """Make the conversation, from a microphone to a loudspeaker, with its events.

    Args:
        microphone: `rxv.microphone()`, or another source of the same kind.
        speaker: `rxv.speaker()` in an `rxv.echo.tap`.
        models: the thread that runs the models; None to run them where they are asked.
        waiting: runs the language model if it is behind a server; None for `models`.
        on_reply: called on the conversation thread with each piece of text for the voice.
        on_speech: called on the conversation thread with each piece of speech that was written.
    """
    button = controls.button
    chunks = microphone.pipe(
        _while_listening(controls),
        vox.meter(),
        vox.cancel_echo(speaker) if settings.echo == "cancel" else ops.do_action(),
        vox.chunk(512),
    )
    turns = chunks.pipe(
        vox.vad(
            button or parts.vad,
            start=settings.vad_start,
            stop=settings.vad_stop,
            start_chunks=1 if button else _START_CHUNKS,
            echo=echo.correlation(speaker) if settings.echo == "correlate" and not button else None,
        ),
        vox.preroll(settings.preroll_ms),
        vox.turn_window(
            _turn_end(parts, settings, models, controls), max_duration_ms=settings.max_turn_ms
        ),
    )
    return turns.pipe(
        vox.converse(
            vox.transcribe(parts.stt, worker=models and models.listening),
            vox.respond(parts.llm, worker=waiting or (models and models.text)),
            vox.speakable(),
            ops.do_action(on_reply),
            vox.synthesize(parts.tts, worker=models and paced(models.speech, speaker)),
            sink=speaker,
            min_speech_ms=settings.min_speech_ms,
            min_words=settings.min_words,
            interruptions=settings.interruptions,
            interrupts=controls.interrupts,
            says=parts.says,
        ),
        vox.metrics(sink=speaker),
        ops.do_action(on_speech),
    )


def _turn_end(
    parts: Parts, settings: CommandSettings, models: MlxScheduler | None, controls: Controls
) -> PolicySlot:
    """What ends a turn: the button, a model, or silence."""
    if controls.button is not None:
        return silence(_TAIL_MS)
    if parts.smart_turn is not None:
        return parts.smart_turn.fresh(worker=models and models.listening)
    return silence(settings.silence_ms)
