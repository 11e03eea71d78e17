"""A sound system in which nothing happens by itself: the test asks for sound."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from rxvoice import Samples, _platform


class PortAudioError(Exception):
    """As sounddevice's."""


class Stream:
    """A loudspeaker's; sound is heard the moment it is asked for."""

    def __init__(self, sound: FakeSound, **options: object) -> None:
        if sound.refused or options["samplerate"] in sound.refused_rates:
            raise PortAudioError("Invalid device")
        self._sound = sound
        self.options = options
        self.closed = False

    @property
    def time(self) -> float:
        return time.monotonic()

    def start(self) -> None:
        self._sound.streams.append(self)

    def close(self) -> None:
        self.closed = True
        self.options["finished_callback"]()

    def end(self) -> None:
        """The device is gone."""
        self.options["finished_callback"]()

    def ask(self, frames: int, *, late: bool = False, delay: float = -1000.0) -> Samples:
        """Let it ask for sound, which is heard `delay` seconds from now; what it got."""
        out = np.full((frames, self.options["channels"]), np.nan, np.float32)
        at = time.monotonic() + delay
        times = SimpleNamespace(currentTime=at, outputBufferDacTime=at)
        data, status = memoryview(out).cast("B"), SimpleNamespace(output_underflow=late)
        self.options["callback"](data, frames, times, status)
        for channel in range(out.shape[1]):
            assert np.array_equal(out[:, channel], out[:, 0])
        return out[:, 0].copy()


def install(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    """Put a fake of Linux's sound in the place of the machine's, whatever that is."""
    fake = FakeSound()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(_platform, "_set", _platform.Platform("linux"))
    return fake


class FakeSound:
    """The part of the module sounddevice that a loudspeaker wants."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.devices = [
            {"name": "box", "outputs": 2, "rate": 48_000},
            {"name": "phones", "outputs": 1, "rate": 16_000},
        ]
        self.refused = False
        self.refused_rates: set[object] = set()

    def query_devices(self, kind: str | None = None) -> object:
        listed = [
            {
                "index": index,
                "name": it["name"],
                "max_input_channels": 0,
                "max_output_channels": it["outputs"],
                "default_samplerate": float(it["rate"]),
            }
            for index, it in enumerate(self.devices)
        ]
        if kind is None:
            return listed
        if kind == "input" or not listed:
            raise ValueError(f"no {kind} device")
        return listed[0]

    def check_output_settings(self, *, device: int, samplerate: float) -> None:
        if samplerate != self.devices[device]["rate"]:
            raise PortAudioError("Invalid sample rate")

    def RawOutputStream(self, **options: object) -> Stream:
        return Stream(self, **options)

    def _terminate(self) -> None:
        pass

    def _initialize(self) -> None:
        pass

    @property
    def stream(self) -> Stream:
        """The last one opened."""
        return self.streams[-1]
