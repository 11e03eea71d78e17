"""How a microphone is opened: rates, sizes of blocks, and channels to try."""

from __future__ import annotations

from rxvoice._platform import MAC_BUFFER_MS, Platform
from rxvoice.devices import Device
from rxvoice.sources._segment import CaptureOptions, Format

_MOST_CHANNELS = 8
"""Devices with more are virtual ones, which take any number, and mixing desks."""
_MAC_MOST_FRAMES = 4096
"""The largest buffer that CoreAudio's devices usually take."""


def formats(device: Device, options: CaptureOptions, platform: Platform) -> list[Format]:
    """How to open a device. The format that is tried first comes first."""
    if platform.is_mac:
        # CoreAudio refuses no rate: it converts on the audio thread, with a buffer of its own size.
        rates = (device.sample_rate, options.sample_rate)
    else:
        rates = (options.sample_rate, device.sample_rate)
    most = device.inputs
    if options.channel is not None:
        counts = (min(options.channel + 1, most), most)
    else:
        counts = (most if most <= _MOST_CHANNELS else 2, most, 1)
    return [
        Format(rate, _frames(rate, options.block_ms, platform), channels, dtype)
        for rate in dict.fromkeys(rates)
        if rate > 0  # PortAudio gives 0 where a device does not say
        for channels in dict.fromkeys(counts)
        for dtype in ("float32", "int16")
    ]


def _frames(rate: int, block_ms: int, platform: Platform) -> int:
    """Frames of the device's block, so that chunks of `block_ms` are whole numbers of blocks."""
    frames = max(1, rate * block_ms // 1000)
    if not platform.is_mac:
        return frames
    most = min(rate * MAC_BUFFER_MS // 1000, _MAC_MOST_FRAMES)
    blocks = -(-frames // max(1, most))
    return max(1, frames // blocks)
