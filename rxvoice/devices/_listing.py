"""The list of devices, and the search in it."""

from __future__ import annotations

import re
import unicodedata
from types import ModuleType

from rxvoice.devices._device import Device, Kind, check_device
from rxvoice.devices._hal import hal
from rxvoice.devices._portaudio import permission, server
from rxvoice.devices._refresh import has_changed, listed, look_again, refresh
from rxvoice.errors import ConfigError

_BLUETOOTH = re.compile(r"airpods|bluetooth|\bbeats\b", re.IGNORECASE)
"""What devices are called that are connected by Bluetooth, where the system does not tell."""


def listing() -> list[Device]:
    """List all devices, in PortAudio's order.

    On a Mac, sample rates and the default devices are those of this moment. The list itself is that
    of the last `refresh`.
    """
    with listed() as sd:
        found = sd.query_devices()
        defaults = [_default(sd, found, kind) for kind in ("microphone", "speaker")]
        return [
            Device(
                index=index,
                name=str(it["name"]),
                inputs=int(it["max_input_channels"]),
                outputs=int(it["max_output_channels"]),
                sample_rate=_rate(it),
                default_input=index == defaults[0],
                default_output=index == defaults[1],
            )
            for index, it in enumerate(found)
        ]


def _rate(entry: dict[str, object]) -> int:
    sides: tuple[tuple[Kind, str], ...] = (
        ("speaker", "max_output_channels"),
        ("microphone", "max_input_channels"),
    )
    for kind, channels in sides:
        device = hal().device(str(entry["name"]), kind) if entry[channels] else None
        if device is not None and device.sample_rate:
            return device.sample_rate
    return round(float(str(entry["default_samplerate"])))


def _default(sd: ModuleType, found: list[dict[str, object]], kind: Kind) -> int | None:
    side = "input" if kind == "microphone" else "output"
    now = None if is_chosen_by_app(sd, kind) else hal().default(kind)
    if now is not None:
        for index, it in enumerate(found):
            if it["name"] == now.name and it[f"max_{side}_channels"]:
                return index
    # This respects the default that the app has set in sounddevice.
    try:
        return int(sd.query_devices(kind=side)["index"])
    except (ValueError, sd.PortAudioError):  # there is none, or it is not there
        return None


def is_chosen_by_app(sd: ModuleType, kind: Kind) -> bool:
    """Whether the app has set a default device in sounddevice."""
    default = getattr(sd, "default", None)
    return default is not None and default.device[int(kind == "speaker")] != -1


def find(device: int | str | None, kind: Kind) -> Device:
    """Find the device that is meant.

    Where the list is old, this looks again for devices that came after the program began. If
    streams are open, it does so only if the device is not in the list: see `look_again`.

    Args:
        device: None for the default one, an index, or a part of a name in any case. A whole name
            comes before a part.
        kind: which kind of device it must be.

    Raises:
        ConfigError: no device matches, or several do. The message lists the devices.
        MissingDependency: PortAudio is not installed.
    """
    check_device(kind, device)
    if has_changed():
        refresh()
    devices = [it for it in listing() if it.channels(kind)]
    found = _matching(devices, device, kind)
    if (not found or (device is None and not _is_current(found[0], kind))) and look_again():
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


def _is_current(device: Device, kind: Kind) -> bool:
    """Whether it is the system's default device, as far as the system tells."""
    with listed() as sd:
        now = None if is_chosen_by_app(sd, kind) else hal().default(kind)
    return now is None or now.name == device.name


def _matching(devices: list[Device], device: int | str | None, kind: Kind) -> list[Device]:
    if device is None:
        return [it for it in devices if it.is_default(kind)]
    if isinstance(device, int):
        return [it for it in devices if it.index == device]
    part = _folded(device)
    whole = [it for it in devices if _folded(it.name) == part]
    return whole or [it for it in devices if part in _folded(it.name)]


def _folded(name: str) -> str:
    """A name as people type it: macOS writes Anna\u2019s AirPods, with spaces that do not break."""
    return unicodedata.normalize("NFKC", name).replace("\u2019", "'").strip().casefold()


def same(device: Device | None, kind: Kind) -> Device:
    """Find the device again by its name, or the default one if it is gone.

    Args:
        device: the device; None for the default one.
        kind: which kind of device it must be.

    Raises:
        ConfigError: there is neither.
    """
    if device is not None and (not hal().knows or hal().device(device.name, kind)):
        try:
            return find(device.name, kind)
        except ConfigError:
            pass
    return find(None, kind)


def is_bluetooth(device: Device, kind: Kind) -> bool:
    """Whether a device is connected by Bluetooth, as far as that is known."""
    known = hal().device(device.name, kind)
    return (
        _BLUETOOTH.search(device.name) is not None
        if known is None
        else known.transport == "bluetooth"
    )
