"""A machine with a microphone that a test speaks into, and a clock that it moves."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from reactivex import Observable, abc

from rxvoice._platform import Platform
from rxvoice.chunks import AudioChunk
from rxvoice.devices import Device, DeviceWatch, Transport
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.sources._ring import Ring
from rxvoice.sources._segment import CaptureOptions, Format, Overflow
from rxvoice.sources.microphone import _microphone


@dataclass(frozen=True)
class FakePlatform(Platform):
    """A system of which a test says what can be found out."""

    remote: bool = False
    lid: bool = False

    def is_remote(self) -> bool:
        return self.remote

    def lid_is_closed(self) -> bool:
        return self.lid


class DeviceError(Exception):
    """As sounddevice's PortAudioError."""


@dataclass
class Info:
    inputBufferAdcTime: float
    currentTime: float


@dataclass
class Flags:
    input_overflow: bool = False


class FakeInput:
    def __init__(self, machine: FakeMachine, device: Device, form: Format, ring: Ring) -> None:
        self.machine, self.device, self.form, self.ring = machine, device, form, ring
        self.started = self.closed = self.was_let_go = False
        self.spoken = 0

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True
        self.ring.finish()

    def speak(
        self,
        samples: NDArray[np.float32] | NDArray[np.int16] | None = None,
        *,
        overflow: bool = False,
        adc: float | None = None,
        lost: int = 0,
        held_up: float = 0.0,
    ) -> None:
        """A block more of time passes, and its sound comes; numbered samples unless given.

        Args:
            adc: seconds that the device's clock is off.
            lost: frames that the sound system loses before it.
            held_up: seconds that Python lets the callback wait.
        """
        frames = self.form.frames
        self.machine.time += (frames + lost) / self.form.rate
        self.spoken += lost
        if samples is None:
            # Numbers from 1 to 30000, so that every sample says which it is.
            counted = (self.spoken + np.arange(frames)) % 30_000 + 1
            scaled = counted if self.form.dtype == "int16" else counted / 32768
            samples = np.repeat(scaled[:, None], self.form.channels, 1).astype(self.form.dtype)
        self.spoken += frames
        first = self.machine.time - frames / self.form.rate - self.machine.latency
        # The device's clock began at another time than the machine's.
        info = Info(0.0, 0.0)
        if adc is not None or self.machine.tells_time:
            info = Info(first + 5000 + (adc or 0.0), self.machine.time + 5000)
        self.machine.time += held_up
        self.ring.callback(samples.tobytes(), frames, info, Flags(overflow))
        self.machine.time -= held_up


class FakeMachine:
    """Runs its threads when told, on the test's."""

    def __init__(self, *devices: Device) -> None:
        self.devices = list(devices) or [Device(0, "built-in", 1, 0, 48_000, True)]
        self.platform = FakePlatform("linux")
        self.time = 1000.0
        self.latency = 0.01
        self.tells_time = True
        self.bluetooth: set[str] = set()
        self.connected: Transport | None = None
        self.script: deque[Callable[[], object]] = deque()
        self.inputs: list[FakeInput] = []
        self.tries: list[float] = []
        self.refuses: Callable[[Device, Format], bool] = lambda *_: False
        self.threads: list[Callable[[], None]] = []
        self.hint: str | None = None
        self.subscription: abc.DisposableBase | None = None

    @property
    def input(self) -> FakeInput:
        return self.inputs[-1]

    def find(self, device: int | str | None) -> Device:
        for it in self.devices:
            if device in (None, it.index, it.name):
                return it
        raise ConfigError(f"there is no microphone {device!r}")

    def find_again(self, device: Device, *, follows: bool) -> Device:
        self.tries.append(self.time)
        try:
            return self.find(device.name)
        except ConfigError:
            return self.find(None)

    def look_again(self) -> bool:
        return False

    def is_bluetooth(self, device: Device) -> bool:
        return device.name in self.bluetooth

    def transport(self, name: str) -> Transport | None:
        return self.connected

    def watch(self, device: Device, wanted: Device | None) -> DeviceWatch:
        return DeviceWatch(device, wanted, "microphone", self.time)

    def began(self, device: Device) -> None:
        pass

    def open(self, device: Device, form: Format, ring: Ring) -> FakeInput:
        if self.refuses(device, form):
            raise DeviceError(f"{form.rate} Hz, {form.channels} x {form.dtype} refused")
        self.inputs.append(FakeInput(self, device, form, ring))
        return self.input

    def close(self, stream: FakeInput) -> None:
        stream.close()

    def failures(self) -> tuple[type[Exception], ...]:
        return (DeviceError,)

    def permission(self) -> str | None:
        return self.hint

    def now(self) -> float:
        return self.time

    def wait(self, wake: Lock, seconds: float) -> bool:
        """The next thing in the script happens; after the last one the subscriber goes."""
        if wake.acquire(blocking=False):
            return True
        if self.script:
            self.script.popleft()()
        elif self.subscription is not None:
            self.subscription.dispose()
        if wake.acquire(blocking=False):
            return True
        self.time += seconds
        return False

    def start(self, run: Callable[[], None]) -> None:
        self.threads.append(run)

    def run(self) -> None:
        while self.threads:
            self.threads.pop(0)()

    def microphone(
        self,
        device: int | str | Observable[int | str | None] | None = None,
        *,
        sample_rate: int = 16_000,
        block_ms: int = 32,
        channel: int | None = None,
        max_ms: int = 2_000,
        overflow: Overflow = "drop_oldest",
    ) -> Observable[AudioChunk | Event]:
        settings = CaptureOptions(sample_rate, block_ms, channel, max_ms, overflow)
        return _microphone(self, device, settings)

    def hear(self, source: Observable[AudioChunk | Event]) -> list[AudioChunk | Event | Exception]:
        """Play the script to a subscriber; what it got, an error too."""
        got: list[AudioChunk | Event | Exception] = []
        self.subscription = source.subscribe(got.append, got.append)
        self.run()
        return got

    def speaks(self, blocks: int) -> None:
        """Put so many blocks into the script."""
        self.script.extend([lambda: self.input.speak()] * blocks)

    def is_silent(self, times: int) -> None:
        """Put so many waits in vain into the script."""
        self.script.extend([lambda: None] * times)


def chunks(got: list[AudioChunk | Event | Exception]) -> list[AudioChunk]:
    return [it for it in got if isinstance(it, AudioChunk)]


def joined(got: list[AudioChunk | Event | Exception]) -> NDArray[np.float32]:
    return np.concatenate([np.empty(0, np.float32), *(it.samples for it in chunks(got))])


def others(got: list[AudioChunk | Event | Exception]) -> list[Event | Exception]:
    return [it for it in got if not isinstance(it, AudioChunk)]


def numbered(first: int, count: int) -> NDArray[np.float32]:
    """What `FakeInput.speak` says at those samples."""
    counted = (first + np.arange(count)) % 30_000 + 1
    return (counted / 32768).astype(np.float32)
