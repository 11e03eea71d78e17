"""The pipe of a dialogue: the operators, from the microphone to the speech."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import reactivex as rx
from reactivex import Observable, Subject, abc
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.subject import BehaviorSubject

from rxvoice import operators as vox
from rxvoice._boundary import recorded
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Reply, Transcript
from rxvoice.serve._models import Models
from rxvoice.serve._traces import Record
from rxvoice.serve.session.asking import Asking, PipeOwner
from rxvoice.serve.session.judging import PREFIX_MS, Judge, Taking, TurnEnd, with_prefix
from rxvoice.serve.session.speaker import FarSpeaker
from rxvoice.serve.session.voice import Voice
from rxvoice.turn import Turn

MIN_SPEECH_MS = 180
"""Speech in one go that interrupts a reply, whatever it says."""

_LONGEST_MS = 300_000
"""The longest turn."""


class _Speaker(FarSpeaker):
    def __init__(self, scheduler: abc.SchedulerBase, on_made: Callable[[], None]) -> None:
        super().__init__(scheduler)
        self._on_made = on_made

    def end_reply(self) -> None:
        super().end_reply()
        self._on_made()


class Answering:
    """Asks the owner for each answer; a model for `respond`."""

    def __init__(self, ask: Callable[[Asking], None]) -> None:
        self._ask = ask
        self._transcript: Transcript | None = None

    def note(self, transcript: Transcript) -> None:
        """Remember which question comes next."""
        self._transcript = transcript

    def respond(self, _: str, /) -> Observable[Any]:
        """The answer, which the owner gives."""
        transcript = self._transcript
        assert transcript is not None

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            question = Asking(transcript, observer)
            self._ask(question)
            return question.life

        return Observable(subscribe)


class Pipe:
    """One subscription of `converse`, with its ways in.

    Args:
        models: what hears, and speaks.
        taking: how turns are taken, now.
        scheduler: where everything runs.
        owner: takes what happens.
        record: begins the trace of the pipe; None to record nothing.
    """

    def __init__(
        self,
        models: Models,
        taking: Taking,
        scheduler: abc.SchedulerBase,
        owner: PipeOwner,
        record: Record | None = None,
    ) -> None:
        self._models = models
        self._recording = None if record is None else record(scheduler)
        self._scheduler = scheduler
        self._owner = owner
        self.judge = Judge(models.detector(), taking, owner.on_speech)
        self.turn_end = TurnEnd(taking, models.smart_turn)
        self.voice = Voice(models)
        self.speaker = _Speaker(scheduler, owner.on_made)
        self._microphone: Subject[AudioChunk] = Subject()
        self._end: Subject[object] = Subject()
        self._discard: Subject[object] = Subject()
        self._given: Subject[Turn] = Subject()
        self._interrupts: Subject[str | None] = Subject()
        self._allowed: BehaviorSubject[bool] = BehaviorSubject(True)
        self._life = CompositeDisposable()
        self._taking = taking

    def open(self) -> None:
        """Begin to listen."""
        listening = self._models.scheduler.listening if self._models.scheduler else None
        turns = recorded("client", self._microphone).pipe(
            vox.vad(self.judge),
            vox.preroll(PREFIX_MS),
            ops.map(with_prefix(self._taking)),
            vox.turn_window(
                self.turn_end,
                max_duration_ms=_LONGEST_MS,
                end=self._end,
                discard=self._discard,
            ),
        )
        listen = vox.stages(
            vox.transcribe(self._models.stt, worker=listening), ops.do_action(self._note_words)
        )
        talk: Any = vox.converse(
            listen,
            *self._reply_stages(self._owner.on_question, self._owner.on_text, self.voice),
            sink=self.speaker,
            interruptions=self._allowed,
            interrupts=self._interrupts,
            min_speech_ms=MIN_SPEECH_MS,
        )
        pipe = _joined(turns, self._given).pipe(talk, vox.metrics())
        owner = self._owner
        told = (owner.on_element, owner.on_failed, partial(owner.on_failed, None))
        if self._recording is None:
            self._life.add(pipe.subscribe(*told, scheduler=self._scheduler))
        else:
            self._life.add(self._recording.follow(pipe, *told))

    def close(self) -> None:
        """End everything."""
        if self._recording is not None:
            self._recording.end("disposed")
        self._life.dispose()
        self.speaker.stop()

    # Ways in

    def hear(self, chunk: AudioChunk) -> None:
        """Take the next chunk of the microphone."""
        self._microphone.on_next(chunk)

    def end_turn(self) -> None:
        """End the open turn."""
        self._end.on_next(None)

    def discard_turn(self) -> None:
        """Drop the open turn."""
        self._discard.on_next(None)

    def give_turn(self, turn: Turn) -> None:
        """Listen to a turn that is over."""
        self._given.on_next(turn)

    def interrupt(self) -> None:
        """Confirm the open candidate, or silence the reply."""
        self._interrupts.on_next(None)

    def ask_for(self, marker: str) -> None:
        """Have a reply begun. The question's text ends with the marker."""
        self._interrupts.on_next(marker)

    def allow_interruptions(self, allowed: bool) -> None:
        """Let turns interrupt replies, or wait for their end."""
        if allowed != self._allowed.value:
            self._allowed.on_next(allowed)

    # Beside the conversation

    def answer_aside(
        self,
        turn: Turn,
        voice: Voice,
        ask: Callable[[Asking], None],
        on_text: Callable[[Reply], None],
        on_element: Callable[[object], None],
        on_over: Callable[[Exception | None], None],
    ) -> abc.DisposableBase:
        """Make a reply that is no part of the conversation, at the same time."""
        made: Observable[Any] = rx.return_value(Transcript(turn, ""))
        for stage in self._reply_stages(ask, on_text, voice):
            made = stage(made)
        asked = made.subscribe(
            on_element, on_over, partial(on_over, None), scheduler=self._scheduler
        )
        self._life.add(asked)

        def leave() -> None:
            self._life.remove(asked)

        return Disposable(leave)

    def _reply_stages(
        self,
        ask: Callable[[Asking], None],
        on_text: Callable[[Reply], None],
        voice: Voice,
    ) -> tuple[Callable[[Observable[Any]], Observable[Any]], ...]:
        answering = Answering(ask)
        speech = self._models.scheduler.speech if self._models.scheduler else None

        def note_text(reply: object) -> None:
            if isinstance(reply, Reply):
                on_text(reply)

        def note_question(asked: object) -> None:
            if isinstance(asked, Transcript):
                answering.note(asked)

        return (
            ops.do_action(note_question),
            # The owner limits the time of the model itself.
            vox.respond(answering, timeout_ms=None, total_timeout_ms=None),
            vox.speakable(),
            ops.do_action(note_text),
            vox.synthesize(voice, worker=speech),
        )

    def _note_words(self, element: object) -> None:
        if isinstance(element, Transcript):
            if element.final:
                self._owner.on_words(element)
            else:
                self.turn_end.words = element.text


def _joined(first: Observable[Any], second: Observable[Any]) -> Observable[Any]:
    """What both give, and the end of the first. Unlike `rx.merge`, it subscribes at once."""

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return CompositeDisposable(
            second.subscribe(observer.on_next, observer.on_error, scheduler=scheduler),
            first.subscribe(observer, scheduler=scheduler),
        )

    return Observable(subscribe)
