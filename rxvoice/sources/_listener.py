"""One subscription to a microphone."""

from __future__ import annotations

import atexit
from collections import deque
from threading import Lock

from reactivex import Observable, abc
from reactivex.internal.exceptions import DisposedException

from rxvoice.chunks import AudioChunk
from rxvoice.devices import Device
from rxvoice.errors import ConfigError
from rxvoice.events import Event, Notice
from rxvoice.sources._capture import capture
from rxvoice.sources._choice import Choice, Wanted
from rxvoice.sources._formats import formats
from rxvoice.sources._lookout import LOOK_S, GivenUp, Lookout
from rxvoice.sources._machine import InputStream, Machine
from rxvoice.sources._ring import Ring, wake_up
from rxvoice.sources._segment import CaptureOptions, Format, Segment, Watching

_RETRY_S = (0.5,) * 4 + (1.0,) * 4 + (2.0,) * 4 + (5.0,)
"""Seconds between the tries to open a lost device. The last one stays."""
_AT_ONCE = 4
"""Elements in one action on a scheduler, which has other work."""
_MOST_WAITING = 8
"""Streams that came and went and that the subscriber has not yet been told of."""
_TELEPHONE = (
    "while it is used, a headset sounds like a telephone, in both directions; use the microphone "
    "of the computer, and the headset as loudspeaker only"
)


