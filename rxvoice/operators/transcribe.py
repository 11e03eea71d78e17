"""`transcribe`: turns become text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from threading import RLock
from typing import TypeVar, cast

from reactivex import abc
from reactivex.disposable import Disposable
from reactivex.internal import DisposedException

from rxvoice._answers.limits import limits
from rxvoice._answers.recognised import Known, recognised
from rxvoice._answers.shapes import Text, is_whole, yes_or_no
from rxvoice._audio.samples import Samples
from rxvoice._check import method
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
"""Characters of a text that is told again with each of its pieces."""


@dataclass(frozen=True, slots=True)
class _News:
    """What a step of a `RecognitionSession` gives: more text, or all of it anew.

    One piece, whatever it has of each: the next chunk's comes right after it on a worker.
    """

    pieces: tuple[Recognised | str, ...] = ()
    anew: bool = False
    notices: tuple[Notice, ...] = ()


class _Said:
    """What was recognised of a turn so far."""

    def __init__(self) -> None:
        self._text = Text()
        self._known = Known()

    def __len__(self) -> int:
        return self._text.length

    def __str__(self) -> str:
        return str(self._text)

    def add(self, piece: Recognised | str) -> str:
        """Take a piece; what is new of the text."""
        if isinstance(piece, str):
            return self._text.add(piece)
        self._known.add(piece)
        return self._text.add(piece.text)

    def end(self) -> None:
        """There is no more."""
        self._text.end()

    def transcript(self, turn: Turn, *, final: bool) -> Transcript:
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
    """Write down each turn.

    Emits: for each `Turn`, in order, partial `Transcript`s (``final=False``, all of the text so
        far) where the recogniser streams or answers in pieces, each of which is told when the next
        has come (of more than 4,096 characters, once there is an eighth more); then one final one
        when the turn has ended and been recognised, also when its text is empty. No text has white
        space around it; what the recogniser knows beside it is its ``recognised``. A `TurnFailed`
        in place of the final one when the recogniser or the turn fails, or the answer is no text; a
        `Dropped` in its place where the app discarded the turn. A `Notice` that the recogniser
        gives, and events from upstream, pass.
    Completes: when the source has and every turn has been dealt with.
    Errors: with the source; with ``errors="raise"``, a failed turn's `StageError`.
    Drops: nothing; on an error of the source, the transcript in progress.
    Runs on: the thread of the source, or with a worker that one; see there.

    Args:
        stt: an object with ``transcribe_turn(audio) -> str``, or such a callable; ``audio`` is
            float32 of shape ``(n,)``, the whole turn. It may give pieces of new text, and for a str
            whatever has one as its ``text``, such as a `Recognised`, which says more: the guide to
            adapters has all shapes. Its ``recognise_turn(audio)`` is asked instead, where it has
            one. One with ``session()`` is instead fed each chunk as it arrives and asked for a step
            after each, so that only the tail is left to decode when the turn ends; it needs no
            ``transcribe_turn``. A session whose turn comes to nothing is closed.
        worker: the scheduler on which the recogniser is called, a step at a time; results come
            back on the scheduler given to ``subscribe``, on the worker's where none was. None:
            where the element arrived.
        errors: ``"event"`` or ``"raise"``.
        timeout_ms: the longest that the recogniser may give nothing once it was asked, in
            milliseconds, 1 or more; None for no limit. Past it the turn fails, by a
            `ModelTimeout`. Counted by the scheduler given to ``subscribe``, and only while a step
            is asked for. A call in place cannot be cut short: it is too late when it returns.
        total_timeout_ms: the longest that it may take for all of a turn, likewise.
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
        said = _Said()
        told = 0

        def on_piece(piece: Recognised | str) -> None:
            nonlocal told
            # A whole answer is one piece: it is told only once, as the final transcript.
            if len(said) and _worth_telling(len(said), told):
                told = len(said)
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
        said = _Said()
        told = 0
        listening: RecognitionSession | None = None
        closed = False
        gone = False
        stepping = RLock()  # who disposes may be on another thread

        def hear(chunk: AudioChunk | None) -> Iterator[_News]:
            """Feed a chunk and take a step; None ends the audio and takes all steps left."""
            nonlocal listening, closed
            with stepping:
                if gone:
                    return
                if listening is None:
                    listening = session()
                if chunk is None:
                    listening.close()
                    closed = True
                else:
                    listening.feed(chunk.samples)
            if chunk is not None:
                yield from step(listening)
                return
            while not yes_or_no(listening.done, "a session's done"):
                yield from step(listening)

        def step(listening: RecognitionSession) -> Iterator[_News]:
            with stepping:
                if gone:
                    return
                taken = listening.step()
            yield _news(taken)

        def let_go(*_: object) -> None:
            """Close a session whose turn came to nothing; what it still had to say is dropped."""
            nonlocal closed, gone
            with stepping:
                gone = True
                if listening is None or closed:
                    return
                closed = True
                try:
                    listening.close()
                except Exception:  # nobody waits for it
                    _log.exception("a recogniser raised when it was told to stop listening")

        def leave() -> None:
            if closed:
                return
            try:
                if worker is not None:
                    worker.schedule(let_go)
                    return
            except DisposedException:  # its thread is over
                pass
            let_go()

        def on_news(news: _News) -> None:
            nonlocal said, told
            for notice in news.notices:
                job.emit(replace(notice, turn=turn, stage="transcribe"))
            before = str(said) if news.anew else ""
            if news.anew:
                said, told = _Said(), 0
            added = [said.add(piece) for piece in news.pieces]
            new = str(said) != before if news.anew else any(added)
            # The last news is not told twice: it is in the final transcript.
            last = closed and listening is not None and listening.done
            if new and not last and _worth_telling(len(said), told):
                told = len(said)
                job.emit(said.transcript(turn, final=False))

        def on_end() -> None:
            said.end()
            job.emit(said.transcript(turn, final=True))
            job.done()

        def on_chunk(chunk: AudioChunk) -> None:
            job.ask(turn, lambda: hear(chunk), _as_it_is, on_news, _nothing)

        def on_turn_over() -> None:
            job.ask(turn, lambda: hear(None), _as_it_is, on_news, on_end)

        job.life.add(Disposable(leave))
        listen_to(turn, job, on_chunk, on_turn_over)

    return work


def _nothing(*_: object) -> None:
    """Nothing follows."""


def _news(step: object) -> _News:
    """What a step gives: all text so far, or new text in pieces; None is no news."""
    if step is None:
        return _News()
    if is_whole(step) or not isinstance(step, Iterable):
        return _News((recognised(step),), anew=True)
    pieces = list(cast("Iterable[object]", step))
    new = tuple(recognised(piece) for piece in pieces if not isinstance(piece, Notice))
    return _News(new, notices=tuple(piece for piece in pieces if isinstance(piece, Notice)))


def _worth_telling(length: int, told: int) -> bool:
    """Whether a text that goes on is to be told again: what is told in all stays in proportion."""
    return length <= _SHORT or length >= told + told // 8


def _as_it_is(piece: T) -> T:
    return piece
