"""A timer that can be set again."""

from __future__ import annotations

from reactivex.disposable import Disposable, SerialDisposable

from rxvoice.operators._conversation._mailbox import Action
from rxvoice.operators._conversation._ports import Ports

__all__ = ["Alarm"]


class Alarm:
    """Runs an action in the mailbox, some time after it was last set."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._timer = SerialDisposable()
        self._set: object = None
        ports.life.add(self._timer)

    def set(self, ms: float, action: Action) -> None:
        """Run the action so many milliseconds from now, and no other."""
        mine = self._set = object()

        def due() -> None:
            # It may have been set again, or cancelled, while this waited in the mailbox.
            if self._set is mine and not self._timer.is_disposed:
                self._set = None
                action()

        def ring(*_: object) -> None:
            self._ports.post(due)

        self._timer.disposable = self._ports.clock.schedule_relative(ms / 1000, ring)

    def cancel(self) -> None:
        """Run nothing."""
        self._set = None
        self._timer.disposable = Disposable()
