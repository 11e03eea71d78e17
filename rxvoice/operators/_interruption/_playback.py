"""A sink, as far as an interruption cares: what was heard, and holding it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from reactivex import Observable

from rxvoice.elements import Event
from rxvoice.slots import AudioSink

__all__ = ["Playback"]


class Playback:
    """What one subscription writes to a sink, counted from its first sample.

    Args:
        duck: the gain at which to play while held; None to pause instead.
    """

    def __init__(self, sink: AudioSink, duck: float | None) -> None:
        self._sink = sink
        self._duck = duck
        self._origin: int | None = getattr(sink, "position", None)
        self.written = 0
        """Samples given to the sink, without those it has dropped."""
        self.held = False
        self.played: Observable[int] | None = getattr(sink, "played", None)
        self.events: Observable[Event] | None = getattr(sink, "events", None)

    @property
    def position(self) -> int:
        """How many samples have been heard; all, where the sink does not say."""
        if self._origin is None:
            return self.written
        return min(self.written, cast(Any, self._sink).position - self._origin)

    def passed(self, position: int) -> bool:
        """Whether all before this position was heard, as far as the sink says when it is."""
        return (self.written if self.played is None else self.position) >= position

    def hold(self) -> bool:
        """Pause or duck; whether it is paused now."""
        self.held = True
        if self._duck is not None:
            self._call("duck", self._duck)
            return False
        return self._call("pause")

    def release(self) -> None:
        """Go on, at full gain, with the next sample that was not heard."""
        if self.held:
            self.held = False
            if self._duck is not None:
                self._call("duck", 1.0)
            else:
                self._call("resume")

    def end_reply(self) -> None:
        """Say that all of a reply has been written: its last words need not wait for more."""
        self._call("end_reply")

    def clear(self) -> int:
        """Drop what was not heard; the position at which it was dropped."""
        position = self.position
        self.written -= self._sink.clear().shape[0]
        return position if self._origin is not None else self.written

    def _call(self, name: str, *args: float) -> bool:
        found: Callable[..., object] | None = getattr(self._sink, name, None)
        if found is None:
            return False
        found(*args)
        return True
