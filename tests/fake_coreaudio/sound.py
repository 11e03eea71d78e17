"""What stands in for the module sounddevice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fake_coreaudio.mac import Mac, MacDevice


class PortAudioError(Exception):
    """As sounddevice's."""


class CallbackAbort(Exception):
    """As sounddevice's."""


class CallbackStop(Exception):
    """As sounddevice's."""


class FakeSoundDevice(ModuleType):
    """The module, as far as rxvoice uses it."""

    PortAudioError = PortAudioError
    CallbackAbort = CallbackAbort
    CallbackStop = CallbackStop

    def __init__(self, mac: Mac) -> None:
        super().__init__("sounddevice")
        self.default = SimpleNamespace(device=[-1, -1])
        self.mac = mac
        self.initializations = 0
        """How often PortAudio has looked for devices."""
        self._initialized = 0
        self._listed: list[dict[str, Any]] = []
        self._ids: list[MacDevice] = []
        self._defaults: dict[str, int] = {}
        self._calling = threading.Lock()
        self._initialize()

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """A call of PortAudio, of which there must be one at a time."""
        free = self._calling.acquire(blocking=False)
        if not free and not self.mac.deadlocks:
            self.mac.crimes.append(f"{name} during another call of PortAudio")
        try:
            yield
        finally:
            if free:
                self._calling.release()

    def _initialize(self) -> None:
        with self.call("Pa_Initialize"):
            self._initialized += 1
            if self._initialized > 1:
                return
            self.initializations += 1
            self._ids = list(self.mac.devices)
            self._listed = [
                {
                    "index": index,
                    "name": it.name,
                    "max_input_channels": it.inputs,
                    "max_output_channels": it.outputs,
                    "default_samplerate": float(it.rate),
                    "default_low_input_latency": (it.latency + 64) / it.rate,
                    "default_high_input_latency": (it.latency + 512) / it.rate,
                }
                for index, it in enumerate(self._ids)
            ]
            self._defaults = {
                kind: self._ids.index(device)
                for kind, device in self.mac.defaults.items()
                if device is not None
            }

    def _terminate(self) -> None:
        if not self._initialized:
            raise PortAudioError("PortAudio not initialized")
        if self._initialized == 1:
            for stream in self.mac.open:
                stream.close()
                stream.freed = True
        with self.call("Pa_Terminate"):
            self._initialized -= 1

    def _check_initialized(self) -> None:
        if not self._initialized:
            raise PortAudioError("PortAudio not initialized")

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        self._check_initialized()
        if device is None and kind is None:
            return [dict(it) for it in self._listed]
        if device is None:
            assert kind is not None
            chosen = self.default.device[("input", "output").index(kind)]
            device = self._defaults.get(kind, -1) if chosen == -1 else chosen
        if not 0 <= device < len(self._listed):
            raise PortAudioError(f"Error querying device {device}")
        return dict(self._listed[device])

    def check_input_settings(self, **options: object) -> None:
        """CoreAudio takes any rate."""

    def check_output_settings(self, **options: object) -> None:
        """CoreAudio takes any rate."""

    def RawInputStream(self, **options: Any) -> Stream:
        return self._open("input", options)

    def RawOutputStream(self, **options: Any) -> Stream:
        return self._open("output", options)

    def _open(self, kind: str, options: dict[str, Any]) -> Stream:
        self._check_initialized()
        with self.call("Pa_OpenStream"):
            index = options["device"]
            if index is None:
                index = self._defaults.get(kind, -1)
            if not 0 <= index < len(self._ids):
                raise PortAudioError("Invalid device [PaErrorCode -9996]")
            device, listed = self._ids[index], self._listed[index]
            if options["channels"] > listed[f"max_{kind}_channels"]:
                raise PortAudioError("Invalid number of channels [PaErrorCode -9998]")
            self.mac.opening(device)
            if not device.plugged:
                raise PortAudioError("Internal PortAudio error [PaErrorCode -9986]")
            stream = Stream(self.mac, device, kind, listed, options)
            self.mac.streams.append(stream)
            return stream


