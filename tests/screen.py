"""A screen for the tests that open windows."""

from __future__ import annotations

import os
import subprocess
import sys
from shutil import which

import pytest


def on_a_screen() -> list[str]:
    """What goes before a command that opens windows. Skips the test where there is no screen."""
    if sys.platform == "darwin":
        # Over ssh there is no session for windows, and Tk ends the process.
        asked = ["launchctl", "managername"]
        session = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        if session != "Aqua":
            pytest.skip("no session for windows: log in at the screen, and not over ssh")
        return []
    if os.environ.get("DISPLAY"):
        return []
    return on_a_virtual_screen()


def on_a_virtual_screen(*options: str) -> list[str]:
    """The same for a screen of the test's own. Skips the test where none can be made."""
    if not which("xvfb-run"):
        wanted = "apt-get install xvfb" if sys.platform == "linux" else "Xvfb makes one, on Linux"
        pytest.skip(f"no virtual screen: {wanted}")
    return ["xvfb-run", "-a", *options]
