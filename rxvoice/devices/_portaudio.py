"""PortAudio, through the module sounddevice."""

from __future__ import annotations

import shutil
from importlib import import_module
from types import ModuleType
from typing import cast

from rxvoice._platform import platform
from rxvoice.errors import MissingDependency

_PORTAUDIO = {
    "apt-get": "sudo apt-get install libportaudio2",
    "dnf": "sudo dnf install portaudio",
    "pacman": "sudo pacman -S portaudio",
    "zypper": "sudo zypper install portaudio",
    "apk": "sudo apk add portaudio",
    "brew": "brew install portaudio",
}
"""The commands that install PortAudio. The wheel for a Mac contains it."""

_PERMISSION = (
    "macOS may not let this program hear the microphone: allow {app} in System Settings > Privacy "
    "& Security > Microphone, and start that app again"
)
_SERVER = (
    "PortAudio finds none when the sound server does not run: `pactl info` says whether it does, "
    "and `pulseaudio --start` starts PulseAudio"
)


def sound() -> ModuleType:
    """Load the module sounddevice. MissingDependency, with the remedy, if it does not load."""
    try:
        return import_module("sounddevice")
    except ImportError as error:
        raise MissingDependency(
            "sound devices need sounddevice: pip install sounddevice"
        ) from error
    except OSError as error:
        raise MissingDependency(
            f"sound devices need the library PortAudio ({error}): {_remedy()}"
        ) from error


def _remedy() -> str:
    if platform().name in ("darwin", "win32"):
        return "pip install --force-reinstall sounddevice, whose wheel has it inside"
    for packager, command in _PORTAUDIO.items():
        if shutil.which(packager):
            return command
    return "install it with your system's packager (Debian calls it libportaudio2)"


def permission() -> str | None:
    """What to do on a Mac when a microphone is silent or does not open; None elsewhere."""
    if not platform().is_mac:
        return None
    return _PERMISSION.format(app=platform().app() or "the app it runs in (Terminal, your editor)")


def server() -> str | None:
    """What to do on Linux when there is no device at all; None elsewhere."""
    return _SERVER if platform().is_linux else None


def failures() -> tuple[type[Exception], ...]:
    """The errors that sounddevice raises when a stream does not open, start or go on."""
    return (cast("type[Exception]", sound().PortAudioError), ValueError, OSError)
