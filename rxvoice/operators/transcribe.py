"""`transcribe`: turns become text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from threading import RLock
from typing import TypeVar, cast

from reactivex import abc
from reactivex.disposable import Disposable

from rxvoice._answers.limits import limits
from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._answers.recognised import Known, recognised
from rxvoice._answers.shapes import Text, is_whole, yes_or_no
from rxvoice._audio.samples import Samples
from rxvoice._check import method
from rxvoice._pieces import News
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Recognised, Transcript
from rxvoice.events import Event, Notice
from rxvoice.operators._job import Errors, Job
from rxvoice.operators._listen import listen_to
from rxvoice.operators._stage import Work, stage
from rxvoice.operators.kernel import Operator
from rxvoice.slots import Answer, RecognitionSession, TranscriberSlot, Worded
from rxvoice.turn import Turn

__all__ = ["transcribe"]

_log = logging.getLogger("rxvoice")

T = TypeVar("T")

_SHORT = 4096
"""A text of so many characters is emitted again with each new piece."""


class _TurnText:
    """The text of a turn so far."""

    def __init__(self) -> None:
        self._text = Text()
        self._known = Known()
        self._told = 0  # characters that were emitted

    def __len__(self) -> int:
        return self._text.length

    def __str__(self) -> str:
        return str(self._text)

    def add(self, piece: Recognised | str) -> str:
        """Add a piece, and return the text that it adds."""
        if isinstance(piece, str):
            return self._text.add(piece)
        self._known.add(piece)
        return self._text.add(piece.text)

    def end(self) -> None:
        """No more text will come."""
        self._text.end()

    def is_worth_emitting(self) -> bool:
        """Whether to emit it as it is. The work stays in proportion to the length."""
        length, told = self._text.length, self._told
        return length <= _SHORT or length >= told + told // 8

    def transcript(self, turn: Turn, *, final: bool) -> Transcript:
        self._told = self._text.length
        said = str(self._text).strip()
        return Transcript(turn, said, final, self._known.of(said))


def transcribe(
    stt: TranscriberSlot,
    *,
    worker: abc.SchedulerBase | None = None,
    errors: Errors = "event",
    timeout_ms: float | None = 30_000,
    total_timeout_ms: float | None = 300_000,
) -> Operator[Turn | Event, Transcript | Event]:
    """Turn speech into text: transcribe each turn.

    Emits: for each `Turn`, in order, one final `Transcript` once the turn has ended and is
        recognised, even if its text is empty. Before it partial ones (``final=False``, all text so
        far), if the recogniser streams or answers in pieces: a text is emitted when the next piece
        has come, and beyond 4,096 characters when it has grown by an eighth. No text has white
        space around it. ``recognised`` has what the recogniser knows beside the text. In place of
        the final one, a `TurnFailed` if the recogniser or the turn fails or the answer is not text;
        a `Dropped` if the app discarded the turn. A `Notice` from the recogniser and events from
        upstream pass.
    Completes: when the source has completed and every turn is dealt with.
    Errors: with the source; with ``errors="raise"``, with the `StageError` of a failed turn.
    Drops: nothing; on an error of the source, the transcript in progress.
    Runs on: the thread of the source, or the worker's; see `worker`.

    Args:
        stt: an object with ``transcribe_turn(audio) -> str``, or such a callable. ``audio`` is the
            whole turn, float32 of shape ``(n,)``. It may answer in pieces of new text. In place of
            a str it may give an object with a ``text``, such as a `Recognised`, which says more.
            The guide to adapters lists all shapes. If it has ``recognise_turn(audio)``, that is
            asked instead. If it has ``session()``, the session is fed each chunk as it arrives, and
            asked for a step after each, so that little is left to decode when the turn ends; then
            it needs no ``transcribe_turn``. The session of a turn that fails or is dropped is
            closed.
        worker: the scheduler on which the recogniser is called, one step at a time. Results come
            back on the scheduler given to ``subscribe``, or else arrive on the worker's thread.
            None: the recogniser is called where the element arrived.
        errors: what a failed turn causes: ``"event"``, a `TurnFailed`; ``"raise"``, an error.
        timeout_ms: milliseconds, 1 or more, that the recogniser may give nothing once it was asked;
            None for no limit. Past it the turn fails with a `ModelTimeout`. The scheduler given to
            ``subscribe`` counts, and only while a step is asked for. A call in place cannot be cut
            short: its turn fails when the call returns.
        total_timeout_ms: the same for the whole turn.
    """
    time_limits = limits("transcribe", timeout_ms, total_timeout_ms)
    transcribe_turn: Callable[[Samples], Answer[Worded | Notice]]
    transcribe_turn = method(stt, "transcribe_turn", "session")
    transcribe_turn = getattr(stt, "recognise_turn", transcribe_turn)
    session: Callable[[], RecognitionSession] | None = getattr(stt, "session", None)

    def start() -> Work[Turn, Transcript | Notice]:
        return _streaming(session, worker) if callable(session) else _whole(transcribe_turn)

    return stage(
        "transcribe",
        start,
        takes=Turn,
        made_by="turn_window()",
        worker=worker,
        errors=errors,
        limits=time_limits,
    )


def _whole(
    transcribe_turn: Callable[[Samples], Answer[Worded | Notice]],
) -> Work[Turn, Transcript | Notice]:
    def work(turn: Turn, job: Job[Transcript | Notice]) -> None:
        said = _TurnText()

        def on_piece(piece: Recognised | str) -> None:
            # An answer of one piece is emitted once, as the final transcript.
            if len(said) and said.is_worth_emitting():
                job.emit(said.transcript(turn, final=False))
            said.add(piece)

        def on_end() -> None:
            said.end()
            job.emit(said.transcript(turn, final=True))
            job.done()

        def recognise() -> None:
            job.ask(turn, lambda: transcribe_turn(turn.audio), recognised, on_piece, on_end)

        listen_to(turn, job, None, recognise)

    return work


def _streaming(
    session: Callable[[], RecognitionSession], worker: abc.SchedulerBase | None
) -> Work[Turn, Transcript | Notice]:
    def work(turn: Turn, job: Job[Transcript | Notice]) -> None:
        said = _TurnText()
        listening: RecognitionSession | None = None
        closed = False
        gone = False
        stepping = RLock()  # the subscription may be disposed on another thread

        def feed(chunk: AudioChunk | None) -> Iterator[News]:
            """Feed a chunk and take a step. None ends the audio and takes all steps left."""
            nonlocal listening, closed
            with stepping:
                if gone:
                    return
                if listening is None:
                    listening = session()
                if chunk is None:
                    closed = True  # before: if it raises, it is not told again
                    listening.close()
                else:
                    listening.feed(chunk.samples)
            if chunk is not None:
                yield from step(listening)
                return
            while not yes_or_no(listening.done, "a session's done"):
                yield from step(listening)

        def step(listening: RecognitionSession) -> Iterator[News]:
            with stepping:
                if gone:
                    return
                taken = listening.step()
                last = closed and yes_or_no(listening.done, "a session's done")
            yield replace(_news(taken), last=last)

        def let_go(*_: object) -> None:
            """Close a session that is not needed any more, and drop its text."""
            nonlocal gone
            with stepping:
                gone = True
                if listening is None or closed:
                    return
                try:
                    listening.close()
                except BaseException as error:  # no caller waits for it
                    _log.exception("a recogniser raised when it was told to stop listening")
                    raise_if_ctrl_c(error)

        def leave() -> None:
            if closed:
                return
            try:
                if worker is not None:
                    worker.schedule(let_go)
                    return
            except Exception:  # the worker takes no more: its thread has ended
                pass
            let_go()

        def on_news(news: News) -> None:
            nonlocal said
            for notice in news.notices:
                job.emit(replace(notice, turn=turn, stage="transcribe"))
            before = str(said) if news.replaces else ""
            if news.replaces:
                said = _TurnText()
            added = [said.add(piece) for piece in news.pieces]
            new = str(said) != before if news.replaces else any(added)
            # The last text is not emitted twice: it is in the final transcript.
            if new and not news.last and said.is_worth_emitting():
                job.emit(said.transcript(turn, final=False))

        def on_end() -> None:
            said.end()
            job.emit(said.transcript(turn, final=True))
            job.done()

        def on_chunk(chunk: AudioChunk) -> None:
            job.ask(turn, lambda: feed(chunk), _as_it_is, on_news, _nothing)

        def on_turn_over() -> None:
            job.ask(turn, lambda: feed(None), _as_it_is, on_news, on_end)

        job.life.add(Disposable(leave))
        listen_to(turn, job, on_chunk, on_turn_over)

    return work


def _nothing() -> None:
    """Do nothing at the end of a step."""


def _news(step: object) -> News:
    """Read what a step gives: all text so far, new text in pieces, or None for nothing new."""
    if step is None:
        return News()
    if is_whole(step) or not isinstance(step, Iterable):
        return News((recognised(step),), replaces=True)
    pieces = list(cast("Iterable[object]", step))
    new = tuple(recognised(piece) for piece in pieces if not isinstance(piece, Notice))
    return News(new, notices=tuple(piece for piece in pieces if isinstance(piece, Notice)))


def _as_it_is(piece: T) -> T:
    return piece
