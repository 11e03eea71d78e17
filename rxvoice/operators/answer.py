"""`answer`: turns become speech, by one speech-to-speech model."""

from __future__ import annotations

from collections.abc import Callable
from operator import index

import numpy as np
from reactivex import abc

from rxvoice._answers.limits import limits
from rxvoice._answers.shapes import Text, sound
from rxvoice._audio.samples import Samples
from rxvoice._check import method, whole
from rxvoice._pieces import AnswerPiece
from rxvoice.elements import Recognised, Reply, Sentence, Speech, Transcript
from rxvoice.events import Event, Notice
from rxvoice.operators._job import Errors, Job
from rxvoice.operators._listen import listen_to
from rxvoice.operators._stage import Work, stage
from rxvoice.operators.kernel import Operator
from rxvoice.slots import Answer, SpeechToSpeechSlot
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
    """Answer each turn with one speech-to-speech model, in place of three models.

    Emits: for each `Turn`, in order, once it has ended, a `Speech` for each piece of sound as it is
        made; then a final one, without samples. The text of a sound is what the model wrote since
        the sound before. The `Transcript` has what the model understood; its text is empty if the
        model does not say. In place of the final one, a `TurnFailed` if the model or the turn
        fails, or the model gives neither sound nor text; a `Dropped` if the app discarded the turn.
        A `Notice` if the model gives text and no sound at all. A `Notice` from the model and events
        from upstream pass.
    Completes: when the source has completed and every turn is answered.
    Errors: with the source; with ``errors="raise"``, with the `StageError` of a failed turn.
    Drops: pieces without samples; on an error of the source, the reply in progress.
    Runs on: the thread of the source, or the worker's; see `worker`.

    Args:
        model: an object with ``answer_turn(audio)``, or such a callable. ``audio`` is the whole
            turn, float32 of shape ``(n,)``. Its pieces may be: sound, in the shapes that
            `synthesize` takes; a str, new text of the sound that follows; a result with ``audio``,
            ``sample_rate`` and maybe ``text``, such as those of ``mlx_audio.sts``; a `Recognised`,
            what the user has said.
        worker: the scheduler on which the model is called, one step at a time. Results come back on
            the scheduler given to ``subscribe``, or else arrive on the worker's thread. None: the
            model is called where the element arrived.
        errors: what a failed turn causes: ``"event"``, a `TurnFailed`; ``"raise"``, an error.
        timeout_ms: milliseconds, 1 or more, that the model may give nothing once it was asked; None
            for no limit. Past it the turn fails with a `ModelTimeout`. The scheduler given to
            ``subscribe`` counts, and only while a step is asked for. A call in place cannot be cut
            short: its turn fails when the call returns.
        total_timeout_ms: the same for the whole reply.
        sample_rate: Hz, if neither the model nor the piece has a ``sample_rate``.
    """
    time_limits = limits("answer", timeout_ms, total_timeout_ms)
    answer_turn: Callable[[Samples], Answer[object]] = method(model, "answer_turn")
    rate: int = getattr(model, "sample_rate", sample_rate)
    whole("answer sample_rate", rate, 1, "Hz")

    # A paced worker has the sink convert each piece on the thread that made it.
    convert_ahead = getattr(worker, "convert_ahead", None)

    def take(piece: object, turn: Turn) -> AnswerPiece:
        taken = _piece(piece, rate)
        if convert_ahead is not None and taken.sound is not None:
            convert_ahead(taken.sound.samples, taken.sample_rate, turn)
        return taken

    def start() -> Work[Turn, Speech | Event]:
        def work(turn: Turn, job: Job[Speech | Event]) -> None:
            said = _SpokenAnswer(turn, rate)

            def on_piece(piece: AnswerPiece) -> None:
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

    return stage(
        "answer",
        start,
        takes=Turn,
        made_by="turn_window()",
        worker=worker,
        errors=errors,
        limits=time_limits,
        speaks=True,
    )


class _SpokenAnswer:
    """The model's answer to a turn, so far."""

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
        """Whether the model gave words, and no sound."""
        return not self._sounded and any(map(str.isalnum, str(self._text)))

    def add(self, piece: AnswerPiece) -> Speech | None:
        """Add a piece, and return its sound, if it has any."""
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
        """End the answer, and return the final `Speech`."""
        self._text.end()
        self._sentence.is_over = True
        reply = Reply(self._transcript, text=str(self._text), final=True)
        return Speech(reply, np.empty(0, np.float32), self._rate, final=True)


def _piece(piece: object, sample_rate: int) -> AnswerPiece:
    """Read a piece. Raises TypeError or AudioFormatError if it is neither sound nor text."""
    if isinstance(piece, Recognised):
        return AnswerPiece(understood=piece)
    if isinstance(piece, str):
        return AnswerPiece(text=str.__str__(piece))
    audio, text = getattr(piece, "audio", None), getattr(piece, "text", None)
    words = str.__str__(text) if isinstance(text, str) else ""
    if audio is None and words:
        return AnswerPiece(text=words)
    rate = sample_rate if audio is None else _rate(piece, sample_rate)
    return AnswerPiece(text=words, sound=sound(piece, rate), sample_rate=rate)


def _rate(result: object, sample_rate: int) -> int:
    """The sample rate of a result, or this one if it has none."""
    own = getattr(result, "sample_rate", None)
    if own is None:
        return sample_rate
    whole("the sample_rate of a result", own, 1, "Hz")
    return index(own)
