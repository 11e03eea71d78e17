"""What the system tells about sound devices while PortAudio's list stays as it is.

PortAudio looks for devices only when it is initialized, which closes all streams.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol, TypeAlias

from rxvoice._platform import platform
from rxvoice.devices._device import HalDevice, Kind

_CARDS = Path("/proc/asound/cards")

Present: TypeAlias = tuple[int, ...] | str | None
"""What stays equal as long as no device comes or goes; None where that is not known."""


class Hal(Protocol):
    """What a system can be asked. Any thread may ask, at any time; an answer takes microseconds."""

    def present(self) -> Present:
        """Something that stays equal as long as no device comes or goes; None: not known."""
        ...

    def device(self, name: str, kind: Kind) -> HalDevice | None:
        """The device of this name; None where there is none, or where it is not known."""
        ...

    def default(self, kind: Kind) -> HalDevice | None:
        """The default device; None where there is none, or where it is not known."""
        ...

    @property
    def knows(self) -> bool:
        """Whether it knows devices, so that None means that there is none."""
        ...


class NoHal:
    """A system that tells nothing."""

    knows = False

    def present(self) -> Present:
        return None

    def device(self, name: str, kind: Kind) -> HalDevice | None:
        return None

    def default(self, kind: Kind) -> HalDevice | None:
        return None


class AlsaCards(NoHal):
    """Linux: which cards there are. A sound server's devices have names that do not change."""

    def present(self) -> Present:
        try:
            return _CARDS.read_text()
        except OSError:
            return None


_set: Hal | None = None
"""What a test has chosen."""
stuck: set[object] = set()
"""Streams whose closing hangs. CoreAudio is not asked then: to ask it would hang as well."""


def hal() -> Hal:
    """What can be asked here, now."""
    if stuck:
        return NoHal()
    if _set is not None:
        return _set
    return _of(platform().name)


@cache
def _of(name: str) -> Hal:
    if name == "darwin":
        from rxvoice.devices._core_audio import CoreAudio

        try:
            return CoreAudio.load()
        except OSError:  # also off a Mac, where a test only says that it is one
            return NoHal()
    return AlsaCards() if name.startswith("linux") else NoHal()
