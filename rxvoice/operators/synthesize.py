"""`synthesize`: an answer becomes speech, sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from reactivex import Observable, abc

from rxvoice._check import audio_samples, whole
from rxvoice.elements import (
    Event,
    Notice,
    Reply,
    Samples,
    Sentence,
    Speech,
    TimedSamples,
    Transcript,
)
from rxvoice.errors import AudioFormatError
from rxvoice.operators._stage import Errors, Job, Work, limits, stage
from rxvoice.operators.kernel import Handlers, Operator, Subscription, stateful
from rxvoice.segmenter import Segmenter
from rxvoice.slots import Answer, SynthesizerSlot, method
from rxvoice.turn import Turn

__all__ = ["synthesize"]


def synthesize(
    tts: SynthesizerSlot,
    *,
    worker: abc.SchedulerBase | None = None,
    errors: Errors = "event",
    timeout_ms: float | None = 30_000,
    total_timeout_ms: float | None = 300_000,
    sample_rate: int = 24_000,
    first_clause_chars: int | None = None,
) -> Operator[Reply | Event, Speech | Event]:
    """Speak each reply, a sentence as soon as it is written.

    Emits: a `Speech` for each piece of sound of each sentence, in order, while the reply is still
        being written; then a final one, without samples, when all of it has been given. A
        `TurnFailed` in its place when the synthesizer fails: the rest of that reply is not spoken.
        A `Notice` that it gives, and events from upstream, pass.
    Completes: when the source has and every reply has been spoken.
    Errors: with the source; with ``errors="raise"``, a failed turn's `StageError`.
    Drops: what has no letter or digit to speak; pieces without samples; the rest of a failed
        reply; on an error of the source, the reply in progress.
    Runs on: the thread of the source, or with a worker that one; see there.

    Args:
        tts: an object with ``synthesize_stream(text)``, or such a callable; answers with pieces of
            float32 samples, shape ``(n,)``, numpy or ``mx.array``, or with `TimedSamples`, which
            say where words end as well. Its ``synthesize_timed(text)`` is asked instead, where it
            has one.
        worker: the scheduler on which the synthesizer is called, a step at a time; results come
            back on the scheduler given to ``subscribe``, on the worker's where none was. None:
            where the element arrived.
        errors: ``"event"`` or ``"raise"``.
        timeout_ms: the longest that the synthesizer may give nothing once it was asked, in
            milliseconds, 1 or more; None for no limit. Past it the turn fails, by a
            `ModelTimeout`. Counted by the scheduler given to ``subscribe``, and only while a step
            is asked for. A call in place cannot be cut short: it is too late when it returns.
        total_timeout_ms: the longest that it may take for all of a sentence, likewise.
        sample_rate: Hz, of a synthesizer that has no ``sample_rate`` of its own.
        first_clause_chars: speak the first clause of a reply on its own once it has this many
            characters, to be heard sooner. None: whole sentences.
    """
    time_limits = limits("synthesize", timeout_ms, total_timeout_ms)
    untimed = method(tts, "synthesize_stream")
    ask: Callable[[str], Answer[Samples | TimedSamples | Notice]]
    ask = getattr(tts, "synthesize_timed", untimed)
    rate: int = getattr(tts, "sample_rate", sample_rate)
    whole("synthesize sample_rate", rate, 1, "Hz")

    def start() -> Work[_Sentence, Speech]:
        def work(sentence: _Sentence, job: Job[Speech]) -> None:
            reply, text = sentence.reply, sentence.text
            shared = Sentence(text)

            def on_piece(piece: TimedSamples) -> None:
                if piece.samples.shape[0]:
                    samples, words = piece.samples, piece.words
                    job.emit(Speech(reply, samples, rate, text, words=words, sentence=shared))

            def on_end() -> None:
                shared.is_over = True
                job.done()

            if sentence.last:
                job.emit(Speech(reply, np.empty(0, np.float32), rate, final=True))
                job.done()
            else:
                job.ask(reply.turn, lambda: ask(text), _timed, on_piece, on_end)

        return work

    cut = _cut(first_clause_chars)
    speak = stage(
        "synthesize",
        start,
        takes=_Sentence,
        made_by="respond()",
        worker=worker,
        errors=errors,
        limits=time_limits,
    )

    def operator(replies: Observable[Reply | Event]) -> Observable[Speech | Event]:
        return speak(cut(replies))

    # For `converse`, which is given the operator and not the model.
    setattr(operator, "speaks", True)  # noqa: B010
    return operator


def _timed(piece: Samples | TimedSamples) -> TimedSamples:
    """The piece, where it is sound, with the ends of its words where they are known."""
    if isinstance(piece, TimedSamples):
        return TimedSamples(_sound(piece.samples), piece.words)
    return TimedSamples(_sound(piece))


def _sound(piece: Samples) -> Samples:
    """The piece, where it is sound: numpy's as float32, others (``mx.array``) as they are."""
    if isinstance(cast("object", piece), np.ndarray):
        floats = np.issubdtype(piece.dtype, np.floating)
        return audio_samples(piece.astype(np.float32, copy=False) if floats else piece)
    shape = getattr(piece, "shape", None)
    if shape is None or len(shape) != 1:
        came = type(piece).__name__ if shape is None else f"shape {tuple(shape)}"
        raise AudioFormatError(f"wanted pieces of float32 samples of shape (n,), got {came}")
    return piece


@dataclass(frozen=True, slots=True)
class _Sentence:
    reply: Reply
    text: str = ""
    last: bool = False

    @property
    def turn(self) -> Turn:
        return self.reply.turn


def _cut(first_clause_chars: int | None) -> Operator[Reply | Event, _Sentence | Event]:
    """Replies become sentences, each with the reply that completed it."""
    Segmenter(first_clause_chars=first_clause_chars)  # a bad argument raises here

    def start(out: Subscription[_Sentence | Event]) -> Handlers[Reply]:
        segmenter = Segmenter(first_clause_chars=first_clause_chars)
        answering: Transcript | None = None

        def step(reply: Reply) -> None:
            nonlocal answering, segmenter
            if reply.transcript is not answering:
                answering = reply.transcript
                segmenter = Segmenter(first_clause_chars=first_clause_chars)
            speak(reply, segmenter.feed(reply.delta))
            if reply.final:
                speak(reply, segmenter.flush())
                out.emit(_Sentence(reply, last=True))

        def speak(reply: Reply, sentences: list[str]) -> None:
            for sentence in sentences:
                if any(map(str.isalnum, sentence)):
                    out.emit(_Sentence(reply, sentence))

        return step, None, None

    return stateful(start, takes=("synthesize", Reply, "respond()"))
