"""What the microphone is asked for, and the streams it opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from rxvoice.devices import Device, News
from rxvoice.sources._ring import Ring

Overflow: TypeAlias = Literal["drop_oldest", "drop_newest", "fail"]


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """What the subscriber asked for: see `microphone`."""

    sample_rate: int
    block_ms: int
    channel: int | None
    max_ms: int
    overflow: Overflow


@dataclass(frozen=True, slots=True)
class Format:
    """How a device was opened: Hz, frames of a block, channels and the type of samples."""

    rate: int
    frames: int
    channels: int
    dtype: Literal["float32", "int16"]


class Watching(Protocol):
    """See `rxvoice.devices.DeviceWatch`."""

    def news(self, now: float) -> News | None: ...

    def has_successor(self) -> bool: ...

    def refuse(self) -> None: ...


@dataclass(slots=True)
class Segment:
    """One stream, from the time it opens to the time it ends.

    Args:
        device: its name.
        opened: the device.
        watch: tells when the device is not the right one any more.
        over: why the stream ended. Set after its last callback.
        replaced: whether another stream has taken its place. Set before `over`.
    """

    device: str
    format: Format
    ring: Ring
    opened: Device
    watch: Watching
    over: str | None = None
    replaced: bool = False
