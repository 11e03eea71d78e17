"""A sound device, as PortAudio and as the system see it, and what names one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.errors import ConfigError

Kind: TypeAlias = Literal["microphone", "speaker"]
Transport: TypeAlias = Literal["built-in", "bluetooth", "usb", "virtual", "other"]


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


@dataclass(frozen=True, slots=True)
class HalDevice:
    """A device, as the system sees it.

    Args:
        id: its number. A device that comes back has another one.
        name: its name, as PortAudio has it.
        sample_rate: Hz, at which it runs.
        transport: how it is connected.
    """

    id: int
    name: str
    sample_rate: int
    transport: Transport


def check_device(name: str, device: object) -> None:
    """Raise a ConfigError unless `device` is None, an index or a part of a name."""
    if device is None or (isinstance(device, str) and device.strip()):
        return
    if isinstance(device, bool) or not isinstance(device, int) or device < 0:
        raise ConfigError(
            f"{name} must be None for the default device, an index from 0 or a part of a "
            f"device's name, got {device!r}: `rxvoice devices` lists them"
        )
