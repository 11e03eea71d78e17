"""`null`: speech is counted and forgotten."""

from __future__ import annotations

from rxvoice.elements import Samples
from rxvoice.sinks._sink import KeepingSink

__all__ = ["NullSink", "null"]


def null() -> NullSink:
    """A sink that takes everything at once, and counts it."""
    return NullSink()


class NullSink(KeepingSink):
    """Made by `null`."""

    def __init__(self) -> None:
        super().__init__("the null sink", None)
        self._written = 0

    @property
    def written(self) -> int:
        """Samples taken so far, at whatever rate they came."""
        return self._written

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Does not matter."""

    def _keep(self, samples: Samples) -> None:
        self._written += len(samples)
