"""A loudspeaker's stream, which is opened again when the device has gone."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, cast

import numpy as np

from rxvoice import devices
from rxvoice._audio.samples import Samples
from rxvoice._audio.steady_offset import SteadyOffset
from rxvoice.errors import ConfigError, RxvoiceError

__all__ = ["Loudspeaker", "own_rate"]

_log = logging.getLogger("rxvoice")

_SILENT_S = 2.0
"""A device that asks for no sound for so long is gone: a busy machine delays it by less."""

_LATENCY_S = 0.03
"""That is asked for; three blocks: Python's lock may keep one waiting."""

_JUMP_S = 0.02
"""The device's clock is off by more after a gap; by less, it is told with jitter."""

_WAITS_S = (0.25, 0.5, 1.0, 2.0, 5.0)


class _Times(Protocol):
    currentTime: float
    outputBufferDacTime: float


class _Status(Protocol):
    output_underflow: bool


class _Stream(Protocol):
    time: float

    def start(self) -> None: ...
    def close(self) -> None: ...


def own_rate(device: devices.Device) -> int:
    """The rate, in Hz, at which it is best served."""
    # To ALSA every device of a sound server prefers 44100 Hz; the server itself, 48000.
    if sys.platform.startswith("linux"):
        sd = devices.sound()
        with suppress(*devices.failures()):
            sd.check_output_settings(device=device.index, samplerate=48_000)
            return 48_000
    return device.sample_rate


