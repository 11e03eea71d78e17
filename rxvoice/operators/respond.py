"""`respond`: text becomes an answer."""

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
"""Questions that were withdrawn lately."""


def respond(
    llm: ResponderSlot,
    *,
    worker: abc.SchedulerBase | None = None,
    errors: Errors = "event",
    min_chars: int = 0,
    timeout_ms: float | None = 30_000,
    total_timeout_ms: float | None = 300_000,
) -> Operator[Transcript | Event, Reply | Event]:
    """Answer each final transcript.

    Emits: a `Reply` for each piece of text, with ``delta``, as it comes; then a final one with all
        of the ``text`` and an empty ``delta``. Replies come whole and in order: the next transcript
        waits. For a ``FLUSH`` among the pieces a `Reply` with ``flush`` and no text; with a worker,
        the model goes on once that has been taken. A `TurnFailed` in place of the final one when
        the model fails, or what it answers is no text; a ``Dropped`` in place of all of them, with
        reason ``"no_words"``, for a transcript of fewer than ``min_chars``. A `Notice` that the
        model gives, and events from upstream, pass.
    Completes: when the source has and every transcript has been answered.
    Errors: with the source; with ``errors="raise"``, a failed turn's `StageError`.
    Drops: partial transcripts, and empty pieces of text; on an error of the source, the reply in
        progress.
    Runs on: the thread of the source, or with a worker that one; see there.

    Args:
        llm: an object with ``respond(text)``, or such a callable; its answer is a str or pieces
            of it, or for a str whatever has one as its ``text``: the guide to adapters has all
            shapes.
        worker: the scheduler on which the model is called, a step at a time; results come back on
            the scheduler given to ``subscribe``, on the worker's where none was. None: where the
            element arrived.
        errors: ``"event"`` or ``"raise"``.
        min_chars: the fewest letters and digits, 0 or more, of a transcript that is answered; a
            digit will do, and so will a letter of a script in which one may be a word. With 0 the
            model is asked whatever was heard, also the empty text of a noise, as the reference loop
            does; 1 is what most conversations want.
        timeout_ms: the longest that the model may give nothing once it was asked, in
            milliseconds, 1 or more; None for no limit. Past it the turn fails, by a
            `ModelTimeout`. Counted by the scheduler given to ``subscribe``, and only while a step
            is asked for. A call in place cannot be cut short: it is too late when it returns.
        total_timeout_ms: the longest that it may take for all of an answer, likewise.
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

            def tell(new: str) -> None:
                if new:
                    job.emit(Reply(transcript, new))

            def on_piece(piece: str) -> None:
                if isinstance(piece, Flush):
                    job.emit(Reply(transcript, flush=True))
                else:
                    tell(said.add(piece))

            def on_end() -> None:
                tell(said.end())
                job.emit(Reply(transcript, text=str(said), final=True))
                job.done()

            job.ask(transcript.turn, lambda: question.ask(transcript), _worded, on_piece, on_end)

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
    """The last question: has the model taken it, or can it still be withdrawn?"""

    def __init__(self, ask: Callable[[str], Answer[Worded | Notice]]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._taken: Transcript | None = None
        # More than one: the worker may not have come past the last.
        self._withdrawn: deque[Transcript] = deque(maxlen=_WITHDRAWN)

    def ask(self, transcript: Transcript) -> Answer[Worded | Notice]:
        """Ask, unless it was withdrawn."""
        if isgeneratorfunction(self._ask):  # the model takes the question with the first step
            return self._steps(transcript)
        return self._ask(transcript.text) if self._take(transcript) else ()

    def withdraw(self, transcript: Transcript) -> bool:
        """Withdraw this question; False if the model has already taken it."""
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
    """Call the model after the step it is taking, and before the next question."""

    def run(*_: object) -> None:
        try:
            call()
        except BaseException as error:  # no caller waits for it
            raise_if_ctrl_c(error)
            _log.exception("a model raised when it was told what became of its answer")

    if worker is None:
        run()
    else:
        worker.schedule(run)
