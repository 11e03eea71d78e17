"""Events of the sound: its level, lost samples, and the devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rxvoice.events._event import Event


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Level(Event):
    """Emitted by `meter` every so many milliseconds of audio: how loud the microphone is.

    Args:
        rms: root mean square of the samples, 0 to 1.
        peak: largest magnitude, 0 to 1.
        ms: milliseconds of audio that were measured.
    """

    rms: float
    peak: float
    ms: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Muted(Event):
    """Emitted by `mute` before the first chunk that is muted, and before the first that is not.

    Args:
        muted: whether the microphone is muted from here on.
    """

    muted: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioLost(Event):
    """Emitted where captured audio was lost, by the microphone or `handoff`.

    The microphone puts silence of the same length in its place; `handoff` leaves it out.

    Args:
        samples: samples lost since the last such event, at the sample rate of the device or queue.
        total: samples lost since the subscription.
        cause: ``"device"``: the sound system reported the loss, or the device was opened again.
            ``"full"``: the app did not keep up.
        remedy: what to do about it, for people.
    """

    samples: int
    total: int
    cause: Literal["device", "full"]
    remedy: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Underrun(Event):
    """Emitted by the loudspeaker when it had nothing to play in the middle of a reply.

    Args:
        samples: samples of silence since the last such event, at the device's sample rate.
        total: samples of silence so far.
        remedy: what to do about it, for people.
    """

    samples: int
    total: int
    remedy: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceLost(Event):
    """Emitted when a microphone or loudspeaker goes away. rxvoice looks for it until it returns.

    Args:
        kind: ``"microphone"`` or ``"speaker"``.
        device: the name of the device.
        reason: the message of the sound system.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceRestored(Event):
    """Emitted when a microphone or loudspeaker that was lost works again.

    Args:
        kind: ``"microphone"`` or ``"speaker"``.
        device: the name of the device. It is another one if the default device took its place.
        gone_ms: how long there was no device, in milliseconds.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    gone_ms: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceChanged(Event):
    """Emitted when another microphone or loudspeaker has taken the place of one, and it works.

    The app has chosen it, or it has become the system's default device, or it is the chosen device,
    which is there again.

    Args:
        kind: ``"microphone"`` or ``"speaker"``.
        device: the name of the new device.
        before: the name of the old device.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    before: str
