"""A microphone that gives exact zeros, as CoreAudio's do where no sound reaches the program."""

from __future__ import annotations

from rxvoice.sources._machine import Machine

_AT_FIRST_S = 2
"""After so many seconds of zeros since the microphone opened, they are told of."""
_LATER_S = 10
"""The same where it has given sound before. Speech and noise are never exactly zero for so long."""

_REMOTE = (
    "macOS gives no microphone to a program that was started over ssh: start it in a terminal on "
    "the Mac itself"
)
_LID = (
    "the lid is closed, which switches the built-in microphone off: open it, or choose another "
    "microphone"
)
_HELD = (
    "a phone or another computer may hold it: disconnect it there, or choose the Mac's own "
    "microphone"
)
_UNFED = "no program plays into this virtual device: choose another, or start what should"
_MUTED = (
    "it may be muted: look for a switch on it and at its level in System Settings > Sound > Input, "
    "or choose another microphone"
)


class Zeros:
    """Tells of exact zeros, once for each stretch of them, and what they can come from.

    Args:
        machine: what is asked for the reason. Where it knows of no permission, nothing is told.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._permission = machine.permission()
        self._device = ""
        self._heard = False  # whether it has given sound
        self._permitted = False  # whether any has
        self._lasted = 0.0  # seconds
        self._told = False

    def opened(self, device: str) -> None:
        """Say which microphone the next samples come from. The same one goes on as it was."""
        if device != self._device:
            self._device = device
            self._heard = self._told = False
            self._lasted = 0.0

    def look(self, peak: float, seconds: float) -> str | None:
        """Look at a block. Returns what to tell, if there is something.

        Args:
            peak: the largest magnitude of its samples.
            seconds: how long it is.
        """
        if peak > 0:
            self._heard = self._permitted = True
            self._told, self._lasted = False, 0.0
            return None
        self._lasted += seconds
        due = _LATER_S if self._heard else _AT_FIRST_S
        if self._permission is None or self._told or self._lasted < due:
            return None
        self._told = True
        zeros = (
            f"has given nothing but zeros for {due} s" if self._heard else "gives nothing but zeros"
        )
        return f"{zeros}: {self._reason(self._permission)}"

    def _reason(self, permission: str) -> str:
        platform, transport = self._machine.platform, self._machine.transport(self._device)
        if platform.is_remote() and not self._permitted:
            return _REMOTE
        if transport in ("built-in", None) and platform.lid_is_closed():
            return _LID
        reason = {"bluetooth": _HELD, "virtual": _UNFED}.get(transport or "")
        if self._permitted:
            return reason or _MUTED
        return f"{reason}; or {permission}" if reason else permission
