"""What the microphone is asked for, and the streams it opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

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


@dataclass(slots=True)
class Segment:
    """One stream, from the time it opens to the time it ends.

    Args:
        device: its name.
        over: why the stream ended. Set after its last callback.
        replaced: whether the app has chosen another device. Set before `over`.
    """

    device: str
    format: Format
    ring: Ring
    over: str | None = None
    replaced: bool = False