class Loudspeaker:
    """One loudspeaker, wherever it goes.

    `tend`, `use` and `close` are called from one thread.

    Args:
        device: the one that is meant.
        sample_rate: Hz; another device may have to be opened at another.
        render: called in the device's thread, with a mono buffer to fill, the time at which its
            first sample leaves the loudspeaker, in seconds of ``time.monotonic()``, and whether
            the call before came too late.
        prepare: called with the sample rate in Hz before a device is started.
        finished: called from any thread when `tend` should be.
    """

    def __init__(
        self,
        device: devices.Device,
        sample_rate: int,
        render: Callable[[Samples, float, bool], None],
        prepare: Callable[[int], None],
        finished: Callable[[], None],
    ) -> None:
        self._device = self._wanted = device
        self._prepare = prepare
        self._render = render
        self._told = finished
        self._rate = sample_rate
        self._stream: _Stream | None = None
        self._opened = 0
        self._finished = False
        self._called: float | None = None
        self._since = 0.0
        self._offset = 0.0
        self._lost: float | None = None
        self._tries = 0
        self._next_try = 0.0
        try:
            self._open(device, self._rate)
        except devices.failures() as error:
            raise ConfigError(
                f"the speaker {device.name!r} does not open at {self._rate} Hz: {error}; choose "
                f"another sample_rate, such as {own_rate(device)} Hz, or another device"
            ) from error

    @property
    def name(self) -> str:
        """The device's."""
        return self._device.name

    @property
    def sample_rate(self) -> int:
        """Hz, of what is rendered; another device may have brought another."""
        return self._rate

    def gone_ms(self) -> int:
        """How long there has been none, in milliseconds; 0 while there is one."""
        lost = self._lost
        return 0 if lost is None else max(1, int(1000 * (time.monotonic() - lost)))

    def _open(self, device: devices.Device, rate: int) -> None:
        sd = devices.sound()
        # A mono stream is heard on the left side only, on some systems.
        channels = min(2, device.outputs)
        mono = np.zeros(8192, np.float32)
        self._opened += 1
        number = self._opened
        frames_before = 0
        clock: SteadyOffset | None = None  # when the stream's first sample left the loudspeaker

        def callback(data: memoryview, frames: int, times: _Times, status: _Status) -> None:
            nonlocal mono, frames_before, clock
            out = np.frombuffer(data, np.float32).reshape(frames, channels)
            if number != self._opened:
                out.fill(0)
                return
            if self._called is None:
                self._told()
            self._called = time.monotonic()
            if frames > len(mono):
                mono = np.zeros(frames, np.float32)
            # An echo canceller needs it to the sample, in all of the replies alike.
            lasted = frames_before / rate
            told = max(times.outputBufferDacTime, times.currentTime) + self._offset - lasted
            late = bool(status.output_underflow)
            if clock is None or late or abs(told - clock.value) > _JUMP_S:
                clock = SteadyOffset(told)
            else:
                clock.read(told)
            frames_before += frames
            self._render(mono[:frames], clock.value + lasted, late)
            for channel in range(channels):
                out[:, channel] = mono[:frames]

        def finished() -> None:
            if number == self._opened:
                self._finished = True
                self._told()

        self._finished, self._called = False, None
        stream = cast(
            "_Stream",
            devices.open_stream(
                lambda: sd.RawOutputStream(
                    samplerate=rate,
                    device=device.index,
                    channels=channels,
                    dtype="float32",
                    blocksize=max(1, rate // 100),
                    latency=_LATENCY_S,
                    callback=callback,
                    finished_callback=finished,
                )
            ),
        )
        self._stream = stream
        try:
            self._offset = time.monotonic() - stream.time
            self._prepare(rate)
            stream.start()
        except BaseException:
            self._shut()
            raise
        self._since = time.monotonic()
        self._device, self._rate = device, rate

    def _shut(self) -> None:
        stream, self._stream = self._stream, None
        self._opened += 1
        if stream is not None:
            try:
                devices.close_stream(stream)
            except devices.failures() as error:
                _log.warning("the speaker %r could not be closed: %s", self.name, error)

    def close(self) -> None:
        """Release the device."""
        self._shut()

    def tend(self, *, expecting: bool) -> tuple[str, int | str] | None:
        """See to the device, and say what became of it.

        Args:
            expecting: whether it should be asking for sound.

        Returns:
            ``"lost"`` and the reason, ``"restored"`` and how long it was gone, in milliseconds; or
            None.
        """
        now = time.monotonic()
        if self._stream is not None:
            if not self._finished and self._called is not None and self._lost is not None:
                gone, self._lost, self._tries = now - self._lost, None, 0
                return "restored", int(1000 * gone)
            heard_of = max(self._since, self._called or 0.0)
            silent = expecting or self._lost is not None
            if not self._finished and not (silent and now - heard_of >= _SILENT_S):
                self._follow_clock()
                return None
            reason = "its stream ended" if self._finished else "it asks for no more sound"
            self._shut()
            self._wait(now)
            if self._lost is None:
                self._lost = heard_of
                return "lost", reason
            return None
        if now >= self._next_try:
            self._try(now)
        return None

    def _follow_clock(self) -> None:
        # PortAudio's clock may be the wall's, which can be set.
        if self._stream is None:
            return
        with suppress(*devices.failures()):
            before, of_device = time.monotonic(), self._stream.time
            if time.monotonic() - before < 0.001:  # else something came in between
                self._offset = before - of_device

    @property
    def is_open(self) -> bool:
        """Whether there is a stream, as far as is known."""
        return self._stream is not None and not self._finished

    def is_on(self, device: devices.Device) -> bool:
        """Whether it plays on this device."""
        return self.is_open and (device.index, device.name) == (
            self._device.index,
            self._device.name,
        )

    def use(self, device: devices.Device) -> bool:
        """Play on this device from now on; whether that is another one.

        Raises:
            ConfigError: it does not open; it plays on the one before, as soon as that is possible.
        """
        if self.is_on(device):
            self._wanted = device
            return False
        before, wanted = self._device, self._wanted
        was_open = self._stream is not None
        self._shut()
        self._wanted, self._tries = device, 0
        try:
            self._open_somehow(device)
            return True
        except (RxvoiceError, *devices.failures()) as error:
            self._wanted = wanted
            self._next_try = 0.0
            try:
                self._open_somehow(before)
            except (RxvoiceError, *devices.failures()):
                if was_open and self._lost is None:
                    self._lost = time.monotonic()
            raise ConfigError(
                f"the speaker {device.name!r} does not open: {error}; it stays {before.name!r}"
            ) from error

    def _wait(self, now: float) -> None:
        self._next_try = now + _WAITS_S[min(self._tries, len(_WAITS_S) - 1)]
        self._tries += 1

    def _try(self, now: float) -> None:
        try:
            self._open_somehow(devices.same(self._wanted, "speaker"))
        except (RxvoiceError, *devices.failures()):
            self._wait(now)

    def _open_somehow(self, device: devices.Device) -> None:
        try:
            self._open(device, self._rate)
        except devices.failures():
            if self._rate == (rate := own_rate(device)):
                raise
            self._open(device, rate)

    def due(self, *, expecting: bool) -> float | None:
        """Seconds until `tend` has something to do; None where that is not known."""
        now = time.monotonic()
        if self._stream is None:
            return max(0.0, self._next_try - now)
        if expecting or self._lost is not None:
            return max(0.0, max(self._since, self._called or 0.0) + _SILENT_S - now)
        return None
