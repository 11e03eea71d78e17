"""A new list of devices: PortAudio looks for them only when it is initialized."""

from __future__ import annotations

import atexit
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import ModuleType

from rxvoice.devices import _hal
from rxvoice.devices._hal import Present, hal
from rxvoice.devices._portaudio import failures, sound
from rxvoice.devices._streams import close_all, is_open, one_call, open_ones, refreshing

_seen: tuple[ModuleType, Present] | None = None
"""PortAudio, and what there was when it last looked for devices."""


@contextmanager
def listed() -> Generator[ModuleType]:
    """PortAudio, whose list stays as it is within the block."""
    global _seen
    sd = sound()
    with refreshing:
        if _seen is None or _seen[0] is not sd:
            _seen = sd, _present_at_first(sd)
            # Called before sounddevice's own, which closes streams that run: that may hang.
            atexit.unregister(close_all)
            atexit.register(close_all)
        yield sd


def _present_at_first(sd: ModuleType) -> Present:
    """What there was when the app loaded PortAudio: what there is now, if that is as much."""
    present = hal().present()
    if isinstance(present, tuple) and len(present) != len(sd.query_devices()):
        return ()
    return present


def refresh() -> bool:
    """Let PortAudio look for devices again. By itself it looks only once.

    Does nothing and returns False while a stream is open. Streams that the app has opened without
    rxvoice are lost.
    """
    with listed() as sd:
        return not is_open() and _renew(sd)


def has_changed() -> bool:
    """Whether a device has come or gone since PortAudio looked, as far as that is known."""
    with listed():
        assert _seen is not None
        present = hal().present()
        return present is not None and present != _seen[1]


def look_again() -> bool:
    """Let PortAudio look for devices again, where that may find another one.

    While streams are open it only does so when the system tells that a device has come or gone.
    All streams are then closed for a moment, and their owners open them again.

    Returns:
        Whether it has looked.
    """
    with listed() as sd:
        changed = has_changed()
        if hal().knows and not changed:
            return False
        if is_open() and not changed:
            return False
        for stream in list(open_ones):
            if not stream.is_closing:
                stream.hand_back()
        return _renew(sd)


def _renew(sd: ModuleType) -> bool:
    """Look again, once no stream is open. Returns whether that was possible."""
    global _seen
    for stream in list(
        open_ones
    ):  # PortAudio would close them, and then they would be closed again
        stream.close()
    if _hal.stuck:
        return False
    with one_call():
        present = hal().present()
        with suppress(*failures()):  # where it could not be initialized the last time
            sd._terminate()
        sd._initialize()
    _seen = sd, present
    return True
