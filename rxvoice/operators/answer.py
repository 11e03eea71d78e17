"""`answer`: turns become speech, by one model that hears and speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import index

import numpy as np
from reactivex import abc

from rxvoice._answers.shapes import Text, sound
from rxvoice._audio.samples import Samples
from rxvoice._check import whole
from rxvoice.elements import Recognised, Reply, Sentence, Speech, TimedSamples, Transcript
from rxvoice.events import Event, Notice
from rxvoice.operators._listen import listen_to
from rxvoice.operators._stage import Errors, Job, Work, limits, stage
from rxvoice.operators.kernel import Operator
from rxvoice.slots import Answer, SpeechToSpeechSlot, method
from rxvoice.turn import Turn

__all__ = ["answer"]


def answer(
    model: SpeechToSpeechSlot,
    *,
    worker: abc.SchedulerBase | None = None,
    errors: Errors = "event",
    timeout_ms: float | None = 30_000,
    total_timeout_ms: float | None = 300_000,
    sample_rate: int = 24_000,
) -> Operator[Turn | Event, Speech | Event]:
    """Answer each turn by one model that hears and speaks, in the place of three.

    Emits: for each `Turn`, in order, once it has ended, a `Speech` for each piece of sound, as it
        is made; then a final one, without samples. The text of the sound is what the model wrote
        since the sound before; the `Transcript` it answers has what the model understood, and no
        text where it does not say. A `TurnFailed` in place of the final one when the model or the
        turn fails, or what it gives is neither sound nor text; a `Dropped` in its place where the
        app discarded the turn. A `Notice` where it gives text and no sound at all. A `Notice` that
        it gives, and events from upstream, pass.
    Completes: when the source has and every turn has been answered.
    Errors: with the source; with ``errors="raise"``, a failed turn's `StageError`.
    Drops: pieces without samples; on an error of the source, the answer in progress.
    Runs on: the thread of the source, or with a worker that one; see there.

    Args:
        model: an object with ``answer_turn(audio)``, or such a callable; ``audio`` is float32 of
            shape ``(n,)``, the whole turn. Its pieces are sound, in the shapes that `synthesize`
            takes; a str, which is new text of the answer, and belongs to the sound that follows; a
            result with ``audio``, ``sample_rate`` and maybe ``text``, as those of
            ``mlx_audio.sts``; and a `Recognised`, what the user has said.
        worker: the scheduler on which the model is called, a step at a time; results come back on
            the scheduler given to ``subscribe``, on the worker's where none was. None: where the
            element arrived.
        errors: ``"event"`` or ``"raise"``.
        timeout_ms: the longest that the model may give nothing once it was asked, in milliseconds,
            1 or more; None for no limit. Past it the turn fails, by a `ModelTimeout`. Counted by
            the scheduler given to ``subscribe``, and only while a step is asked for. A call in
            place cannot be cut short: it is too late when it returns.
        total_timeout_ms: the longest that it may take for all of an answer, likewise.
        sample_rate: Hz, of a model that has no ``sample_rate`` of its own, where the piece has none
            either.
    """
    time_limits = limits("answer", timeout_ms, total_timeout_ms)
    answer_turn: Callable[[Samples], Answer[object]] = method(model, "answer_turn")
    rate: int = getattr(model, "sample_rate", sample_rate)
    whole("answer sample_rate", rate, 1, "Hz")

    # A paced worker has the sink convert each piece on the thread that made it.
    convert_ahead = getattr(worker, "convert_ahead", None)

    def take(piece: object, turn: Turn) -> _Piece:
        taken = _piece(piece, rate)
        if convert_ahead is not None and taken.sound is not None:
            convert_ahead(taken.sound.samples, taken.sample_rate, turn)
        return taken

    def start() -> Work[Turn, Speech | Event]:
        def work(turn: Turn, job: Job[Speech | Event]) -> None:
            said = _Answer(turn, rate)

            def on_piece(piece: _Piece) -> None:
                speech = said.add(piece)
                if speech is not None:
                    job.emit(speech)

            def on_end() -> None:
                last = said.end()
                if said.is_mute:
                    message = "the model gave text and no sound"
                    job.emit(Notice(message, turn=turn, stage="answer"))
                job.emit(last)
                job.done()

            def ask() -> None:
                job.ask(
                    turn,
                    lambda: answer_turn(turn.audio),
                    lambda piece: take(piece, turn),
                    on_piece,
                    on_end,
                )

            listen_to(turn, job, None, ask)

        return work

    operator = stage(
        "answer",
        start,
        takes=Turn,
        made_by="turn_window()",
        worker=worker,
        errors=errors,
        limits=time_limits,
    )
    # For `converse`, which is given the operator and not the model.
    setattr(operator, "speaks", True)  # noqa: B010
    return operator


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the model gave: whichever of it there is."""

    understood: Recognised | None = None
    text: str = ""
    sound: TimedSamples | None = None
    sample_rate: int = 0


class _Answer:
    """An answer as it is given."""

    def __init__(self, turn: Turn, sample_rate: int) -> None:
        self._transcript = Transcript(turn, "")
        self._rate = sample_rate
        self._text = Text()
        self._waiting = ""  # text whose sound is still to come
        self._reply: Reply | None = None
        self._sentence = Sentence("")
        self._sounded = False

    @property
    def is_mute(self) -> bool:
        """Whether there is something to say, and none of it was spoken."""
        return not self._sounded and any(map(str.isalnum, str(self._text)))

    def add(self, piece: _Piece) -> Speech | None:
        """Take a piece; its sound, if it has any."""
        if piece.understood is not None:
            text = piece.understood.text.strip()
            self._transcript = Transcript(self._transcript.turn, text, True, piece.understood)
            self._reply = None
        self._waiting += self._text.add(piece.text)
        if piece.sound is None or not len(piece.sound.samples):
            return None
        if self._waiting or self._reply is None:
            self._reply = Reply(self._transcript, self._waiting)
        if self._waiting.strip():
            self._sentence.is_over = True
            self._sentence = Sentence(self._waiting.strip())
        self._waiting, self._rate, self._sounded = "", piece.sample_rate, True
        return Speech(
            self._reply,
            piece.sound.samples,
            piece.sample_rate,
            self._sentence.text,
            words=piece.sound.words,
            sentence=self._sentence,
        )

    def end(self) -> Speech:
        """There is no more."""
        self._text.end()
        self._sentence.is_over = True
        reply = Reply(self._transcript, text=str(self._text), final=True)
        return Speech(reply, np.empty(0, np.float32), self._rate, final=True)


def _piece(piece: object, sample_rate: int) -> _Piece:
    """Sound, text or both; TypeError or AudioFormatError where it is neither."""
    if isinstance(piece, Recognised):
        return _Piece(understood=piece)
    if isinstance(piece, str):
        return _Piece(text=str.__str__(piece))
    audio, text = getattr(piece, "audio", None), getattr(piece, "text", None)
    words = str.__str__(text) if isinstance(text, str) else ""
    if audio is None and words:
        return _Piece(text=words)
    rate = sample_rate if audio is None else _rate(piece, sample_rate)
    return _Piece(text=words, sound=sound(piece, rate), sample_rate=rate)


def _rate(result: object, sample_rate: int) -> int:
    """Of a result, where it has its own."""
    own = getattr(result, "sample_rate", None)
    if own is None:
        return sample_rate
    whole("the sample_rate of a result", own, 1, "Hz")
    return index(own)
