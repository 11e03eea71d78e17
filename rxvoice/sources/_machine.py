"""What the microphone wants of the machine: devices, a clock, a thread. Tests have their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, cast

from rxvoice import devices
from rxvoice.devices import Device
from rxvoice.sources._ring import Ring
from rxvoice.sources._segment import Format

__all__ = ["InputStream", "Machine", "RealMachine"]


class InputStream(Protocol):
    """An opened stream."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class Machine(Protocol):
    """As `RealMachine`."""

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
    """PortAudio, by sounddevice."""

    def find(self, device: int | str | None) -> Device:
        return devices.find(device, "microphone")

    def find_again(self, device: Device) -> Device:
        # PortAudio still has those in its list that were there when it was initialized.
        devices.refresh()
        return devices.same(device, "microphone")

    def open(self, device: Device, form: Format, ring: Ring) -> InputStream:
        """Open a stream, not yet started. Raises one of `failures`."""
        raw = devices.sound().RawInputStream

        def make() -> InputStream:
            stream = raw(
                device=device.index,
                samplerate=form.rate,
                blocksize=form.frames,
                channels=form.channels,
                dtype=form.dtype,
                # Room for a callback that Python lets wait.
                latency="high",
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

    # Not a method: it is called in the callback.
    now = staticmethod(time.monotonic)

    def wait(self, wake: threading.Lock, seconds: float) -> bool:
        """Whether it was woken before the time was over."""
        return wake.acquire(timeout=seconds)

    def start(self, run: Callable[[], None]) -> None:
        """On a thread that does not keep the interpreter from its exit."""
        threading.Thread(target=run, name="rxvoice-microphone", daemon=True).start()
