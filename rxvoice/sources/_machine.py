"""What the microphone needs of the machine: devices, a clock, a thread. Tests bring their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, cast

from rxvoice import devices
from rxvoice._platform import Platform, platform
from rxvoice.devices import Device
from rxvoice.sources._ring import Ring
from rxvoice.sources._segment import Format


class InputStream(Protocol):
    """An opened stream."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class Machine(Protocol):
    """See `RealMachine`."""

    @property
    def platform(self) -> Platform: ...

    def find(self, device: int | str | None) -> Device: ...

    def find_again(self, device: Device) -> Device: ...

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

    def find_again(self, device: Device) -> Device:
        # PortAudio lists the devices that were there when it was initialized.
        devices.refresh()
        return devices.same(device, "microphone")

    def open(self, device: Device, form: Format, ring: Ring) -> InputStream:
        """Open a stream without starting it. Raises one of `failures`."""
        raw = devices.sound().RawInputStream

        def make() -> InputStream:
            stream = raw(
                device=device.index,
                samplerate=form.rate,
                blocksize=form.frames,
                channels=form.channels,
                dtype=form.dtype,
                # Elsewhere, room for a callback that Python delays. CoreAudio's buffer is then as
                # long as a block, and no longer.
                latency=0 if platform().is_mac else "high",
                callback=ring.callback,
                finished_callback=ring.finish,
            )
            return cast("InputStream", stream)

        return devices.open_stream(make)

    def close(self, stream: InputStream) -> None:
        devices.close_stream(stream)

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
