"""`synthesize`: a reply becomes speech, sentence by sentence."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator

import numpy as np
from reactivex import abc

from rxvoice._answers.limits import limits
from rxvoice._answers.pauses import Waiting
from rxvoice._answers.shapes import sound
from rxvoice._answers.text_queue import in_queue
from rxvoice._audio.samples import Samples
from rxvoice._check import method, whole
from rxvoice._text.segmenter import Segmenter
from rxvoice.elements import Reply, Sentence, Speech, TimedSamples, Transcript
from rxvoice.events import Event, Notice
from rxvoice.operators._job import Errors, Job
from rxvoice.operators._stage import Work, stage
from rxvoice.operators.kernel import Operator
from rxvoice.slots import Answer, SynthesizerSlot

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
    """Speak each reply, each sentence as soon as it is written.

    Emits: a `Speech` for each piece of sound of each sentence, in order, while the reply is still
        being written; then a final one, without samples. A `Reply` with ``flush`` ends the
        sentence. A `TurnFailed` in place of the final one if the synthesizer fails or does not give
        sound; the rest of that reply is not spoken. A `Notice`, once in a reply, if a sentence gets
        no samples. A `Notice` from the synthesizer and events from upstream pass.
    Completes: when the source has completed and every reply is spoken.
    Errors: with the source; with ``errors="raise"``, with the `StageError` of a failed turn.
    Drops: text without a letter or digit; pieces without samples; the rest of a failed reply; on an
        error of the source, the reply in progress. A sentence of 1,000 characters is cut there.
    Runs on: the thread of the source, or the worker's; see `worker`.

    Args:
        tts: an object with ``synthesize_stream(text)``, or such a callable. It answers with pieces
            of samples: arrays of floats of shape ``(n,)`` from numpy, MLX or another library, or
            `TimedSamples`, which also say where words end. The guide to adapters lists all shapes.
            The samples are passed on as float32, numpy's or MLX's. If it has
            ``synthesize_timed(text)``, that is asked instead.
        worker: the scheduler on which the synthesizer is called, one step at a time. Results come
            back on the scheduler given to ``subscribe``, or else arrive on the worker's thread.
            None: the synthesizer is called where the element arrived.
        errors: what a failed turn causes: ``"event"``, a `TurnFailed`; ``"raise"``, an error.
        timeout_ms: milliseconds, 1 or more, that the synthesizer may give nothing once it was
            asked; None for no limit. Past it the turn fails with a `ModelTimeout`. The scheduler
            given to ``subscribe`` counts, and only while a step is asked for. A call in place
            cannot be cut short: its turn fails when the call returns.
        total_timeout_ms: the same for a whole sentence.
        sample_rate: Hz, for a synthesizer without ``sample_rate``. Its own is read with each piece,
            because a voice may change it.
        first_clause_chars: speak the first clause of a reply on its own once it has this many
            characters, so that it is heard sooner. None: whole sentences.
    """
    time_limits = limits("synthesize", timeout_ms, total_timeout_ms)
    untimed = method(tts, "synthesize_stream")
    ask: Callable[[str], Answer[Samples | TimedSamples | Notice]]
    ask = in_queue(tts, getattr(tts, "synthesize_timed", untimed))

    def rate_now() -> int:
        rate: int = getattr(tts, "sample_rate", sample_rate)
        whole("synthesize sample_rate", rate, 1, "Hz")
        return rate

    rate_now()  # a bad one raises here

    def cutter() -> Segmenter:
        return Segmenter(first_clause_chars=first_clause_chars)

    cutter()  # a bad argument raises here

    # A paced worker has the sink convert each piece on the thread that made it.
    convert_ahead = getattr(worker, "convert_ahead", None)

    def take(piece: object, sentence: Sentence) -> tuple[TimedSamples, int] | Waiting:
        if isinstance(piece, Waiting):  # for the texts of other conversations
            return piece
        rate = rate_now()  # a voice may change it
        timed = sound(piece, rate)
        if convert_ahead is not None:
            convert_ahead(timed.samples, rate, sentence)
        return timed, rate

    def start() -> Work[Reply, Speech | Event]:
        answering: Transcript | None = None
        segmenter = cutter()
        speaking: Reply | None = None
        sentences: Iterator[str] = iter(())
        mute: bool  # whether the notice about a sentence without sound was emitted
        rate = rate_now()

        def work(reply: Reply, job: Job[Speech | Event]) -> None:
            nonlocal answering, segmenter, speaking, sentences, mute
            if reply.transcript is not answering:
                answering, segmenter, mute = reply.transcript, cutter(), False
            if reply is not speaking:
                speaking, sentences = reply, _spoken(segmenter, reply)
            # One sentence at a time: cutting a text of megabytes must not block everything else.
            text = next(sentences, None)
            if text is not None:
                job.more = True
                speak(reply, text, job)
                return
            speaking = None
            if reply.final:
                job.emit(Speech(reply, np.empty(0, np.float32), rate, final=True))
            job.done()

        def speak(reply: Reply, text: str, job: Job[Speech | Event]) -> None:
            sentence = Sentence(text)
            sentence.asked = job.now()
            sounded = False

            def on_piece(piece: tuple[TimedSamples, int] | Waiting) -> None:
                nonlocal sounded, rate
                if isinstance(piece, Waiting):
                    return
                timed, rate = piece
                samples, words = timed.samples, timed.words
                if len(samples):
                    sounded = True
                    sentence.pieces += 1
                    job.emit(Speech(reply, samples, rate, text, words=words, sentence=sentence))

            def on_end() -> None:
                nonlocal mute
                sentence.is_over = True
                if text and not sounded and not mute:
                    mute = True
                    message = f"the synthesizer gave no sound for {reprlib.repr(text)}"
                    job.emit(Notice(message, turn=reply.turn, stage="synthesize"))
                job.done()

            job.ask(
                reply.turn,
                lambda: ask(text) if text else (),
                lambda piece: take(piece, sentence),
                on_piece,
                on_end,
                text,
            )

        return work

    return stage(
        "synthesize",
        start,
        takes=Reply,
        made_by="respond()",
        worker=worker,
        errors=errors,
        limits=time_limits,
        speaks=True,
    )


def _spoken(segmenter: Segmenter, reply: Reply) -> Iterator[str]:
    """The sentences that a piece of a reply completes; "" for one that cannot be spoken."""
    yield from map(_spoken_of, segmenter.cut(reply.delta))
    if reply.final or reply.flush:
        yield from map(_spoken_of, segmenter.flush())


def _spoken_of(sentence: str) -> str:
    return sentence if any(map(str.isalnum, sentence)) else ""
