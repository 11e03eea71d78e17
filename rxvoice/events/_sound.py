"""What happens to the sound: its level, what was lost of it, and the devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rxvoice.events._event import Event


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Level(Event):
    """How loud the microphone is.

    Args:
        rms: root mean square of the samples, 0 to 1.
        peak: largest magnitude, 0 to 1.
        ms: how much audio it was measured over.
    """

    rms: float
    peak: float
    ms: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Muted(Event):
    """The app has muted the microphone, or lets it be heard again (`mute`).

    Args:
        muted: which of the two.
    """

    muted: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioLost(Event):
    """Captured audio was lost on its way.

    The microphone replaces it by silence of the same length; `handoff` leaves it out.

    Args:
        samples: lost since the last such event, at the device's or the queue's sample rate.
        total: lost since the subscription.
        cause: ``"device"``: the sound system said so; ``"full"``: the app did not keep up.
        remedy: what to do about it, for people.
    """

    samples: int
    total: int
    cause: Literal["device", "full"]
    remedy: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Underrun(Event):
    """The loudspeaker had nothing to play in the middle of a reply.

    Args:
        samples: of silence since the last such event, at the device's sample rate.
        total: of silence so far.
        remedy: what to do about it, for people.
    """

    samples: int
    total: int
    remedy: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceLost(Event):
    """A microphone or loudspeaker went away; it is looked for until it returns.

    Args:
        kind: which of the two.
        device: its name.
        reason: what the sound system said.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceRestored(Event):
    """A microphone or loudspeaker works again.

    Args:
        kind: which of the two.
        device: its name, which is another one's where the default took its place.
        gone_ms: how long there was none, in milliseconds.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    gone_ms: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceChanged(Event):
    """A microphone or loudspeaker has taken another's place, as the app has chosen.

    Args:
        kind: which of the two.
        device: its name.
        before: the name of the other one.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    before: str
