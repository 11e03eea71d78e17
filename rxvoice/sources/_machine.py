"""What the microphone needs of the machine: devices, a clock, a thread. Tests bring their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from rxvoice import devices
from rxvoice._platform import Platform, platform
from rxvoice.devices import Device, Transport
from rxvoice.sources._ring import Ring
from rxvoice.sources._segment import Format, Watching


class InputStream(Protocol):
    """An opened stream."""

    @property
    def device(self) -> Device: ...

    @property
    def was_let_go(self) -> bool: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


class Machine(Protocol):
    """See `RealMachine`."""

    @property
    def platform(self) -> Platform: ...

    def find(self, device: int | str | None) -> Device: ...

    def find_again(self, device: Device, *, follows: bool) -> Device: ...

    def look_again(self) -> bool: ...

    def is_bluetooth(self, device: Device) -> bool: ...

    def transport(self, name: str) -> Transport | None: ...

    def watch(self, device: Device, wanted: Device | None) -> Watching: ...

    def began(self, device: Device) -> None: ...

    def open(self, device: Device, form: Format, ring: Ring) -> InputStream: ...

    def close(self, stream: InputStream) -> None: ...

    def failures(self) -> tuple[type[Exception], ...]: ...

    def permission(self) -> str | None: ...

    def now(self) -> float: ...

    def wait(self, wake: threading.Lock, seconds: float) -> bool: ...

    def start(self, run: Callable[[], None]) -> None: ...


class RealMachine:
    """The devices of PortAudio, the clock and the threads of this machine."""

    @property
    def platform(self) -> Platform:
        return platform()

    def find(self, device: int | str | None) -> Device:
        return devices.find(device, "microphone")

    def find_again(self, device: Device, *, follows: bool) -> Device:
        """Find a lost device by its name, or the default one."""
        # Where the system does not tell its default device, that is known by its name only.
        wanted = None if follows and devices.hal().knows else device
        return devices.same(wanted, "microphone")

    def look_again(self) -> bool:
        """Look for devices that PortAudio does not list. Returns whether the list is new."""
        return devices.look_again()

    def is_bluetooth(self, device: Device) -> bool:
        return devices.is_bluetooth(device, "microphone")

    def transport(self, name: str) -> Transport | None:
        """How the device of this name is connected; None where that is not known."""
        known = devices.hal().device(name, "microphone")
        return None if known is None else known.transport

    def watch(self, device: Device, wanted: Device | None) -> Watching:
        """Watch an open device. `wanted` is None for the default one."""
        return devices.DeviceWatch(device, wanted, "microphone", self.now())

    def began(self, device: Device) -> None:
        """Note that a device gives sound."""
        if platform().is_mac and self.is_bluetooth(device):
            # The headset has changed its profile, and with it the loudspeaker's sample rate.
            devices.reopen_speakers(device.name)

    def open(self, device: Device, form: Format, ring: Ring) -> InputStream:
        """Open a stream without starting it. Raises one of `failures`."""
        return devices.open_stream(
            device,
            "microphone",
            callback=ring.callback,
            finished=ring.finish,
            samplerate=form.rate,
            blocksize=form.frames,
            channels=form.channels,
            dtype=form.dtype,
            # Elsewhere, room for a callback that Python delays. CoreAudio's buffer is then as
            # long as a block, and no longer.
            latency=0 if platform().is_mac else "high",
        )

    def close(self, stream: InputStream) -> None:
        stream.close()

    def failures(self) -> tuple[type[Exception], ...]:
        return devices.failures()

    def permission(self) -> str | None:
        return devices.permission()

    # Not a method, because the callback calls it.
    now = staticmethod(time.monotonic)

    def wait(self, wake: threading.Lock, seconds: float) -> bool:
        """Wait. Returns whether `wake` was released before the time was over."""
        return wake.acquire(timeout=seconds)

    def start(self, run: Callable[[], None]) -> None:
        """Run this on a thread that does not delay the exit of the interpreter."""
        threading.Thread(target=run, name="rxvoice-microphone", daemon=True).start()