class Listener:
    """Keeps a device open on a thread of its own, and delivers its sound, for one subscription."""

    def __init__(
        self,
        machine: Machine,
        device: Wanted | Observable[Wanted],
        settings: CaptureOptions,
        observer: abc.ObserverBase[AudioChunk | Event],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._machine = machine
        self._settings = settings
        self._observer = observer
        self._scheduler = scheduler
        self._wake = Lock()
        self._wake.acquire()
        self._ended = False
        self._scheduled = False
        self._action: object = None
        self._guard = Lock()  # of the stream, while it is opened or closed
        self._stream: InputStream | None = None
        self._form: Format | None = None  # the last that worked
        self._follows = False  # the default device, whichever that is
        self._headset: str | None = None  # the one that was told of last
        self._inbox: deque[Segment] = deque()
        self._news: deque[Event | Exception] = deque()  # delivered before the sound
        self.choice = Choice(device, lambda: wake_up(self._wake))
        self._elements = capture(self._inbox, settings, machine)

    def close(self) -> None:
        """Close the device and deliver no more. Any thread may call this, and more than once."""
        self._ended = True
        self.choice.dispose()
        atexit.unregister(self.close)
        wake_up(self._wake)
        # If the thread is opening the device now, it will see that the subscription has ended.
        if self._guard.acquire(blocking=False):
            try:
                self._close_stream()
            finally:
                self._guard.release()

    def run(self) -> None:
        """Listen until the subscription ends. This is the thread's function."""
        try:
            self._listen()
        finally:
            with self._guard:
                self._close_stream()

    def _listen(self) -> None:
        while not (self._ended or self.choice.is_waiting):
            self._machine.wait(self._wake, LOOK_S)
        if self._ended:
            return
        try:
            if self.choice.error is not None:
                raise self.choice.error
            device = self._find()
            segment = self._open(
                device, formats(device, self._settings, self._machine.platform), device
            )
            # Registered after sounddevice's own, so it runs before that.
            atexit.register(self.close)
        except Exception as error:
            self._fail(error)
            return
        tries = 0
        while not self._ended:
            if self.choice.error is not None:
                self._fail(self.choice.error)
                return
            if self.choice.is_waiting:
                device, segment = self._change(device, segment)
            elif segment is not None:
                if given_up := self._watch(segment):
                    tries = 0 if segment.ring.captured else tries
                    segment = self._leave(device, segment, given_up)
            else:
                self._pause(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
                if not self.choice.is_waiting:
                    tries += 1
                    segment = self._open_again(device, tries)
        atexit.unregister(self.close)

    def _find(self) -> Device:
        """Find the chosen device, and check that it has the chosen channel."""
        wanted = self.choice.take()
        device = self._machine.find(wanted)
        channel = self._settings.channel
        if channel is not None and channel >= device.inputs:
            raise ConfigError(
                f"microphone channel must be from 0 to {device.inputs - 1}, of the device "
                f"{device.name!r}, got {channel}"
            )
        self._follows = wanted is None
        return device

    def _fail(self, error: Exception) -> None:
        self._news.append(error)
        self._deliver()

    def _change(self, device: Device, segment: Segment | None) -> tuple[Device, Segment | None]:
        """Go on with the device that was chosen, or with the same one if that does not open."""
        followed = self._follows
        try:
            chosen = self._find()
        except ConfigError as error:
            self._news.append(_stays(device, error))
            return device, segment
        if segment is not None and _is(segment.opened, chosen):
            segment.watch = self._watched(chosen, chosen)
            return chosen, segment
        with self._guard:
            self._close_stream()
        opened: Segment | None = None
        try:
            opened = self._open(
                chosen, formats(chosen, self._settings, self._machine.platform), chosen
            )
        except (ConfigError, *self._machine.failures()) as error:
            self._news.append(_stays(device, error))
        if segment is not None:
            segment.replaced = opened is not None
            segment.over = f"it was given up for {chosen.name!r}"
        if opened is None:
            self._follows = followed
            return device, self._open_again(device, 0)
        return chosen, opened

    def _leave(self, device: Device, segment: Segment, given_up: GivenUp) -> Segment | None:
        """Close the stream, and open the next one at once if that may work."""
        with self._guard:
            self._close_stream()
        opened = self._open_again(device, 0) if given_up.again else None
        if opened is None and given_up.works:
            opened = self._open_same(segment.opened, 0, follows=False)
            if opened is not None:
                opened.watch = self._watched(segment.opened, device)
                opened.watch.refuse()
                self._news.append(_stays(segment.opened, "the other device does not open"))
        segment.replaced = opened is not None
        segment.over = given_up.reason
        return opened

    def _watch(self, segment: Segment) -> GivenUp | None:
        """Deliver sound until the stream is to be given up. None: something else is to be done."""
        lookout = Lookout(segment, self._stream, self._machine)
        woken = True
        while not (self._ended or self.choice.is_waiting):
            self._deliver()
            if given_up := lookout.look(woken=woken):
                return given_up
            woken = self._machine.wait(self._wake, LOOK_S)
        return None

    def _pause(self, seconds: float) -> None:
        """Deliver silence for so many seconds: there is no device."""
        due = self._machine.now() + seconds
        while not (self._ended or self.choice.is_waiting):
            if (left := due - self._machine.now()) <= 0:
                return
            self._deliver()
            self._machine.wait(self._wake, min(left, self._settings.block_ms / 1000))

    def _open_again(self, lost: Device, tries: int) -> Segment | None:
        if self._ended or len(self._inbox) >= _MOST_WAITING:
            return None
        opened = self._open_same(lost, tries, follows=self._follows)
        if opened is None and self._machine.look_again():
            opened = self._open_same(lost, tries, follows=self._follows)
        return opened

    def _open_same(self, lost: Device, tries: int, *, follows: bool) -> Segment | None:
        try:
            device = self._machine.find_again(lost, follows=follows)
            forms = formats(device, self._settings, self._machine.platform)
            if device.name == lost.name and self._form in forms and tries % 2:
                forms = [self._form]  # PortAudio prints a complaint for each format that it refuses
            return self._open(device, forms, lost)
        except (ConfigError, *self._machine.failures()):
            return None

    def _watched(self, device: Device, wanted: Device) -> Watching:
        return self._machine.watch(device, None if self._follows else wanted)

    def _tell_of_headset(self, device: Device) -> None:
        if device.name != self._headset and self._machine.is_bluetooth(device):
            self._headset = device.name
            text = f"the microphone {device.name!r} is connected by Bluetooth: {_TELEPHONE}"
            self._news.append(Notice(text, stage="microphone"))

    def _open(self, device: Device, forms: list[Format], wanted: Device) -> Segment | None:
        """Open and start the device in the first format that works. None if it is too late."""
        first: Exception | None = None
        for form in forms:
            size = form.channels * (4 if form.dtype == "float32" else 2)
            ring = Ring(
                slots=max(2, -(-self._settings.max_ms * form.rate // (1000 * form.frames))),
                frames=form.frames,
                frame_bytes=size,
                keep_oldest=self._settings.overflow != "drop_oldest",
                wake=self._wake,
                clock=self._machine.now,
            )
            with self._guard:
                if self._ended:
                    return None
                try:
                    self._stream = stream = self._machine.open(device, form, ring)
                    opened = stream.device
                    stream.start()
                except self._machine.failures() as error:
                    self._close_stream()
                    first = first or error
                    continue
            self._form = form
            watch = self._watched(device, wanted)
            segment = Segment(device.name, form, ring, opened, watch)
            self._inbox.append(segment)
            self._tell_of_headset(device)
            return segment
        hint = self._machine.permission()
        raise ConfigError(
            f"the microphone {device.name!r} does not open: {first}; close what else uses it, or "
            "choose another: `rxvoice devices` lists them" + (f"; {hint}" if hint else "")
        ) from first

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._machine.close(stream)

    def _deliver(self) -> None:
        """Deliver what there is, here or on the scheduler, where one action waits at most."""
        if self._scheduler is None:
            while self._hand_over():
                pass
        elif not self._scheduled and not self._ended:
            self._scheduled = True
            try:
                self._action = self._scheduler.schedule(self._deliver_some)
            except DisposedException:
                self.close()
        elif getattr(self._action, "is_disposed", False):
            self.close()  # its thread has ended, as that of `live`, and will not run it

    def _deliver_some(self, _: abc.SchedulerBase, __: object = None) -> None:
        more = self._hand_over()
        self._scheduled = False
        # Sound that came before this line found an action scheduled and asked for none.
        if more or self._news or any(not it.ring.is_empty for it in self._inbox):
            wake_up(self._wake)

    def _hand_over(self) -> bool:
        """Deliver some elements. Returns whether there may be more."""
        for _ in range(_AT_ONCE):
            if self._ended:
                return False
            try:
                element = self._news.popleft() if self._news else next(self._elements)
                if isinstance(element, Exception):
                    raise element
            except Exception as error:
                self.close()
                self._observer.on_error(error)
                return False
            if element is None or self._ended:
                return False
            try:
                self._observer.on_next(element)
            except BaseException:  # from downstream
                self.close()
                raise
        return True


def _is(one: Device, other: Device) -> bool:
    return (one.index, one.name) == (other.index, other.name)


def _stays(device: Device, why: Exception | str) -> Notice:
    error = why if isinstance(why, Exception) else None
    return Notice(f"the microphone stays {device.name!r}: {why}", error, stage="microphone")
