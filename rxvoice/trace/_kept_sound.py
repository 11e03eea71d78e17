"""`KeptSound`: the sound of a trace, for a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.trace._codec import of_pcm16
from rxvoice.trace._reading import Trace

__all__ = ["KeptSound"]


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
        """The sound that a voice gave."""
        number = int(place["voice"])
        return self.samples("voice" if number == 1 else f"voice-{number}", place)

    def samples(self, name: str, place: Any) -> Samples:
        """The samples that stand at a place of a file."""
        return self.read(name, int(place["at"]), int(place["n"]))

    def read(self, name: str, at: int, count: int) -> Samples:
        """So many samples of a file."""
        pcm = self._trace.sound(name).pcm16[at : at + count]
        if len(pcm) < count:
            self._on_short(name)
            pcm = np.concatenate([pcm, np.zeros(count - len(pcm), np.int16)])
        return of_pcm16(pcm)
