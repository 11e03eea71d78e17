"""Listening to a turn, for `transcribe` and `answer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rxvoice._answers.observables import outwards
from rxvoice.chunks import AudioChunk
from rxvoice.events import Dropped
from rxvoice.operators._job import Job
from rxvoice.turn import Turn

T = TypeVar("T")


def listen_to(
    turn: Turn,
    job: Job[T],
    on_chunk: Callable[[AudioChunk], None] | None,
    on_end: Callable[[], None],
) -> None:
    """Listen to a turn until it ends, fails or is discarded.

    Args:
        turn: the turn.
        job: the work on the turn. It is dropped or failed with the turn.
        on_chunk: called with each chunk. None: only the end matters.
        on_end: called when the user has finished.
    """

    def over() -> None:
        if turn.discarded:
            job.drop(Dropped(turn, "discarded"))
        else:
            on_end()

    if turn.discarded:  # while the turn waited for this job
        over()
        return
    on_next, on_error = outwards(on_chunk or _nothing, lambda error: job.fail(turn, error))
    job.life.add(turn.subscribe(on_next, on_error, over))


def _nothing(*_: object) -> None:
    """Ignore a chunk."""
