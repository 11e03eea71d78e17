"""Playback is held back while a candidate wants it, and goes on."""

from __future__ import annotations

from rxvoice.events import Paused, Resumed, ResumeReason
from rxvoice.operators._conversation.exchange import Exchange
from rxvoice.operators._conversation.mailbox import Action
from rxvoice.operators._conversation.playback import Playback
from rxvoice.operators._conversation.ports import Alarm, Ports


class Hold:
    """Holds the reply of one exchange back.

    Attributes:
        reason: why the reply would go on now.
    """

    def __init__(self, playback: Playback, ports: Ports) -> None:
        self._playback = playback
        self._ports = ports
        self._too_long = Alarm(ports)
        self._held: Exchange | None = None
        self._is_paused = False  # and not only ducked
        self.reason: ResumeReason = "quiet"

    def update(
        self, current: Exchange | None, *, wanted: bool, at_most_ms: float, on_too_long: Action
    ) -> bool:
        """Hold back the current reply, or let it go on; whether anything has changed."""
        if self._held is not None and self._held is not current:
            self.release()  # it is over
        if current and wanted and self._held is None:
            self._held = current
            self._is_paused = self._playback.hold()
            if self._is_paused:
                self._ports.say(Paused(current.turn))
            self._too_long.set(at_most_ms, on_too_long)
            return True
        if self._held is None or wanted:
            return False
        self.release()
        if current and self._is_paused:
            self._ports.say(Resumed(current.turn, self.reason))
        return True

    def release(self) -> None:
        """Let the sink go on, without a word; where it has failed to, try again."""
        self._held = None
        self._too_long.cancel()
        self._playback.release()
