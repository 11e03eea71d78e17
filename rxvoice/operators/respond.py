"""`respond`: a transcript becomes a reply."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from inspect import isgeneratorfunction
from threading import Lock
from typing import cast

from reactivex import abc

from rxvoice._answers.limits import limits
from rxvoice._answers.pauses import Flush
from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._answers.shapes import Text, text
from rxvoice._check import method, whole
from rxvoice._text.words import has_letters
from rxvoice.elements import Reply, Transcript
from rxvoice.events import Dropped, Event, Notice
from rxvoice.operators._job import Errors, Job
from rxvoice.operators._stage import Work, stage
from rxvoice.operators._stage_operator import Memory
from rxvoice.operators.kernel import Operator
from rxvoice.slots import Answer, ResponderSlot, Worded

__all__ = ["respond"]

_log = logging.getLogger("rxvoice")

_WITHDRAWN = 16
"""How many withdrawn questions are remembered."""


def respond(
    llm: ResponderSlot,
    *,
    worker: abc.SchedulerBase | None = None,
    errors: Errors = "event",
    min_chars: int = 0,
    timeout_ms: float | None = 30_000,
    total_timeout_ms: float | None = 300_000,
) -> Operator[Transcript | Event, Reply | Event]:
    """Answer each final transcript with a text model.

    Emits: a `Reply` for each piece of text as it comes, with the new text as ``delta``; then a
        final one with all of the ``text`` and an empty ``delta``. A reply is complete before the
        next one begins. For a ``FLUSH`` among the pieces, a `Reply` with ``flush`` and no text;
        with a worker, the model goes on once that is taken. A `TurnFailed` in place of the final
        one if the model fails or its answer is not text. For a transcript of fewer than
        ``min_chars``, only a ``Dropped`` with reason ``"no_words"``. A `Notice` from the model and
        events from upstream pass.
    Completes: when the source has completed and every transcript is answered.
    Errors: with the source; with ``errors="raise"``, with the `StageError` of a failed turn.
    Drops: partial transcripts, and empty pieces of text; on an error of the source, the reply in
        progress.
    Runs on: the thread of the source, or the worker's; see `worker`.

    Args:
        llm: an object with ``respond(text)``, or such a callable. It answers with a str or with
            pieces of one. In place of a str it may give an object with a ``text``. The guide to
            adapters lists all shapes.
        worker: the scheduler on which the model is called, one step at a time. Results come back on
            the scheduler given to ``subscribe``, or else arrive on the worker's thread. None: the
            model is called where the element arrived.
        errors: what a failed turn causes: ``"event"``, a `TurnFailed`; ``"raise"``, an error.
        min_chars: letters and digits that a transcript must have to be answered, 0 or more. One
            digit is enough, and so is one character of a script in which one may be a word. Most
            conversations want 1. With 0 the model is asked about every transcript, also about the
            empty text of a noise, as in the reference loop.
        timeout_ms: milliseconds, 1 or more, that the model may give nothing once it was asked; None
            for no limit. Past it the turn fails with a `ModelTimeout`. The scheduler given to
            ``subscribe`` counts, and only while a step is asked for. A call in place cannot be cut
            short: its turn fails when the call returns.
        total_timeout_ms: the same for the whole reply.
    """
    time_limits = limits("respond", timeout_ms, total_timeout_ms)
    question = _Question(method(llm, "respond"))
    whole("respond min_chars", min_chars, 0, "letters and digits")

    def start() -> Work[Transcript, Reply | Event]:
        def work(transcript: Transcript, job: Job[Reply | Event]) -> None:
            if not transcript.final:
                job.done()
                return
            if min_chars and not has_letters(transcript.text, min_chars):
                job.drop(Dropped(transcript.turn, "no_words"))
                return
            said = Text()

            def emit(new: str) -> None:
                if new:
                    job.emit(Reply(transcript, new))

            def on_piece(piece: str) -> None:
                if isinstance(piece, Flush):
                    job.emit(Reply(transcript, flush=True))
                else:
                    emit(said.add(piece))

            def on_end() -> None:
                emit(said.end())
                job.emit(Reply(transcript, text=str(said), final=True))
                job.done()

            job.ask(
                transcript.turn,
                lambda: question.ask(transcript),
                _worded,
                on_piece,
                on_end,
                transcript.text,
            )

        return work

    return stage(
        "respond",
        start,
        takes=Transcript,
        made_by="transcribe()",
        worker=worker,
        errors=errors,
        limits=time_limits,
        speaks=False,
        memory=Memory(llm, withdraw=question.withdraw, tell=partial(_in_turn, worker)),
    )


def _worded(piece: object) -> str:
    return piece if isinstance(piece, Flush) else text(piece)


class _Question:
    """Asks the model each question, unless the question was withdrawn before."""

    def __init__(self, ask: Callable[[str], Answer[Worded | Notice]]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._taken: Transcript | None = None
        # Several: the worker may not have reached the first of them yet.
        self._withdrawn: deque[Transcript] = deque(maxlen=_WITHDRAWN)

    def ask(self, transcript: Transcript) -> Answer[Worded | Notice]:
        """Ask the model, unless the question is withdrawn."""
        if isgeneratorfunction(self._ask):  # a generator takes the question with its first step
            return self._steps(transcript)
        return self._ask(transcript.text) if self._take(transcript) else ()

    def withdraw(self, transcript: Transcript) -> bool:
        """Withdraw the question. False if the model has already taken it."""
        with self._lock:
            self._withdrawn.append(transcript)
            return self._taken is not transcript

    def _steps(self, transcript: Transcript) -> Generator[Worded | Notice]:
        if self._take(transcript):
            yield from cast("Generator[Worded | Notice]", self._ask(transcript.text))

    def _take(self, transcript: Transcript) -> bool:
        with self._lock:
            if any(it is transcript for it in self._withdrawn):
                return False
            self._taken = transcript
            return True


def _in_turn(worker: abc.SchedulerBase | None, call: Callable[[], object]) -> None:
    """Call the model between the step that it is taking and the next question."""

    def run(*_: object) -> None:
        try:
            call()
        except BaseException as error:  # no caller waits for it
            raise_if_ctrl_c(error)
            _log.exception("a model raised when it was told what became of its answer")

    if worker is None:
        run()
        return
    try:
        worker.schedule(run)
    except Exception:  # it was shut down, or its event loop is closed
        _log.exception("the worker takes no more: a model is not told what became of its answer")
