"""When a loudspeaker reports silence that nobody wanted."""

from __future__ import annotations

import math

from rxvoice.events import Underrun

_REPORT_S = 5.0

_SLOW = (
    "speech is made more slowly than it is played: raise start_buffer_ms, speak in smaller pieces, "
    "or use a faster voice"
)
_LATE = (
    "the device was not served in time: something keeps the processor or Python's lock from it; "
    "move heavy Python work to another process"
)


class Underruns:
    """Reports the silence in replies, at once and then every 5 s at most."""

    def __init__(self) -> None:
        self._silent = self._late = 0  # already reported
        self._at = -math.inf

    def report(self, silent: int, late: int, now: float) -> Underrun | float | None:
        """Make a report, if one is due.

        Args:
            silent: samples of silence so far because speech came too late.
            late: samples of silence so far because the device was not served in time.
            now: seconds.

        Returns:
            The report; or the seconds until it is due; or None where there is nothing to report.
        """
        more_silent, more_late = silent - self._silent, late - self._late
        if not more_silent + more_late:
            return None
        wait = self._at + _REPORT_S - now
        if wait > 0:
            return wait
        self._silent, self._late, self._at = silent, late, now
        remedy = _SLOW if more_silent >= more_late else _LATE
        return Underrun(more_silent + more_late, silent + late, remedy)
