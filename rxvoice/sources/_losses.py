"""Sound that a microphone has lost, and when to report it."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.errors import QueueFull
from rxvoice.events import AudioLost
from rxvoice.sources._segment import CaptureOptions

Cause: TypeAlias = Literal["device", "full"]

_REPORT_S = 5
_FLAGS = 3
_FLAGS_WITHIN_S = 10
"""On a Mac, so many flags in so many seconds are told of, where no sound is missing."""
_FLAGS_AGAIN_S = 60
"""They are not told of again for so long."""

_REMEDIES: dict[Cause, str] = {
    "device": "the sound system was served too late: close what else keeps the processor busy",
    "full": "the subscriber took too long: move slow work to another thread, or allow a longer "
    "wait with microphone(max_ms=...)",
}
_HOLE = (
    "there is nothing to do: a device came, went or changed its sample rate, and the microphone "
    "was opened again"
)


@dataclass(slots=True)
class _OfCause:
    unreported: int = 0
    is_open: bool = False
    reported_at: int | None = None


class Losses:
    """Counts what was lost. Reports each cause at once, and then every 5 s at most.

    Args:
        options: what the subscriber asked for.
        exact: whether the times of the blocks are exact, as CoreAudio's are. There the sound system
            also flags that a program was late where no sound is missing.
    """

    def __init__(self, options: CaptureOptions, *, exact: bool) -> None:
        self._options = options
        self.exact = exact
        self._flags: deque[int] = deque(maxlen=_FLAGS)
        self._flags_told: int | None = None
        self._total = 0
        self._causes: dict[Cause, _OfCause] = {"device": _OfCause(), "full": _OfCause()}

    def add(self, cause: Cause, frames: int) -> None:
        """Count a loss of so many frames; 0 where the number is not known."""
        self._total += frames
        losses = self._causes[cause]
        losses.unreported += frames
        losses.is_open = True

    def flag(self, position: int) -> None:
        """Count a flag of the sound system after `position` samples, where none seem missing."""
        if self.exact:
            rate = self._options.sample_rate
            self._flags.append(position)
            rare = len(self._flags) < _FLAGS or (
                position - self._flags[0] >= _FLAGS_WITHIN_S * rate
            )
            told = self._flags_told
            if rare or (told is not None and position - told < _FLAGS_AGAIN_S * rate):
                return
            self._flags_told = position
        self.add("device", 0)

    def hole(self, frames: int) -> AudioLost:
        """Count what was lost while the same device was opened again, and report it at once."""
        self._total += frames
        return AudioLost(frames, self._total, "device", _HOLE)

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
