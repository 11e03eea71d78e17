"""PortAudio, and on Linux the sound server that it speaks to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rxvoice.cli._doctor.finding import Finding
from rxvoice.devices import server, sound
from rxvoice.errors import MissingDependency

_ALSA = Path("/dev/snd")
_PACTL_S = 3.0


def check() -> list[Finding]:
    """Load PortAudio, and on Linux ask for the sound server."""
    try:
        sd = sound()
    except MissingDependency as error:
        return [
            Finding(
                "portaudio", "problem", "sounddevice, with PortAudio, does not load", str(error)
            )
        ]
    version = str(sd.get_portaudio_version()[1]).partition(", revision")[0]
    apis = [str(it["name"]) for it in sd.query_hostapis() if it["devices"]]
    told = f"{version}, sounddevice {sd.__version__}, by {' and '.join(apis) or 'no interface'}"
    facts = {"version": version, "sounddevice": str(sd.__version__), "interfaces": apis}
    found = [Finding("portaudio", "ok", told, facts=facts)]
    return [*found, sound_server(pactl(), alsa())] if sys.platform == "linux" else found


def sound_server(told: Mapping[str, str] | str, alsa: str) -> Finding:
    """What is to be said of the sound server on Linux.

    Args:
        told: what `pactl info` says, by its labels; or why it does not.
        alsa: what is wrong with ALSA's devices; "" for nothing.
    """
    if not isinstance(told, str) and "Server Name" in told:
        name = f"{told['Server Name']} {told.get('Server Version', '')}".strip()
        return Finding("sound server", "ok", name, facts={"name": name})
    why = told if isinstance(told, str) else "pactl info does not name it"
    facts = {"name": None, "alsa": alsa or "ok"}
    if alsa:
        remedy = f"{server()}; without one, PortAudio uses ALSA, and {alsa}"
        return Finding("sound server", "problem", f"none answers ({why})", remedy, facts)
    told = f"none answers ({why}): PortAudio uses ALSA"
    return Finding("sound server", "ok", told, facts=facts)


def pactl() -> Mapping[str, str] | str:
    """What PulseAudio or PipeWire says of itself, by labels; or why there is no answer."""
    try:
        done = subprocess.run(
            ["pactl", "info"],
            capture_output=True,
            text=True,
            timeout=_PACTL_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        return "pactl is not installed"
    except subprocess.TimeoutExpired:
        return f"it does not answer within {_PACTL_S:.0f} s"
    except OSError as error:
        return str(error)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["pactl failed"])[-1]
    lines = (it.partition(": ") for it in done.stdout.splitlines())
    return {label.strip(): value.strip() for label, _, value in lines}


def alsa() -> str:
    """What is wrong with the devices of ALSA; "" for nothing."""
    cards: list[str] = []
    with suppress(OSError):
        cards = [it.name for it in _ALSA.iterdir() if it.name.startswith("pcm")]
    if not cards:
        return "there is no sound card"
    if not any(os.access(_ALSA / it, os.R_OK | os.W_OK) for it in cards):
        return "this user may not open it: sudo usermod -aG audio $USER, and log in again"
    return ""


def has_portaudio() -> bool:
    """Whether PortAudio loads."""
    try:
        sound()
    except MissingDependency:
        return False
    return True
