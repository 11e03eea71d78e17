"""A detector that is called for every chunk: one for each subscription, and the chunks it takes."""

from __future__ import annotations

from collections.abc import Callable

from rxvoice._answers.pieces import raise_if_ctrl_c
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
