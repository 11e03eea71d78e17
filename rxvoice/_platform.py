"""The system that rxvoice runs on, as far as sound differs there. Tests set another one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

__all__ = ["MAC_BUFFER_MS", "Platform", "platform"]

MAC_BUFFER_MS = 32
"""The longest buffer of a device on a Mac. A device has one for both directions, and one side falls
silent where the other sets a longer one than it opened with."""

_LID = ("/usr/sbin/ioreg", "-r", "-k", "AppleClamshellState", "-d", "1")
"""Prints the state of a MacBook's lid; nothing on a Mac without one."""

_APPS = {
    "Apple_Terminal": "Terminal",
    "iTerm.app": "iTerm",
    "vscode": "Visual Studio Code",
    "WezTerm": "WezTerm",
    "ghostty": "Ghostty",
    "WarpTerminal": "Warp",
    "Hyper": "Hyper",
    "Tabby": "Tabby",
}
"""The apps that macOS asks for permission, by the variable TERM_PROGRAM that they set."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A system.

    Args:
        name: as ``sys.platform``.
    """

    name: str

    @property
    def is_mac(self) -> bool:
        """Whether sound goes through CoreAudio."""
        return self.name == "darwin"

    @property
    def is_linux(self) -> bool:
        """Whether sound goes through ALSA."""
        return self.name.startswith("linux")

    def is_remote(self) -> bool:
        """Whether the program was started over ssh."""
        return "SSH_CONNECTION" in os.environ

    def app(self) -> str | None:
        """The app that the program runs in, such as Terminal; None where that is not known."""
        return _APPS.get(os.environ.get("TERM_PROGRAM", ""))

    def lid_is_closed(self) -> bool:
        """Whether this is a MacBook whose lid is closed. Asks the system: some 20 ms."""
        if not self.is_mac:
            return False
        try:
            told = subprocess.run(_LID, capture_output=True, text=True, timeout=1).stdout
        except (OSError, subprocess.SubprocessError):
            return False
        return re.search(r'"AppleClamshellState" = Yes', told) is not None


_set: Platform | None = None
"""The system that a test has chosen."""


def platform() -> Platform:
    """The system that this runs on."""
    return _set or Platform(sys.platform)
