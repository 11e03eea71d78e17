"""The stages of a reply one by one, as `converse` needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from reactivex import Observable

from rxvoice.elements import Transcript

__all__ = ["flat"]

_Any: TypeAlias = Callable[[Observable[Any]], Observable[Any]]


def flat(given: Iterable[_Any], transcript: Transcript | None = None) -> Iterator[_Any]:
    """The stages one by one, where some are several.

    Args:
        transcript: the question, by which `choose` chooses; None: as they were given.
    """
    for stage in given:
        if transcript is not None and (choose := getattr(stage, "choose", None)) is not None:
            yield from flat([choose(transcript)], transcript)
        elif (inner := getattr(stage, "stages", None)) is not None:
            yield from flat(inner, transcript)
        else:
            yield stage
