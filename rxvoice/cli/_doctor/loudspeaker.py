"""Opens the loudspeaker, and plays a moment of silence on it."""

from __future__ import annotations

import time

import numpy as np

from rxvoice.cli._doctor.finding import Asked, Finding
from rxvoice.cli._doctor.private import without_owner
from rxvoice.cli._doctor.sound_system import has_portaudio
from rxvoice.devices import find
from rxvoice.errors import RxvoiceError

_SILENCE_S = 0.3
_SLOW_S = 1.0
"""From here on, the loudspeaker begins so late that a conversation is no fun."""


def check(asked: Asked) -> list[Finding]:
    """Play silence on the loudspeaker that would be used."""
    if not has_portaudio():
        return [Finding("loudspeaker", "not checked", "sounddevice does not load")]
    try:
        name = without_owner(find(asked.speaker, "speaker").name)
    except RxvoiceError:
        return [Finding("loudspeaker", "not checked", "there is no loudspeaker to use")]
    try:
        return [judged(name, *played(asked.speaker))]
    except (RxvoiceError, OSError) as error:
        told = f"{name!r} does not work: {without_owner(str(error))}"
        remedy = "choose it in the system's settings and play something; or connect it again"
        return [Finding("loudspeaker", "problem", told, remedy)]


def played(device: int | str | None) -> tuple[int, float]:
    """Play a moment of silence. Gives the rate in Hz, and how much longer it took than it lasts."""
    from rxvoice.sinks.speaker import speaker

    with speaker(device, start_buffer_ms=0) as sink:
        rate = sink.sample_rate
        sink.set_sample_rate(rate)
        began = time.monotonic()
        sink.write_samples(np.zeros(int(_SILENCE_S * rate), np.float32))
        sink.flush()
        return rate, time.monotonic() - began - _SILENCE_S


def judged(name: str, rate: int, late: float) -> Finding:
    """What is to be said of a loudspeaker that plays at this rate, so much later."""
    told = f"{name!r} plays, at {rate} Hz, {1000 * max(0.0, late):.0f} ms after it is given sound"
    facts = {"name": name, "sample_rate": rate, "late_ms": round(1000 * late)}
    if late > _SLOW_S:
        remedy = "that is long: Bluetooth does this when it wakes; try a wire or the built-in one"
        return Finding("loudspeaker", "warning", told, remedy, facts)
    return Finding("loudspeaker", "ok", told, facts=facts)
