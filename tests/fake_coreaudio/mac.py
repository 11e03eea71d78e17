"""The machine: its devices, and what happens to them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_coreaudio.hal import FakeHal
from fake_coreaudio.sound import FakeSoundDevice, Stream
from rxvoice import _platform
from rxvoice.devices import _hal

HEADSET_RATE = 24_000
_SOON_S = 10.0


@dataclass(eq=False)
class MacDevice:
    """A device, while it is plugged in. Plugged in again, it is another one.

    Args:
        name: its name. The two sides of a headset are two devices of one name.
        inputs: channels of its microphone.
        outputs: channels of its loudspeaker.
        rate: Hz, the rate it runs at.
        transport: CoreAudio's four characters: ``"bltn"``, ``"usb "``, ``"blue"``, ...
        buffers: the least and the most frames of its buffer.
        latency: frames that it takes by itself.
    """

    name: str
    inputs: int = 0
    outputs: int = 0
    rate: int = 48_000
    transport: str = "bltn"
    buffers: tuple[int, int] = (15, 4096)
    latency: int = 0
    id: int = 0
    buffer: int = 512
    plugged: bool = False


class Mac:
    """A Mac. By default it has its built-in microphone and loudspeakers.

    Args:
        devices: plugged in from the beginning. The first of each kind is the default one.
        clock: gives seconds, for PortAudio's times.
    """

    def __init__(self, *devices: MacDevice, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.passed = 0.0
        """For a test's own clock."""
        self.devices: list[MacDevice] = []
        self.defaults: dict[str, MacDevice | None] = {"input": None, "output": None}
        self.streams: list[Stream] = []
        """All that were ever opened, in order."""
        self.crimes: list[str] = []
        """What would be undefined behaviour on a Mac. A test asserts that there is none."""
        self.deadlocks = False
        self.dies_silently = False
        self.hanging = 0
        """How many calls hang now."""
        self.say: Callable[[int], NDArray[np.float32]] = lambda count: np.zeros(count, np.float32)
        """What new inputs hear: gives that many frames, at the device's rate."""
        self.opening: Callable[[MacDevice], None] = lambda _: None
        """Called while a stream is opened. It may raise `PortAudioError`."""
        self._released = threading.Event()
        self._next_id = 40
        for device in devices or (
            MacDevice("MacBook Pro Microphone", inputs=1),
            MacDevice("MacBook Pro Speakers", outputs=2),
        ):
            self.plug(device)
        self.sound = FakeSoundDevice(self)
        self.hal = FakeHal(self)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put this Mac in the place of the machine that the test runs on."""
        monkeypatch.setitem(sys.modules, "sounddevice", self.sound)
        monkeypatch.setattr(_platform, "_set", _platform.Platform("darwin"))
        monkeypatch.setattr(_hal, "_set", self.hal.ask)
        monkeypatch.setattr(_hal, "stuck", set())

    # What a person does

    def plug(self, device: MacDevice) -> MacDevice:
        """Plug in a device. It becomes the default one where there is none of its kind."""
        self._next_id += 1
        device.id, device.plugged = self._next_id, True
        self.devices.append(device)
        for kind, channels in (("input", device.inputs), ("output", device.outputs)):
            if channels and self.defaults[kind] is None:
                self.defaults[kind] = device
        return device

    def unplug(self, name: str) -> MacDevice:
        """Pull out a device, all of this name. The default becomes the first of those left.

        Returns:
            A device like it, to plug in later.
        """
        gone = [it for it in self.devices if it.name == name]
        self.devices = [it for it in self.devices if it.name != name]
        for device in gone:
            device.plugged = False
        for kind, channels in (("input", "inputs"), ("output", "outputs")):
            if self.defaults[kind] in gone:
                self.choose(kind, next((it for it in self.devices if getattr(it, channels)), None))
        for stream in self.streams:
            if stream.device in gone:
                stream.device_went()
        old = gone[0]
        return MacDevice(
            old.name, old.inputs, old.outputs, old.rate, old.transport, old.buffers, old.latency
        )

    def choose(self, kind: str, device: MacDevice | str | None) -> None:
        """Make a device the default one, as in System Settings.

        Args:
            kind: ``"input"`` or ``"output"``.
            device: or its name.
        """
        if isinstance(device, str):
            sides = {"input": "inputs", "output": "outputs"}
            device = next(
                it for it in self.devices if it.name == device and getattr(it, sides[kind])
            )
        self.defaults[kind] = device

    def change_rate(self, name: str, rate: int) -> None:
        """Let a device run at another rate, as in Audio MIDI Setup."""
        for device in self.devices:
            if device.name == name:
                device.rate = rate

    def headset_profile(self, name: str) -> None:
        """Let a Bluetooth headset choose its rate: by whether its microphone runs."""
        both = [it for it in self.devices if it.name == name and it.transport == "blue"]
        talks = any(
            it.is_running and it.kind == "input" and it.device in both for it in self.streams
        )
        for device in both:
            device.rate = HEADSET_RATE if talks else 48_000

    # Streams

    @property
    def open(self) -> list[Stream]:
        """The streams that are open, the oldest first."""
        return [it for it in self.streams if not it.closed]

    def last(self, kind: str) -> Stream:
        """The stream opened last: ``"input"`` or ``"output"``."""
        return next(it for it in reversed(self.streams) if it.kind == kind)

    @contextmanager
    def running(self, every_s: float = 0.001) -> Iterator[None]:
        """Run one cycle of each device every so many seconds, on a thread of its own."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(every_s):
                for stream in self.open:
                    stream.io()

        thread = threading.Thread(target=run, name="fake-coreaudio", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # What hangs

    def hold_looking(self) -> tuple[threading.Event, threading.Event]:
        """Have PortAudio wait when it looks for devices.

        Returns:
            What is set when it looks, and what lets it go on.
        """
        looks, goes_on = threading.Event(), threading.Event()
        initialize = self.sound._initialize

        def held() -> None:
            looks.set()
            assert goes_on.wait(_SOON_S)
            initialize()

        self.sound._initialize = held  # type: ignore[method-assign]
        return looks, goes_on

    def wait_for_release(self) -> None:
        """Hang."""
        self.hanging += 1
        try:
            self._released.wait()
        finally:
            self.hanging -= 1

    def release(self) -> None:
        """Let all calls that hang return."""
        self.deadlocks = False
        self._released.set()
