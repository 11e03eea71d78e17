"""A detector that is called for every chunk: one for each subscription, and the chunks it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reactivex import abc

from rxvoice._answers.pieces import raise_if_ctrl_c
from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError
from rxvoice.stage_error import StageError


def own_detector(stage: str, detector: object) -> object:
    """The detector for one subscription, without the state of an earlier one.

    Raises:
        StageError: it cannot begin.
    """
    try:
        fresh = getattr(detector, "fresh", None)
        if callable(fresh):
            return fresh()
        reset = getattr(detector, "reset", None)
        if callable(reset):
            reset()
    except BaseException as error:
        raise_if_ctrl_c(error)
        raise StageError(stage, None, error) from error
    return detector


def misfit_of(detector: object) -> Callable[[AudioChunk], AudioFormatError | None]:
    """A function that gives the error of a chunk that the detector does not take, or None."""
    size: int | None = getattr(detector, "chunk_size", None)
    rate: int | None = getattr(detector, "sample_rate", None)

    def misfit(chunk: AudioChunk) -> AudioFormatError | None:
        if (not size or len(chunk.samples) == size) and (not rate or chunk.sample_rate == rate):
            return None
        wanted = f"{size or 'any number of'} samples at {rate or 'any'} Hz"
        came = f"{len(chunk.samples)} at {chunk.sample_rate} Hz"
        return AudioFormatError(
            f"this detector wants chunks of {wanted}, got {came}: "
            f"use chunk({size or len(chunk.samples)}, sample_rate={rate or chunk.sample_rate})"
        )

    return misfit


class AnswersLater(Protocol):
    """Answers for one stream, some time later; `rxvoice.silero` has one where it gathers chunks."""

    def ask(self, samples: Samples, take: Callable[[object], None], /) -> None:
        """Have `take` called with the answer or with an error, on this thread, now or later."""
        ...

    def settle(self) -> None:
        """Answer all that was asked, now."""
        ...

    def dispose(self) -> None:
        """Answer nothing more."""
        ...


def answers_later(detector: object, scheduler: abc.SchedulerBase | None) -> AnswersLater | None:
    """What to ask in place of the detector; None to ask the detector itself."""
    make: Callable[[abc.SchedulerBase | None], AnswersLater | None] | None
    make = getattr(detector, "gathered", None)
    return make(scheduler) if callable(make) else None
