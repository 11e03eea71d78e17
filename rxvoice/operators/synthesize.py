"""`synthesize`: an answer becomes speech, sentence by sentence."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator

import numpy as np
from reactivex import abc

from rxvoice._answers.shapes import sound
from rxvoice._audio.samples import Samples
from rxvoice._check import whole
from rxvoice._text.segmenter import Segmenter
from rxvoice.elements import Reply, Sentence, Speech, TimedSamples, Transcript
from rxvoice.events import Event, Notice
from rxvoice.operators._stage import Errors, Job, Work, limits, stage
from rxvoice.operators.kernel import Operator
from rxvoice.slots import Answer, SynthesizerSlot, method

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
        being written; a `Reply` with ``flush`` ends the sentence. Then a final one, without
        samples, when all of it has been given. A `TurnFailed` in its place when the synthesizer
        fails, or what it gives is no sound: the rest of that reply is not spoken. A `Notice` the
        first time in a reply that it gives no samples for a sentence. A `Notice` that it gives, and
        events from upstream, pass.
    Completes: when the source has and every reply has been spoken.
    Errors: with the source; with ``errors="raise"``, a failed turn's `StageError`.
    Drops: what has no letter or digit to speak; pieces without samples; the rest of a failed
        reply; on an error of the source, the reply in progress. A text that goes on for 1,000
        characters is cut there.
    Runs on: the thread of the source, or with a worker that one; see there.

    Args:
        tts: an object with ``synthesize_stream(text)``, or such a callable; answers with pieces of
            samples, arrays of floats of shape ``(n,)`` from numpy, MLX or another library, or with
            `TimedSamples`, which say where words end as well: the guide to adapters has all
            shapes. They go on as float32, numpy's or MLX's. Its ``synthesize_timed(text)`` is asked
            instead, where it has one.
        worker: the scheduler on which the synthesizer is called, a step at a time; results come
            back on the scheduler given to ``subscribe``, on the worker's where none was. None:
            where the element arrived.
        errors: ``"event"`` or ``"raise"``.
        timeout_ms: the longest that the synthesizer may give nothing once it was asked, in
            milliseconds, 1 or more; None for no limit. Past it the turn fails, by a
            `ModelTimeout`. Counted by the scheduler given to ``subscribe``, and only while a step
            is asked for. A call in place cannot be cut short: it is too late when it returns.
        total_timeout_ms: the longest that it may take for all of a sentence, likewise.
        sample_rate: Hz, of a synthesizer that has no ``sample_rate`` of its own. Its own is read
            with each piece: a voice may change it.
        first_clause_chars: speak the first clause of a reply on its own once it has this many
            characters, to be heard sooner. None: whole sentences.
    """
    time_limits = limits("synthesize", timeout_ms, total_timeout_ms)
    untimed = method(tts, "synthesize_stream")
    ask: Callable[[str], Answer[Samples | TimedSamples | Notice]]
    ask = getattr(tts, "synthesize_timed", untimed)

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

    def take(piece: object, sentence: Sentence) -> tuple[TimedSamples, int]:
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
        mute = False  # and it was told
        rate = rate_now()

        def work(reply: Reply, job: Job[Speech | Event]) -> None:
            nonlocal answering, segmenter, speaking, sentences, mute
            if reply.transcript is not answering:
                answering, segmenter, mute = reply.transcript, cutter(), False
            if reply is not speaking:
                speaking, sentences = reply, _spoken(segmenter, reply)
            # One at a time: a text of megabytes must not hold up all else while it is cut.
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
            sounded = False

            def on_piece(piece: tuple[TimedSamples, int]) -> None:
                nonlocal sounded, rate
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
            )

        return work

    operator = stage(
        "synthesize",
        start,
        takes=Reply,
        made_by="respond()",
        worker=worker,
        errors=errors,
        limits=time_limits,
    )
    # For `converse`, which is given the operator and not the model.
    setattr(operator, "speaks", True)  # noqa: B010
    setattr(operator, "worker", worker)  # noqa: B010
    return operator


def _spoken(segmenter: Segmenter, reply: Reply) -> Iterator[str]:
    """What a piece of a reply completes, a sentence at a time; "" for one that cannot be spoken."""
    yield from map(_spoken_of, segmenter.cut(reply.delta))
    if reply.final or reply.flush:
        yield from map(_spoken_of, segmenter.flush())


def _spoken_of(sentence: str) -> str:
    return sentence if any(map(str.isalnum, sentence)) else ""
