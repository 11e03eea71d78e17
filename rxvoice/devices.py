"""Sound devices: lists them, and finds the one that a name means."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Literal, Protocol, TypeAlias, TypeVar, cast

from rxvoice.errors import ConfigError, MissingDependency

__all__ = [
    "Device",
    "Kind",
    "check_device",
    "close_stream",
    "failures",
    "find",
    "listing",
    "open_stream",
    "permission",
    "refresh",
    "same",
    "sound",
]

Kind: TypeAlias = Literal["microphone", "speaker"]

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
    "macOS may not let this program hear the microphone: allow the app it runs in (Terminal, your "
    "editor) in System Settings > Privacy & Security > Microphone, and start that app again"
)
_SERVER = (
    "PortAudio finds none when the sound server does not run: `pactl info` says whether it does, "
    "and `pulseaudio --start` starts PulseAudio"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device, as PortAudio sees it.

    Args:
        index: its number. After `refresh` it may be the number of another device.
        name: its name, for people.
        inputs: channels of its microphone; 0 if it has none.
        outputs: channels of its loudspeaker; 0 if it has none.
        sample_rate: Hz, the rate that it prefers.
        default_input: whether it is the default microphone.
        default_output: whether it is the default loudspeaker.
    """

    index: int
    name: str
    inputs: int
    outputs: int
    sample_rate: int
    default_input: bool = False
    default_output: bool = False

    def channels(self, kind: Kind) -> int:
        """How many channels it has as a device of this kind."""
        return self.inputs if kind == "microphone" else self.outputs

    def is_default(self, kind: Kind) -> bool:
        """Whether it is the default device of this kind."""
        return self.default_input if kind == "microphone" else self.default_output


class _Closable(Protocol):
    def close(self) -> None: ...


S = TypeVar("S", bound=_Closable)

# PortAudio must not open and close streams on several threads at once.
_lock = threading.RLock()
_open: dict[int, _Closable] = {}


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
    if sys.platform in ("darwin", "win32"):
        return "pip install --force-reinstall sounddevice, whose wheel has it inside"
    for packager, command in _PORTAUDIO.items():
        if shutil.which(packager):
            return command
    return "install it with your system's packager (Debian calls it libportaudio2)"


def permission() -> str | None:
    """What to do on a Mac when a microphone is silent or does not open; None elsewhere."""
    return _PERMISSION if sys.platform == "darwin" else None


def server() -> str | None:
    """What to do on Linux when there is no device at all; None elsewhere."""
    return _SERVER if sys.platform == "linux" else None


def open_stream(make: Callable[[], S]) -> S:
    """Make a stream. It counts as open until `close_stream`."""
    with _lock:
        stream = make()
        _open[id(stream)] = stream
        return stream


def close_stream(stream: _Closable) -> None:
    """Close a stream. Again does nothing. Must not be called in its callback: it waits for that."""
    with _lock:
        if _open.pop(id(stream), None) is not None:
            stream.close()


def refresh() -> bool:
    """Let PortAudio look for devices again. By itself it looks only once.

    Does nothing and returns False while a stream is open. Streams that the app has opened without
    rxvoice are lost.
    """
    with _lock:
        if _open:
            return False
        sd = sound()
        sd._terminate()
        sd._initialize()
        return True


def listing() -> list[Device]:
    """List all devices, in PortAudio's order."""
    sd = sound()
    with _lock:
        defaults = [_default(sd, kind) for kind in ("input", "output")]
        return [
            Device(
                index=index,
                name=str(it["name"]),
                inputs=int(it["max_input_channels"]),
                outputs=int(it["max_output_channels"]),
                sample_rate=round(it["default_samplerate"]),
                default_input=index == defaults[0],
                default_output=index == defaults[1],
            )
            for index, it in enumerate(sd.query_devices())
        ]


def _default(sd: ModuleType, kind: str) -> int | None:
    # This respects the default that the app has set in sounddevice.
    try:
        return int(sd.query_devices(kind=kind)["index"])
    except (ValueError, sd.PortAudioError):  # there is none, or it is not there
        return None


def check_device(name: str, device: object) -> None:
    """Raise a ConfigError unless `device` is None, an index or a part of a name."""
    if device is None or (isinstance(device, str) and device.strip()):
        return
    if isinstance(device, bool) or not isinstance(device, int) or device < 0:
        raise ConfigError(
            f"{name} must be None for the default device, an index from 0 or a part of a "
            f"device's name, got {device!r}: `rxvoice devices` lists them"
        )


def find(device: int | str | None, kind: Kind) -> Device:
    """Find the device that is meant.

    If it is not found, this looks again for devices that came after the program began, if possible.

    Args:
        device: None for the default one, an index, or a part of a name in any case. A whole name
            comes before a part.
        kind: which kind of device it must be.

    Raises:
        ConfigError: no device matches, or several do. The message lists the devices.
        MissingDependency: PortAudio is not installed.
    """
    check_device(kind, device)
    devices = [it for it in listing() if it.channels(kind)]
    found = _matching(devices, device, kind)
    if not found and refresh():
        devices = [it for it in listing() if it.channels(kind)]
        found = _matching(devices, device, kind)
    if len({it.name for it in found}) == 1:
        return found[0]
    wanted = "default device" if device is None else f"device {device!r}"
    if not devices:
        problem = f"there is no {kind}: connect one"
    elif found:
        problem = f"several {kind} devices have {device!r} in their name: say which of"
    else:
        problem = f"there is no {kind} {wanted}: choose one of"
    shown = [f"{it.index} {it.name!r}" for it in found or devices]
    hint = None if devices else (permission() if kind == "microphone" else None) or server()
    raise ConfigError(f"{problem} {', '.join(shown)}".rstrip() + (f"; {hint}" if hint else ""))


def _matching(devices: list[Device], device: int | str | None, kind: Kind) -> list[Device]:
    if device is None:
        return [it for it in devices if it.is_default(kind)]
    if isinstance(device, int):
        return [it for it in devices if it.index == device]
    part = device.strip().casefold()
    whole = [it for it in devices if it.name.casefold() == part]
    return whole or [it for it in devices if part in it.name.casefold()]


def same(device: Device, kind: Kind) -> Device:
    """Find the device again by its name, or the default one if it is gone.

    Raises:
        ConfigError: there is neither.
    """
    try:
        return find(device.name, kind)
    except ConfigError:
        return find(None, kind)


def failures() -> tuple[type[Exception], ...]:
    """The errors that sounddevice raises when a stream does not open, start or go on."""
    return (cast("type[Exception]", sound().PortAudioError), ValueError, OSError)
