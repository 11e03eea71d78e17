"""The conversation of ``rxvoice talk``, as a pipe: what to copy into a program of your own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reactivex import Observable, Subject
from reactivex import operators as ops

from rxvoice import echo
from rxvoice import operators as vox
from rxvoice._threads.paced import paced
from rxvoice.chunks import AudioChunk
from rxvoice.cli._keys import PushToTalk
from rxvoice.cli._parts import Parts
from rxvoice.cli._settings import CommandSettings
from rxvoice.elements import FinishedTurn, Reply, Speech
from rxvoice.events import Event
from rxvoice.policies import silence

if TYPE_CHECKING:
    from rxvoice.mlx import MlxScheduler

_START_CHUNKS = 3
"""A click, or a chunk of echo that was not known as one, is no turn."""
_TAIL_MS = 200
"""Heard after the button was let go: fingers are faster than tongues."""


class Controls:
    """What may be done to a conversation while it goes on; from any thread.

    Args:
        button: what the user pushes to talk; None to listen all the time.
    """

    def __init__(self, button: PushToTalk | None = None) -> None:
        self.button = button
        self.interrupts: Subject[str | None] = Subject()
        self.closing = False

    def press(self) -> None:
        """Push the button: a turn begins, and a reply in progress ends; or the turn ends."""
        if self.button is not None:
            self.button.toggle()
            if self.button.down:
                self.interrupts.on_next(None)

    def close(self, *, silence: bool) -> None:
        """Hear nothing more; a turn that is open is written down.

        Args:
            silence: end the reply that is being heard, too.
        """
        self.closing = True
        if silence:
            self.interrupts.on_next(None)

    def listens(self, _: object) -> bool:
        """Whether the microphone is still heard."""
        return not self.closing


def conversation(
    microphone: Observable[AudioChunk | Event],
    parts: Parts,
    speaker: echo.Tap,
    settings: CommandSettings,
    *,
    models: MlxScheduler,
    controls: Controls,
    on_reply: Callable[[Reply | Event], None] = lambda _: None,
    on_speech: Callable[[Speech | FinishedTurn | Event], None] = lambda _: None,
) -> Observable[Speech | FinishedTurn | Event]:
    """From a microphone to a loudspeaker, with all that happens in between as events.

    Args:
        microphone: `rxv.microphone()`, or what gives the like.
        speaker: `rxv.speaker()`, in an `rxv.echo.tap`.
        models: the thread that runs the models.
        on_reply: told of each piece of text that the voice is given, on the conversation thread.
        on_speech: told of each piece of speech once it was written, on the conversation thread.
    """
    button = controls.button
    heard = microphone.pipe(
        ops.take_while(controls.listens),
        vox.meter(),
        vox.cancel_echo(speaker) if settings.echo == "cancel" else ops.do_action(),
        vox.chunk(512),
    )
    turns = heard.pipe(
        vox.vad(
            button or parts.vad,
            start=settings.vad_start,
            stop=settings.vad_stop,
            start_chunks=1 if button else _START_CHUNKS,
            echo=echo.correlation(speaker) if settings.echo == "correlate" and not button else None,
        ),
        vox.preroll(settings.preroll_ms),
        vox.turn_window(
            silence(_TAIL_MS if button else settings.silence_ms),
            max_duration_ms=settings.max_turn_ms,
        ),
    )
    return turns.pipe(
        vox.converse(
            vox.transcribe(parts.stt, worker=models.listening),
            vox.respond(parts.llm, worker=models.text),
            vox.speakable(),
            ops.do_action(on_reply),
            vox.synthesize(parts.tts, worker=paced(models.speech, speaker)),
            sink=speaker,
            min_speech_ms=settings.min_speech_ms,
            min_words=settings.min_words,
            interruptions=settings.interruptions,
            interrupts=controls.interrupts,
        ),
        vox.metrics(sink=speaker),
        ops.do_action(on_speech),
    )
