"""Whether an open device is still the right one."""

from __future__ import annotations

from typing import Literal, TypeAlias

from rxvoice.devices._device import Device, HalDevice, Kind
from rxvoice.devices._hal import hal
from rxvoice.devices._listing import is_chosen_by_app
from rxvoice.devices._portaudio import sound

News: TypeAlias = Literal["gone", "default", "back", "rate"]
"""``"gone"``: the device is not there. ``"default"``: the system has another default device.
``"back"``: the chosen device is there again. ``"rate"``: the device runs at another rate."""

_EVERY_S = 1.0


class DeviceWatch:
    """Looks at an open device once a second. Without CoreAudio there is never any news.

    Args:
        device: the device that is open.
        wanted: the device that should be; None for the default one.
        kind: which kind of device.
        now: seconds.
    """

    def __init__(self, device: Device, wanted: Device | None, kind: Kind, now: float) -> None:
        self._kind: Kind = kind
        self._wanted = wanted
        self._name = device.name
        self._opened = hal().device(device.name, kind)
        self._refused: set[int] = set()
        self._next = now + _EVERY_S

    def refuse(self) -> None:
        """Tell no more of the devices that should be open at this moment: they do not open."""
        for device in (self._successor(), self._back()):
            if device is not None:
                self._refused.add(device.id)

    def due(self, now: float) -> float | None:
        """Seconds until there may be news; None where there never is any."""
        return max(0.0, self._next - now) if hal().knows else None

    def news(self, now: float) -> News | None:
        """What is new, if it is time to look."""
        if now < self._next or not hal().knows:
            return None
        self._next = now + _EVERY_S
        device, opened = hal().device(self._name, self._kind), self._opened
        if device is None or (opened is not None and device.id != opened.id):
            return "gone"
        if self.has_successor():
            return "default"
        if self._back() is not None:
            return "back"
        if opened is not None and device.sample_rate != opened.sample_rate:
            return "rate"
        return None

    def has_successor(self) -> bool:
        """Whether the default device is wanted, and another one is the default by now."""
        return self._successor() is not None

    def _successor(self) -> HalDevice | None:
        default = hal().default(self._kind)
        if (
            self._wanted is None
            and default is not None
            and self._opened is not None
            and default.id != self._opened.id
            and default.id not in self._refused
            and not is_chosen_by_app(sound(), self._kind)
        ):
            return default
        return None

    def _back(self) -> HalDevice | None:
        if self._wanted is None or self._wanted.name == self._name:
            return None
        wanted = hal().device(self._wanted.name, self._kind)
        return None if wanted is None or wanted.id in self._refused else wanted
