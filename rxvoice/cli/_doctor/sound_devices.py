"""The microphones and loudspeakers, with their rates, and those that would be used."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rxvoice.cli._doctor.finding import Asked, Finding
from rxvoice.cli._doctor.private import without_owner
from rxvoice.cli._doctor.sound_system import has_portaudio
from rxvoice.devices import Device, Kind, failures, find, hal, listing, permission, server, sound
from rxvoice.errors import ConfigError

_RATES = (16_000, 24_000, 44_100, 48_000)
_HEADSET = ("airpods", "bluetooth", "headset", "hands-free", "handsfree", "beats", "buds")
_HEADSET_RATE = 24_000
"""The highest rate, in Hz, of the profile that Bluetooth uses while its microphone is open."""


def check(asked: Asked) -> list[Finding]:
    """List the devices, and say which are used by default or by the settings."""
    if not has_portaudio():
        told = "sounddevice does not load"
        return [Finding("devices", "not checked", told)]
    return judged(asked, listing())


def judged(asked: Asked, found: list[Device]) -> list[Finding]:
    """What is to be said of these devices."""
    if not found:
        hint = server() or permission() or "connect them"
        return [Finding("devices", "problem", "there is no microphone and no loudspeaker", hint)]
    findings = [_listed(found)]
    both: tuple[tuple[Kind, int | str | None], ...] = (
        ("microphone", asked.microphone),
        ("speaker", asked.speaker),
    )
    for kind, device in both:
        if any(it.channels(kind) for it in found):
            findings.append(_used(kind, device))
        else:
            label = "microphone" if kind == "microphone" else "loudspeaker"
            hint = (permission() if kind == "microphone" else None) or server() or "connect one"
            findings.append(Finding("devices", "problem", f"there is no {label}", hint))
    return findings


def _listed(found: list[Device]) -> Finding:
    shown = [
        f"{it.index} {without_owner(it.name)} "
        f"({it.inputs} in, {it.outputs} out, {it.sample_rate} Hz)"
        for it in found
    ]
    facts = {
        "devices": [
            {
                "index": it.index,
                "name": without_owner(it.name),
                "inputs": it.inputs,
                "outputs": it.outputs,
                "sample_rate": it.sample_rate,
            }
            for it in found
        ]
    }
    count = f"{len(found)} device{'' if len(found) == 1 else 's'}"
    return Finding("devices", "ok", f"{count}: {', '.join(shown)}".rstrip(": "), facts=facts)


def _used(kind: Kind, wanted: int | str | None) -> Finding:
    label = "microphone" if kind == "microphone" else "loudspeaker"
    try:
        device = find(wanted, kind)
    except ConfigError as error:
        told = f"there is no {label} to use"
        return Finding("devices", "problem", told, without_owner(str(error)))
    name = without_owner(device.name)
    rates = supported(device, kind)
    told = f"the {label} is {name!r}, {device.sample_rate} Hz"
    if rates and sys.platform != "darwin":  # CoreAudio takes any rate, and converts
        told += f"; it takes {', '.join(map(str, rates))} Hz"
    facts = {"kind": label, "name": name, "sample_rate": device.sample_rate, "rates": rates}
    if kind == "microphone" and is_headset(device):
        remedy = (
            "a Bluetooth microphone sounds like a telephone and makes the headset's own sound like "
            "one: use the built-in microphone, and keep the headset for output, as in "
            "rxvoice talk --microphone Built-in (`rxvoice devices` lists the names)"
        )
        return Finding("devices", "warning", told, remedy, facts)
    return Finding("devices", "ok", told, facts=facts)


def is_headset(device: Device) -> bool:
    """Whether its microphone is a Bluetooth one. By name and rate, if the system does not tell."""
    known = hal().device(device.name, "microphone")
    if known is not None:
        return known.transport == "bluetooth"
    if any(it in device.name.casefold() for it in _HEADSET):
        return True
    return sys.platform == "darwin" and device.sample_rate <= _HEADSET_RATE


def supported(device: Device, kind: Kind) -> list[int]:
    """The usual rates that the device takes, in Hz."""
    sd = sound()
    ask: Callable[..., object] = (
        sd.check_input_settings if kind == "microphone" else sd.check_output_settings
    )
    return [it for it in _RATES if _takes(ask, device.index, it)]


def _takes(ask: Callable[..., object], index: int, rate: int) -> bool:
    try:
        ask(device=index, samplerate=rate, channels=1)
    except failures():
        return False
    return True
