"""Listens to the microphone for a moment, and judges by the level whether it may be heard."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.chunks import AudioChunk
from rxvoice.cli._doctor.finding import Asked, Finding
from rxvoice.cli._doctor.private import without_owner
from rxvoice.cli._doctor.sound_system import has_portaudio
from rxvoice.devices import find, permission
from rxvoice.errors import RxvoiceError
from rxvoice.events import AudioLost, DeviceLost, Event, Notice

_RATE = 16_000
_SETTLING_S = 0.3
"""A microphone begins with zeros, or with a click."""
_PATIENCE_S = 5.0
"""How much longer than asked to wait for the sound."""
_ZEROS_S = 3.0
"""After so many seconds of zeros, a microphone on a Mac has said what they can come from."""
_ZEROS = "nothing but zeros: "
_FAINT_DB = -80.0
_FULL = 0.99
_CLIPPED = 0.001


@dataclass
class Heard:
    """What came from the microphone.

    Attributes:
        samples: mono, at 16 kHz.
        began: when the first sample was captured, in seconds of ``time.monotonic()``.
        lost: how many samples were lost.
        notices: what it reported beside.
        error: why it does not work; "" if it does.
    """

    samples: Samples
    began: float = 0.0
    lost: int = 0
    notices: list[str] = field(default_factory=list[str])
    error: str = ""


class OpenMicrophone:
    """Listens to a microphone until `end`."""

    def __init__(self, device: int | str | None) -> None:
        from rxvoice.sources import microphone

        self._changed = threading.Condition()
        self._chunks: list[AudioChunk] = []
        self._heard = Heard(np.empty(0, np.float32))
        self._open = microphone(device, sample_rate=_RATE).subscribe(self._take, self._fail)

    def wait(self, seconds: float, patience: float = _PATIENCE_S) -> bool:
        """Wait until so much was captured in all. False if it does not come, or at an error."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._heard.error or self.seconds >= seconds, seconds + patience
            )
            return self.seconds >= seconds

    def wait_for_notice(self, seconds: float) -> None:
        """Wait until the microphone has reported something, until it is not silent, or so long."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._heard.notices or any(it.samples.any() for it in self._chunks), seconds
            )

    def end(self) -> Heard:
        """Close the microphone, and give what was captured."""
        self._open.dispose()
        with self._changed:
            if self._chunks:
                self._heard.samples = np.concatenate([it.samples for it in self._chunks])
                self._heard.began = self._chunks[0].time or 0.0
            return self._heard

    @property
    def seconds(self) -> float:
        """How much was captured."""
        return sum(len(it.samples) for it in self._chunks) / _RATE

    def _take(self, element: AudioChunk | Event) -> None:
        with self._changed:
            match element:
                case AudioChunk():
                    self._chunks.append(element)
                case AudioLost(samples=samples):
                    self._heard.lost += samples
                case DeviceLost():
                    self._heard.error = "the device went away while it was open"
                case Notice(message=message):
                    self._heard.notices.append(message)
                case _:
                    pass
            self._changed.notify_all()

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._heard.error = str(error)
            self._changed.notify_all()


def check(asked: Asked) -> list[Finding]:
    """Listen to the microphone that would be used."""
    if not has_portaudio():
        return [Finding("microphone", "not checked", "sounddevice does not load")]
    try:
        name = without_owner(find(asked.microphone, "microphone").name)
    except RxvoiceError:
        return [Finding("microphone", "not checked", "there is no microphone to use")]
    listening = OpenMicrophone(asked.microphone)
    listening.wait(asked.seconds + _SETTLING_S)
    if permission():
        listening.wait_for_notice(_ZEROS_S)
    return judged(name, listening.end())


def judged(name: str, heard: Heard) -> list[Finding]:
    """What is to be said of what was heard."""
    if heard.error:
        told = f"{name!r} does not work: {without_owner(heard.error)}"
        return [Finding("microphone", "problem", told, _reopening())]
    samples = heard.samples[int(_SETTLING_S * _RATE) :]
    if not len(samples):
        told = f"{name!r} opens, and no sound comes from it"
        return [Finding("microphone", "problem", told, _reopening())]
    if not samples.any():
        told = f"{name!r} gives nothing but zeros"
        facts = {"name": name, "zeros": True}
        return [Finding("microphone", "problem", told, _silence(heard.notices), facts)]
    return [_level(name, samples), *_beside(heard)]


def _level(name: str, samples: Samples) -> Finding:
    size = min(512, len(samples))
    parts = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.sqrt(np.mean(np.square(parts, dtype=np.float64), axis=1))
    loudest, quietest = decibels(float(power.max())), decibels(float(np.median(power)))
    clipped = float(np.mean(np.abs(samples) >= _FULL))
    facts = {
        "name": name,
        "seconds": round(len(samples) / _RATE, 2),
        "loudest_db": round(loudest, 1),
        "median_db": round(quietest, 1),
        "zeros": False,
        "clipped": round(clipped, 4),
    }
    told = f"{name!r} gives sound of {quietest:.0f} dB, at its loudest {loudest:.0f} dB"
    if clipped > _CLIPPED:
        remedy = "it is too loud, and cut off: lower the input's level in the system's settings"
        return Finding("microphone", "warning", told, remedy, facts)
    if loudest < _FAINT_DB:
        remedy = (
            "that is hardly anything: say something during the next try, or raise the level of the "
            "input in the system's settings"
        )
        return Finding("microphone", "warning", told, remedy, facts)
    return Finding("microphone", "ok", told, facts=facts)


def _beside(heard: Heard) -> list[Finding]:
    findings: list[Finding] = []
    if heard.lost:
        told = f"{1000 * heard.lost / _RATE:.0f} ms of the microphone's sound were lost"
        remedy = "the machine or the device is busy: close other programs, or try another device"
        findings.append(Finding("microphone", "warning", told, remedy, {"lost": heard.lost}))
    notices = (Finding("microphone", "warning", without_owner(it)) for it in heard.notices)
    return [*findings, *notices]


def decibels(level: float) -> float:
    """The level in decibels below full scale."""
    return 20 * float(np.log10(max(level, 1e-9)))


def _silence(notices: list[str]) -> str:
    """What to do about zeros, if possible as the microphone says it."""
    for it in notices:
        if _ZEROS in it:
            return it.partition(_ZEROS)[2]
    if allowed := permission():
        return (
            f"{allowed}. The same happens with a closed lid, with AirPods that another device "
            "uses, and over ssh"
        )
    return "unmute it: pactl set-source-mute @DEFAULT_SOURCE@ 0; a virtual one is silent by itself"


def _reopening() -> str:
    if allowed := permission():
        return f"{allowed}; or disconnect it and connect it again"
    if sys.platform == "linux":
        return (
            "see whether another program has it, and whether the sound server lists it: pactl list "
            "short sources"
        )
    return "disconnect it and connect it again"
