"""Opens streams."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from rxvoice.devices._device import Device, Kind
from rxvoice.devices._portaudio import failures
from rxvoice.devices._refresh import has_changed, listed, look_again
from rxvoice.devices._streams import DeviceStream, one_call, open_ones


def open_stream(
    device: Device,
    kind: Kind,
    *,
    callback: Callable[..., None],
    finished: Callable[[], None],
    let_go: Callable[[], None] = lambda: None,
    **options: Any,
) -> DeviceStream:
    """Open a stream. It counts as open until it is closed.

    Args:
        device: from the last `listing`. If PortAudio has looked for devices meanwhile, the one of
            the same name is opened.
        kind: which side of the device.
        callback: of PortAudio.
        finished: called once, on any thread, when no more calls come.
        let_go: called, on any thread, just before the stream is closed because PortAudio looks for
            devices again, or because its device works differently now. `finished` follows, and the
            owner opens the device again.
        options: of sounddevice's stream.

    Raises:
        Exception: one of `failures`.
    """

    def opened() -> DeviceStream:
        with listed() as sd:
            abort = getattr(sd, "CallbackAbort", Exception)
            listed_now = _as_listed(sd, device, kind)
            stream = DeviceStream(listed_now, kind, callback, finished, let_go, abort)
            make = sd.RawInputStream if kind == "microphone" else sd.RawOutputStream
            with one_call():
                stream.open(make, options)
                open_ones.add(stream)
            return stream

    try:
        return opened()
    except failures():
        # A device that went and came back does not open as the one in the old list.
        if not has_changed() or not look_again():
            raise
    return opened()


def _as_listed(sd: ModuleType, device: Device, kind: Kind) -> Device:
    """The device at the place where PortAudio lists it now."""
    channels = "max_input_channels" if kind == "microphone" else "max_output_channels"
    places = [
        index
        for index, it in enumerate(sd.query_devices())
        if it["name"] == device.name and it[channels]
    ]
    if device.index in places:
        return device
    if not places:
        raise OSError(f"{device.name!r} has gone")
    return Device(places[0], device.name, device.inputs, device.outputs, device.sample_rate)
