"""A loudspeaker, which is opened again when its device has gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from rxvoice import devices
from rxvoice._audio.samples import Samples
from rxvoice._platform import platform
from rxvoice.errors import ConfigError, RxvoiceError
from rxvoice.events import DeviceChanged, DeviceLost, DeviceRestored, Notice
from rxvoice.sinks._output_stream import OutputStream

_SILENT_S = 2.0
"""A device that asks for no sound for so long has gone. A busy machine delays it by less."""

_WAITS_S = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds between the tries to open it again. The last one stays."""

_REST_S = 30.0
"""On a Mac, a device is released when there was no sound for so long: it keeps the Mac awake and a
headset busy. The first samples of a new stream are heard when CoreAudio says; ALSA's times are some
60 ms off at first."""

DeviceEvent = DeviceChanged | DeviceLost | DeviceRestored | Notice


def own_rate(device: devices.Device) -> int:
    """The sample rate, in Hz, at which the device works best."""
    # To ALSA every device of a sound server prefers 44100 Hz; the server itself prefers 48000.
    if platform().is_linux:
        sd = devices.sound()
        with suppress(*devices.failures()):
            sd.check_output_settings(device=device.index, samplerate=48_000)
            return 48_000
    return device.sample_rate


class Loudspeaker:
    """Plays on the chosen device, or on the default one while the chosen device is gone.

    On a Mac it releases the device after some time without sound, and opens it when there is some.
    Call `tend`, `use` and `close` on one thread.

    Args:
        device: the chosen device.
        follows: whether it was chosen because it is the default one. Then another default device
            takes its place.
        sample_rate: Hz; None for the device's own. Another device may need another rate.
        render: fills a block: see `OutputStream`.
        prepare: called with the sample rate, in Hz, before a device is started.
        leave: called, on any thread, when a device is about to be given up that works: what it has
            taken and not played, the next one plays.
        news: called on any thread when `tend` should be called.

    Raises:
        ConfigError: the device does not open.
    """

    def __init__(
        self,
        device: devices.Device,
        follows: bool,
        sample_rate: int | None,
        render: Callable[[Samples, float, bool], None],
        prepare: Callable[[int], None],
        leave: Callable[[], None],
        news: Callable[[], None],
    ) -> None:
        self._device = device
        self._wanted = None if follows else device
        self._given_rate = sample_rate
        self._rate = sample_rate or own_rate(device)
        self._render = render
        self._prepare = prepare
        self._leave = leave
        self._news = news
        self._stream: OutputStream | None = None
        self._lost: float | None = None
        self._rests = False
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
            return None if self._rests else max(0.0, self._next_try - now)
        due = [self._watch.due(now)]
        if expecting or self._lost is not None:
            due.append(max(0.0, self._stream.active + _SILENT_S - now))
        elif platform().is_mac:
            due.append(max(0.0, self._busy + _REST_S - now))
        return min((seconds for seconds in due if seconds is not None), default=None)

    def tend(self, *, expecting: bool, sounding: bool) -> DeviceEvent | None:
        """Look after the device: close one that has gone, and open one where there is none.

        Args:
            expecting: whether the device should be asking for sound.
            sounding: whether there is sound to play, or some that was taken and not yet heard.

        Returns:
            What has happened to the device, if something has.
        """
        now = time.monotonic()
        if sounding or self._lost is not None:
            self._busy = now
        stream = self._stream
        if stream is None:
            if self._rests:
                return self._move("it does not open again") if sounding else None
            if now >= self._next_try:
                self._try(now)
            return None
        ended = stream.ended  # read first: what is let go ends after that is said
        if stream.was_let_go and self._lost is None:
            return self._move("it does not open again after PortAudio has looked for devices")
        if not ended and stream.called is not None and self._lost is not None:
            gone, self._lost, self._tries = now - self._lost, None, 0
            return DeviceRestored("speaker", self.name, int(1000 * gone))
        news = self._watch.news(now)
        asks = expecting or self._lost is not None
        if ended:
            return self._lose("its stream ended")
        if news == "gone":
            return self._lose("it was disconnected")
        if asks and now - stream.active >= _SILENT_S:
            return self._lose("it asks for no more sound")
        stream.follow_clock()
        if news is not None:
            self._leave()
            return self._move("it does not open again", stays=news != "rate")
        if platform().is_mac and self._lost is None and now - self._busy >= _REST_S:
            self._leave()
            self.close()
            self._rests = True
        return None

    def _lose(self, reason: str) -> DeviceEvent | None:
        stream = self._stream
        assert stream is not None
        if self._lost is None and self._watch.has_successor():
            self._leave()
            return self._move(reason)
        self.close()
        self._wait(time.monotonic())
        if self._lost is not None:
            return None
        self._lost = stream.active
        return DeviceLost("speaker", self.name, reason)

    def _move(self, reason: str, *, stays: bool = False) -> DeviceEvent | None:
        """Open the device again, or the one that has taken its place.

        Args:
            reason: why the device is lost, if none opens.
            stays: whether the device works, and is opened again if the other one does not open.
        """
        before = self._device
        self.close()
        try:
            self._open_wanted()
        except (RxvoiceError, *devices.failures()) as error:
            if stays and self._opens_again(before):
                text = f"the speaker stays {before.name!r}: the other device does not open: {error}"
                return Notice(text, error, stage="speaker")
            now = time.monotonic()
            self._wait(now)
            self._lost = now
            return DeviceLost("speaker", before.name, f"{reason}: {error}")
        if self.name != before.name:
            return DeviceChanged("speaker", self.name, before.name)
        return None

    def _opens_again(self, device: devices.Device) -> bool:
        try:
            self._open_at_any_rate(device)
        except (RxvoiceError, *devices.failures()):
            return False
        self._watch.refuse()
        return True

    def use(self, device: devices.Device, *, follows: bool) -> bool:
        """Play on this device from here on. Returns whether it is another one.

        Raises:
            ConfigError: the device does not open. The one before plays, as soon as it can.
        """
        if self.is_on(device):
            self._wanted = None if follows else device
            self._watch_device()
            return False
        before, wanted = self._device, self._wanted
        was_open = self._stream is not None or self._rests
        self.close()
        self._wanted, self._tries = None if follows else device, 0
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
        self._rests = False
        if stream is not None:
            stream.close()

    def _open(self, device: devices.Device, rate: int) -> None:
        stream = OutputStream(device, rate, self._render, self._news, self._leave)
        stream.start(self._prepare)
        self._stream = stream
        self._device, self._rate = stream.device, rate
        self._rests = False
        self._busy = time.monotonic()
        self._watch_device()

    def _watch_device(self) -> None:
        now = time.monotonic()
        self._watch = devices.DeviceWatch(self._device, self._wanted, "speaker", now)

    def _open_at_any_rate(self, device: devices.Device) -> None:
        # CoreAudio takes any rate, and converts on the audio thread.
        rate = own_rate(device) if platform().is_mac and not self._given_rate else self._rate
        try:
            self._open(device, rate)
        except devices.failures():
            if rate == (own := own_rate(device)):
                raise
            self._open(device, own)

    def _open_wanted(self) -> None:
        """Open the wanted device, or the default one, and look for devices again if that fails."""
        wanted = self._wanted
        if wanted is None and not devices.hal().knows:
            wanted = self._device  # the default one is known by its name only
        try:
            self._open_at_any_rate(devices.same(wanted, "speaker"))
        except (RxvoiceError, *devices.failures()):
            if not devices.look_again():
                raise
            self._open_at_any_rate(devices.same(wanted, "speaker"))

    def _try(self, now: float) -> None:
        try:
            self._open_wanted()
        except (RxvoiceError, *devices.failures()):
            self._wait(now)

    def _wait(self, now: float) -> None:
        self._next_try = now + _WAITS_S[min(self._tries, len(_WAITS_S) - 1)]
        self._tries += 1
