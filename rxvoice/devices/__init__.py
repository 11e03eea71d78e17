"""Sound devices: lists them, finds the one that a name means, and opens streams on them.

- `_device`: `Device`, and what names one
- `_portaudio`: the module sounddevice, and what helps where it or a device is missing
- `_listing`: the list of devices, and the search in it
- `_streams`: streams that close in time; `_opening`: opens them
- `_refresh`: a new list, also while streams are open
- `_watch`: whether an open device is still the right one
- `_hal`: what the system tells beside PortAudio; `_core_audio`: on a Mac
"""

from __future__ import annotations

from rxvoice.devices._device import Device, HalDevice, Kind, Transport, check_device
from rxvoice.devices._hal import Hal, hal
from rxvoice.devices._listing import find, is_bluetooth, listing, same
from rxvoice.devices._opening import open_stream
from rxvoice.devices._portaudio import failures, permission, server, sound
from rxvoice.devices._refresh import look_again, refresh
from rxvoice.devices._streams import (
    DeviceStream,
    close_stream,
    is_open,
    reopen_speakers,
)
from rxvoice.devices._watch import DeviceWatch, News

__all__ = [
    "Device",
    "DeviceStream",
    "DeviceWatch",
    "Hal",
    "HalDevice",
    "Kind",
    "News",
    "Transport",
    "check_device",
    "close_stream",
    "failures",
    "find",
    "hal",
    "is_bluetooth",
    "is_open",
    "listing",
    "look_again",
    "open_stream",
    "permission",
    "refresh",
    "reopen_speakers",
    "same",
    "server",
    "sound",
]
