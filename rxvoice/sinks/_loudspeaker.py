"""A loudspeaker, which is opened again when its device has gone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress

from rxvoice import devices
from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.sinks._output_stream import OutputStream

_SILENT_S = 2.0
"""A device that asks for no sound for so long has gone. A busy machine delays it by less."""

_WAITS_S = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between the tries to open it again. The last one stays."""


def own_rate(device: devices.Device) -> int:
    """The sample rate, in Hz, at which the device works best."""
    # To ALSA every device of a sound server prefers 44100 Hz; the server itself prefers 48000.
    if sys.platform.startswith("linux"):
        sd = devices.sound()
        with suppress(*devices.failures()):
            sd.check_output_settings(device=device.index, samplerate=48_000)
            return 48_000
    return device.sample_rate


class Loudspeaker:
    """Plays on the chosen device, or on the default one while the chosen device is gone.

    Call `tend`, `use` and `close` on one thread.

    Args:
        device: the chosen device.
        sample_rate: Hz. Another device may need another rate.
        render: fills a block: see `OutputStream`.
        prepare: called with the sample rate, in Hz, before a device is started.
        news: called on any thread when `tend` should be called.

    Raises:
        ConfigError: the device does not open.
    """

    def __init__(
        self,
        device: devices.Device,
        sample_rate: int,
        render: Callable[[Samples, float, bool], None],
        prepare: Callable[[int], None],
        news: Callable[[], None],
    ) -> None:
        self._device = self._wanted = device
        self._rate = sample_rate
        self._render = render
        self._prepare = prepare
        self._news = news
        self._stream: OutputStream | None = None
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
        """The name of the device that plays, or that played last."""
        return self._device.name

    def gone_ms(self) -> int:
        """For how many milliseconds there has been no device; 0 while there is one."""
        lost = self._lost
        return 0 if lost is None else max(1, int(1000 * (time.monotonic() - lost)))

    @property
    def is_open(self) -> bool:
        """Whether a stream is open, as far as is known."""
        return self._stream is not None and not self._stream.ended

    def is_on(self, device: devices.Device) -> bool:
        """Whether it plays on this device."""
        return self.is_open and (device.index, device.name) == (
            self._device.index,
            self._device.name,
        )

    def due(self, *, expecting: bool) -> float | None:
        """Seconds until `tend` has something to do; None where that is not known."""
        now = time.monotonic()
        if self._stream is None:
            return max(0.0, self._next_try - now)
        if expecting or self._lost is not None:
            return max(0.0, self._stream.active + _SILENT_S - now)
        return None

    def tend(self, *, expecting: bool) -> tuple[str, int | str] | None:
        """Close a device that has gone, and try to open one where there is none.

        Args:
            expecting: whether the device should be asking for sound.

        Returns:
            ``"lost"`` and the reason, or ``"restored"`` and for how many milliseconds it was gone;
            None where nothing has changed.
        """
        now = time.monotonic()
        stream = self._stream
        if stream is None:
            if now >= self._next_try:
                self._try(now)
            return None
        if not stream.ended and stream.called is not None and self._lost is not None:
            gone, self._lost, self._tries = now - self._lost, None, 0
            return "restored", int(1000 * gone)
        asks = expecting or self._lost is not None
        if not stream.ended and not (asks and now - stream.active >= _SILENT_S):
            stream.follow_clock()
            return None
        reason = "its stream ended" if stream.ended else "it asks for no more sound"
        self.close()
        self._wait(now)
        if self._lost is not None:
            return None
        self._lost = stream.active
        return "lost", reason

    def use(self, device: devices.Device) -> bool:
        """Play on this device from here on. Returns whether it is another one.

        Raises:
            ConfigError: the device does not open. The one before plays, as soon as it can.
        """
        if self.is_on(device):
            self._wanted = device
            return False
        before, wanted = self._device, self._wanted
        was_open = self._stream is not None
        self.close()
        self._wanted, self._tries = device, 0
        try:
            self._open_at_any_rate(device)
            return True
        except (RxvoiceError, *devices.failures()) as error:
            self._wanted = wanted
            self._next_try = 0.0
            try:
                self._open_at_any_rate(before)
            except (RxvoiceError, *devices.failures()):
                if was_open and self._lost is None:
                    self._lost = time.monotonic()
            raise ConfigError(
                f"the speaker {device.name!r} does not open: {error}; it stays {before.name!r}"
            ) from error

    def close(self) -> None:
        """Release the device."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _open(self, device: devices.Device, rate: int) -> None:
        stream = OutputStream(device, rate, self._render, self._news)
        stream.start(self._prepare)
        self._stream = stream
        self._device, self._rate = device, rate

    def _open_at_any_rate(self, device: devices.Device) -> None:
        try:
            self._open(device, self._rate)
        except devices.failures():
            if self._rate == (rate := own_rate(device)):
                raise
            self._open(device, rate)

    def _try(self, now: float) -> None:
        try:
            self._open_at_any_rate(devices.same(self._wanted, "speaker"))
        except (RxvoiceError, *devices.failures()):
            self._wait(now)

    def _wait(self, now: float) -> None:
        self._next_try = now + _WAITS_S[min(self._tries, len(_WAITS_S) - 1)]
        self._tries += 1