class Stream:
    """A stream of one direction, opened on a device.

    ``options`` are those that it was opened with. `heard` is what an output has played, mono, and
    `say` what an input hears next.
    """

    def __init__(
        self,
        mac: Mac,
        device: MacDevice,
        kind: str,
        listed: dict[str, Any],
        options: dict[str, Any],
    ) -> None:
        self.mac, self.device, self.kind, self.options = mac, device, kind, options
        self.samplerate = float(options["samplerate"] or listed["default_samplerate"])
        self.block: int = options["blocksize"] or 512
        latency = options.get("latency") or 0.0
        if isinstance(latency, str):
            latency = listed[f"default_{latency}_input_latency"]
        wanted = max(1, int(latency * self.samplerate) - device.latency)
        wanted = -(-wanted // self.block) * self.block
        device.buffer = min(max(wanted, device.buffers[0]), device.buffers[1])
        self.slice = device.buffer
        self.rate_at_opening = device.rate
        self.state = "stopped"
        self.closed = self.freed = False
        self.calls = 0
        self.heard: list[float] = []
        self.say = mac.say
        """Gives that many frames, at the device's rate."""
        self.delay = -1000.0
        """Seconds from the callback until an output's block is heard. In the past, by default, so
        that a position is exact."""
        self._unread = np.empty(0, np.float32)
        self._position = 0.0
        self._unplayed = np.empty(0, np.float32)
        self._running = threading.RLock()

    def _check(self, call: str) -> None:
        if self.freed:
            self.mac.crimes.append(f"{call} of a stream that Pa_Terminate has closed")
            raise PortAudioError("Invalid stream pointer [PaErrorCode -9988]")
        if self.closed:
            raise PortAudioError("Invalid stream pointer [PaErrorCode -9988]")

    @property
    def latency(self) -> float:
        return self.device.buffer / self.samplerate

    @property
    def time(self) -> float:
        self._check("Pa_GetStreamTime")
        return self.mac.clock()

    @property
    def active(self) -> bool:
        return self.state == "active"

    @property
    def stopped(self) -> bool:
        return self.state == "stopped"

    @property
    def is_running(self) -> bool:
        """Whether its unit runs."""
        return self.state == "active" and self.device.plugged and not self.closed

    @property
    def keeps_pitch(self) -> bool:
        """Whether the device has the rate that it had when this was opened."""
        return self.device.rate == self.rate_at_opening

    def start(self) -> None:
        self._check("Pa_StartStream")
        if not self.device.plugged:
            raise PortAudioError("Error starting stream: Internal PortAudio error")
        self.state = "active"
        self.mac.headset_profile(self.device.name)

    def stop(self) -> None:
        self._check("Pa_StopStream")
        self._stop()

    abort = stop

    def close(self) -> None:
        if self.freed:
            self._check("Pa_CloseStream")
        if self.closed:
            return
        with self.mac.sound.call("Pa_CloseStream"):
            self._stop()
            self.closed = True

    def _stop(self) -> None:
        ran = self.is_running
        if ran and self.mac.deadlocks:
            self.mac.wait_for_release()
        with self._running:
            self.state = "stopped"
            self.mac.headset_profile(self.device.name)
        if ran:
            self._finished()

    def _finished(self) -> None:
        if finished := self.options.get("finished_callback"):
            finished()

    def device_went(self) -> None:
        """Its device has been pulled out."""
        if self.state == "active" and not self.closed:
            with self._running:
                self.state = "stopped by itself"
            if not self.mac.dies_silently:
                self._finished()

    # What the device does

    def io(self, cycles: int = 1) -> None:
        """Run cycles of the device: each moves a buffer of it."""
        for _ in range(cycles):
            with self._running:
                if not self.is_running:
                    return
                try:
                    (self._input if self.kind == "input" else self._output)()
                except (CallbackAbort, CallbackStop):
                    self.state = "stopped by itself"
                    self.mac.headset_profile(self.device.name)
            if self.state != "active":
                self._finished()

    def _converted(self, frames: int) -> int:
        """Frames of the stream for so many of the device, by the converter made at opening."""
        self._position += frames * self.samplerate / self.rate_at_opening
        whole = int(self._position + 1e-6)
        self._position -= whole
        return whole

    def _input(self) -> None:
        frames = self.device.buffer
        while frames > self.slice:
            frames //= 2
        sound = self.say(frames)
        count = self._converted(frames)
        at = np.minimum((np.arange(count) * frames) // max(1, count), frames - 1)
        self._unread = np.concatenate([self._unread, sound[at]])
        now = self.mac.clock()
        while len(self._unread) >= self.block:
            block, self._unread = self._unread[: self.block], self._unread[self.block :]
            began = now - (len(self._unread) + self.block) / self.samplerate
            times = SimpleNamespace(
                inputBufferAdcTime=began, currentTime=now, outputBufferDacTime=0.0
            )
            self.calls += 1
            data = self._as_asked(np.repeat(block[:, None], self.options["channels"], 1))
            status = SimpleNamespace(input_overflow=False)
            self.options["callback"](data.tobytes(), self.block, times, status)

    def _as_asked(self, frames: NDArray[np.float32]) -> NDArray[Any]:
        if self.options["dtype"] == "float32":
            return frames.astype(np.float32)
        return (frames * 32767).astype(np.int16)

    def _output(self) -> None:
        if self.device.buffer > self.slice:
            return
        count = self._converted(self.device.buffer)
        while len(self._unplayed) < count:
            out = np.full((self.block, self.options["channels"]), np.nan, np.float32)

            now = self.mac.clock()
            times = SimpleNamespace(
                currentTime=now + self.delay,
                outputBufferDacTime=now + self.delay,
                inputBufferAdcTime=0.0,
            )
            self.calls += 1
            status = SimpleNamespace(output_underflow=False)
            self.options["callback"](memoryview(out).cast("B"), self.block, times, status)
            self._unplayed = np.concatenate([self._unplayed, out[:, 0]])
        self.heard += self._unplayed[:count].tolist()
        self._unplayed = self._unplayed[count:]
