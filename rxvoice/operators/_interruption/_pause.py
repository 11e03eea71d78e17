"""Playback is held back, and goes on."""

from __future__ import annotations

import logging

from rxvoice.events import Paused, Resumed
from rxvoice.operators._interruption._alarm import Alarm
from rxvoice.operators._interruption._mailbox import Action
from rxvoice.operators._interruption._playback import Playback
from rxvoice.operators._interruption._ports import Ports
from rxvoice.turn import Turn

__all__ = ["Pause"]

_log = logging.getLogger("rxvoice")


class Pause:
    """Holds playback back while a candidate is judged, but never for longer than `at_most_ms`."""

    def __init__(self, playback: Playback, at_most_ms: float, ports: Ports) -> None:
        self._playback = playback
        self._at_most_ms = at_most_ms
        self._ports = ports
        self._alarm = Alarm(ports)
        self._paused: Turn | None = None  # whose reply downstream knows to be paused

    def hold(self, turn: Turn, on_over: Action) -> None:
        """Hold the reply to this turn back, from now for the longest time.

        Args:
            on_over: what is to be done once that has passed.
        """
        if self._playback.hold() and self._paused is None:
            self._paused = turn
            self._ports.say(Paused(turn))
        self._alarm.set(self._at_most_ms, on_over)

    def resume(self) -> None:
        """Go on with the reply."""
        paused = self._paused
        self.release()
        if paused:
            self._ports.say(Resumed(paused))

    def release(self) -> None:
        """Let the sink go on: the reply that was held back is over."""
        self._alarm.cancel()
        self._playback.release()
        self._paused = None

    def give_up(self) -> None:
        """The subscription is over: what is held back is not to be heard later."""
        if self._playback.held:
            try:
                self._playback.clear()
                self._playback.release()  # the sink stays fit for use
            except Exception:
                _log.exception("the sink could not be cleared")
