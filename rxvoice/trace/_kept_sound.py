"""`KeptSound`: the sound of a trace, for a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError
from rxvoice.trace._codec import of_pcm16
from rxvoice.trace._reading import Trace, is_count

__all__ = ["KeptSound"]

_MOST_MISSING = 2**24
"""Samples of silence that stand in for what is missing: six minutes at 48 kHz."""


def _nothing(_: str) -> None:
    """Silence stands in."""


class KeptSound:
    """Gives the sound that stands in the files of a trace.

    Args:
        on_short: called with the name of a file that is too short. Silence stands in.
    """

    def __init__(self, trace: Trace, on_short: Callable[[str], None] = _nothing) -> None:
        self._trace = trace
        self._on_short = on_short

    def get(self, place: dict[str, Any]) -> Samples:
        """The sound that a voice gave. Errors: `ConfigError` for what is no place."""
        number = _count(place, "voice")
        return self.samples("voice" if number == 1 else f"voice-{number}", place)

    def samples(self, name: str, place: Any) -> Samples:
        """The samples that stand at a place of a file. Errors: `ConfigError` for no place."""
        return self.read(name, _count(place, "at"), _count(place, "n"))

    def read(self, name: str, at: int, count: int) -> Samples:
        """So many samples of a file; fewer, if far more are missing than silence stands in for."""
        pcm = self._trace.sound(name).pcm16[at : at + count]
        if len(pcm) < count:
            self._on_short(name)
            missing = min(count - len(pcm), _MOST_MISSING)
            pcm = np.concatenate([pcm, np.zeros(missing, np.int16)])
        return of_pcm16(pcm)


def _count(place: Any, name: str) -> int:
    found = place.get(name)
    if not is_count(found):
        raise ConfigError(
            f"the trace has sound whose {name!r} must be a whole number from 0, got {found!r:.60}"
        )
    return found
