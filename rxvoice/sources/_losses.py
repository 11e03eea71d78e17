"""Sound that a microphone has lost, and when to report it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.errors import QueueFull
from rxvoice.events import AudioLost
from rxvoice.sources._segment import CaptureOptions

Cause: TypeAlias = Literal["device", "full"]

_REPORT_S = 5

_REMEDIES: dict[Cause, str] = {
    "device": "the sound system was served too late: close what else keeps the processor busy",
    "full": "the subscriber took too long: move slow work to another thread, or allow a longer "
    "wait with microphone(max_ms=...)",
}


@dataclass(slots=True)
class _OfCause:
    unreported: int = 0
    is_open: bool = False
    reported_at: int | None = None


class Losses:
    """Counts what was lost. Reports each cause at once, and then every 5 s at most."""

    def __init__(self, options: CaptureOptions) -> None:
        self._options = options
        self._total = 0
        self._causes: dict[Cause, _OfCause] = {"device": _OfCause(), "full": _OfCause()}

    def add(self, cause: Cause, frames: int) -> None:
        """Count a loss of so many frames; 0 where the number is not known."""
        self._total += frames
        losses = self._causes[cause]
        losses.unreported += frames
        losses.is_open = True

    def report(self, position: int) -> Generator[AudioLost]:
        """Give the reports that are due after `position` samples."""
        for cause, losses in self._causes.items():
            recent = losses.reported_at is not None and (
                position - losses.reported_at < _REPORT_S * self._options.sample_rate
            )
            if losses.is_open and not recent:
                lost, losses.unreported, losses.is_open = losses.unreported, 0, False
                losses.reported_at = position
                yield AudioLost(lost, self._total, cause, _REMEDIES[cause])

    def fail_if_wanted(self, position: int) -> Generator[AudioLost]:
        """Give all reports and raise, with ``overflow="fail"``.

        Raises:
            QueueFull: the app wants a full buffer to be an error.
        """
        if self._options.overflow == "fail":
            for losses in self._causes.values():
                losses.reported_at = None
            yield from self.report(position)
            raise QueueFull(
                f"the microphone's buffer of {self._options.max_ms} ms was full and "
                f"{self._total} samples were lost: {_REMEDIES['full']}"
            )
