"""When an open stream of a microphone is to be given up."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice.sources._machine import InputStream, Machine
from rxvoice.sources._segment import Segment

LOOK_S = 0.5
"""How often the stream is looked at, at least."""
_QUIET_LOOKS = 2
"""So many looks without a callback mean that the device is lost. After one, the machine may have
been asleep."""
_QUIET_LOOKS_AT_FIRST = 6
"""The same before the first callback: some devices take their time to wake up."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A stream is to be given up.

    Args:
        reason: why.
        again: whether another stream may open at once.
        works: whether the device works, so that it may stay if another one does not open.
    """

    reason: str
    again: bool
    works: bool = False


class Lookout:
    """Looks at an open stream.

    Args:
        segment: the stream.
        stream: the same, as it was opened; None if it has been closed already.
        machine: which has opened it.
    """

    def __init__(self, segment: Segment, stream: InputStream | None, machine: Machine) -> None:
        self._segment = segment
        self._stream = stream
        self._machine = machine
        self._seen = 0  # frames
        self._quiet = 0  # looks without a callback

    def look(self, *, woken: bool) -> GivenUp | None:
        """Look at it. Returns why it is to be given up, or None.

        Args:
            woken: whether something has happened since the last look. If not, `LOOK_S` are over.
        """
        ring, watch = self._segment.ring, self._segment.watch
        finished = ring.finished  # read first: what is let go ends after that is said
        if self._stream is not None and self._stream.was_let_go:
            return GivenUp("PortAudio looks for devices", again=True)
        if finished:
            return GivenUp("the sound system ended the stream", watch.has_successor())
        news = watch.news(self._machine.now())
        if news == "gone":
            return GivenUp("it was disconnected", watch.has_successor())
        if news is not None:
            return GivenUp("it does not open again", again=True, works=news != "rate")
        captured = ring.captured
        if captured != self._seen:
            if not self._seen:
                self._machine.began(self._segment.opened)
            self._quiet = 0
        elif not woken:
            self._quiet += 1
        self._seen = captured
        if self._quiet >= (_QUIET_LOOKS if captured else _QUIET_LOOKS_AT_FIRST):
            return GivenUp(f"no sound for {self._quiet * LOOK_S:.0f} s", watch.has_successor())
        return None
