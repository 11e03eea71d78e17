"""`microphone`: what is said to this machine, now."""

from __future__ import annotations

import atexit
from collections import deque
from threading import Lock
from typing import get_args

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.internal.exceptions import DisposedException

from rxvoice._check import whole
from rxvoice.chunks import AudioChunk
from rxvoice.devices import Device, check_device
from rxvoice.errors import ConfigError
from rxvoice.events import Event, Notice
from rxvoice.sources._capture import CaptureOptions, Format, Overflow, Segment, capture
from rxvoice.sources._choice import Choice, Wanted
from rxvoice.sources._emit import check_blocks
from rxvoice.sources._machine import InputStream, Machine, RealMachine
from rxvoice.sources._ring import Ring, wake_up

__all__ = ["microphone"]

_QUIET_S = 0.5
"""A look at the stream at least so often. Two looks without a callback, and it is lost: one may
be the machine's, which was asleep."""
_QUIET_LOOKS = 2
_QUIET_LOOKS_AT_FIRST = 6
"""Before the first callback: some take their time to wake up."""
_RETRY_S = (0.5,) * 4 + (1.0,) * 4 + (2.0,) * 4 + (5.0,)
"""Between the tries to open a lost device again; the last one stays."""
_AT_ONCE = 4
"""Elements for each turn on a scheduler, which has other work."""
_MOST_WAITING = 8
"""Streams that came and went and that the subscriber has not yet heard of."""
_MOST_CHANNELS = 8
"""More are offered by virtual devices, which take any number, and by mixing desks."""


def microphone(
    device: Wanted | Observable[Wanted] = None,
    *,
    sample_rate: int = 16_000,
    block_ms: int = 32,
    channel: int | None = None,
    max_ms: int = 2_000,
    overflow: Overflow = "drop_oldest",
) -> Observable[AudioChunk | Event]:
    """A live microphone. Each subscription opens the device, and closes it when it ends.

    Two subscribers share one device by ``microphone().pipe(ops.share())``.

    Emits: an `AudioChunk` of ``block_ms`` at a time, mono, at ``sample_rate``, without a gap:
        ``start`` counts every sample since the subscription, and ``time`` is when the first of
        the chunk was captured, by the device's clock. Sound that was lost is silence of the same
        length. Events say so: `AudioLost` at the first loss and then at most every 5 s;
        `DeviceLost` and `DeviceRestored`; `DeviceChanged` where another was chosen; `Notice` for
        one that there is not, for samples out of [-1, 1], which are limited, and on a Mac for a
        microphone that gives only zeros, as without permission.
    Completes: never.
    Errors: `ConfigError` for a device that does not exist, naming those that do, or that does not
        open; `MissingDependency` without PortAudio; `QueueFull` for a full buffer with
        ``overflow="fail"``, after an `AudioLost`; those of an observable of devices. A device that
        goes away later is no error: it, or else the default one, is opened as soon as that is
        possible. Nor is one that is chosen later and does not exist: the one before stays.
    Drops: what the subscriber does not take within ``max_ms``; counted, told and replaced by
        silence. Nothing else waits, on any scheduler.
    Runs on: a thread of its own for each subscription, or the scheduler given to ``subscribe``.
        A subscriber that raises, raises there; the device is closed first. Unsubscribing, from
        any thread and from within ``on_next``, closes the device before it returns.

    Args:
        device: None for the default one, an index, or a part of its name in any case. Or an
            observable of these: the first one is opened, and each time another one is named the
            stream goes on with that. Time goes on, too: while none was open there is silence.
        sample_rate: Hz, of the chunks; resampled by soxr where the device refuses it.
        block_ms: milliseconds of a chunk, 1 or more.
        channel: which one to hear, from 0. None for the mean of all of them, of a device with
            more than 8 of the first two.
        max_ms: how long sound may wait for the subscriber, at least two blocks.
        overflow: what to do with more: ``"drop_oldest"``, ``"drop_newest"`` or ``"fail"``.
    """
    if not isinstance(device, Observable):
        check_device("microphone device", device)
    check_blocks("microphone", sample_rate, block_ms)
    if channel is not None:
        whole("microphone channel", channel, 0, "(a channel's index)")
    whole("microphone max_ms", max_ms, 2 * block_ms, "ms (two blocks)")
    if overflow not in get_args(Overflow):
        raise ConfigError(
            f"microphone overflow must be one of {', '.join(map(repr, get_args(Overflow)))}, "
            f"got {overflow!r}"
        )
    return _microphone(
        RealMachine(), device, CaptureOptions(sample_rate, block_ms, channel, max_ms, overflow)
    )


def _microphone(
    machine: Machine, device: Wanted | Observable[Wanted], settings: CaptureOptions
) -> Observable[AudioChunk | Event]:
    def subscribe(
        observer: abc.ObserverBase[AudioChunk | Event],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        listener = _Listener(machine, device, settings, observer, scheduler)
        listener.choice.follow(scheduler)
        machine.start(listener.run)
        return Disposable(listener.close)

    return Observable(subscribe)


class _Listener:
    """One subscription: a thread that keeps the device open and hands over what it gives."""

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
        self._guard = Lock()  # of the stream, while it is opened or closed
        self._stream: InputStream | None = None
        self._form: Format | None = None  # the last that worked
        self._inbox: deque[Segment] = deque()
        self._news: deque[Event | Exception] = deque()  # goes before what was captured
        self.choice = Choice(device, lambda: wake_up(self._wake))
        self._elements = capture(self._inbox, settings, machine.now, machine.permission())

    def close(self) -> None:
        """Close the device and deliver no more. From any thread, and again."""
        self._ended = True
        self.choice.dispose()
        atexit.unregister(self.close)
        wake_up(self._wake)
        # Where the thread is just opening it, the thread will see that it has ended.
        if self._guard.acquire(blocking=False):
            try:
                self._close_stream()
            finally:
                self._guard.release()

    def run(self) -> None:
        """The thread."""
        try:
            self._listen()
        finally:
            with self._guard:
                self._close_stream()

    def _listen(self) -> None:
        while not (self._ended or self.choice.is_waiting):
            self._machine.wait(self._wake, _QUIET_S)
        if self._ended:
            return
        try:
            if self.choice.error is not None:
                raise self.choice.error
            device = self._find()
            segment = self._open(device, _formats(device, self._settings))
            # After sounddevice's own, which is registered by now: ours goes first.
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
                if reason := self._watch(segment):
                    with self._guard:
                        self._close_stream()
                    segment.over = reason
                    tries = 0 if segment.ring.captured else tries
                    segment = None
            else:
                self._pause(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
                if not self.choice.is_waiting:
                    tries += 1
                    segment = self._open_again(device, tries)
        atexit.unregister(self.close)

    def _find(self) -> Device:
        """The device that is wanted, with the channel that is."""
        device = self._machine.find(self.choice.take())
        channel = self._settings.channel
        if channel is not None and channel >= device.inputs:
            raise ConfigError(
                f"microphone channel must be from 0 to {device.inputs - 1}, of the device "
                f"{device.name!r}, got {channel}"
            )
        return device

    def _fail(self, error: Exception) -> None:
        self._news.append(error)
        self._deliver()

    def _change(self, device: Device, segment: Segment | None) -> tuple[Device, Segment | None]:
        """Go on with the device that is wanted now; with this one where that cannot be."""
        try:
            chosen = self._find()
        except ConfigError as error:
            self._news.append(_stays(device, error))
            return device, segment
        if segment is not None and (chosen.index, chosen.name) == (device.index, device.name):
            return device, segment
        with self._guard:
            self._close_stream()
        opened: Segment | None = None
        try:
            opened = self._open(chosen, _formats(chosen, self._settings))
        except (ConfigError, *self._machine.failures()) as error:
            self._news.append(_stays(device, error))
        if segment is not None:
            segment.replaced = opened is not None
            segment.over = f"it was given up for {chosen.name!r}"
        if opened is None:
            return device, self._open_again(device, 0)
        return chosen, opened

    def _watch(self, segment: Segment) -> str | None:
        """Hand over what comes, until the device is lost: why it was, or None where it is not."""
        ring = segment.ring
        seen = looks = 0
        while not (self._ended or self.choice.is_waiting):
            self._deliver()
            if ring.finished:
                return "the sound system ended the stream"
            if self._machine.wait(self._wake, _QUIET_S):
                looks = 0 if ring.captured != seen else looks
            else:
                looks = looks + 1 if ring.captured == seen else 0
            seen = ring.captured
            if looks >= (_QUIET_LOOKS if seen else _QUIET_LOOKS_AT_FIRST):
                return f"no sound for {looks * _QUIET_S:.0f} s"
        return None

    def _pause(self, seconds: float) -> None:
        """Without a device: go on with silence."""
        due = self._machine.now() + seconds
        while not (self._ended or self.choice.is_waiting):
            if (left := due - self._machine.now()) <= 0:
                return
            self._deliver()
            self._machine.wait(self._wake, min(left, self._settings.block_ms / 1000))

    def _open_again(self, lost: Device, tries: int) -> Segment | None:
        if self._ended or len(self._inbox) >= _MOST_WAITING:
            return None
        try:
            device = self._machine.find_again(lost)
            forms = _formats(device, self._settings)
            if device.name == lost.name and self._form in forms and tries % 2:
                forms = [self._form]  # PortAudio prints a complaint for each that it refuses
            return self._open(device, forms)
        except (ConfigError, *self._machine.failures()):
            return None

    def _open(self, device: Device, forms: list[Format]) -> Segment | None:
        """Open and start the device as well as it allows; None where it is too late for it."""
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
                    self._stream = self._machine.open(device, form, ring)
                    self._stream.start()
                except self._machine.failures() as error:
                    self._close_stream()
                    first = first or error
                    continue
            self._form = form
            segment = Segment(device.name, form, ring)
            self._inbox.append(segment)
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
        """Hand over what there is, here or by the scheduler: one turn at a time."""
        if self._scheduler is None:
            while self._hand_over():
                pass
        elif not self._scheduled and not self._ended:
            self._scheduled = True
            try:
                self._scheduler.schedule(self._turn)
            except DisposedException:
                self.close()

    def _turn(self, _: abc.SchedulerBase, __: object = None) -> None:
        more = self._hand_over()
        self._scheduled = False
        # What came before that last line has found a turn scheduled and did not ask for one.
        if more or self._news or any(not it.ring.is_empty for it in self._inbox):
            wake_up(self._wake)

    def _hand_over(self) -> bool:
        """Deliver some elements; whether there may be more."""
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
            except BaseException:  # from downstream: not ours to handle
                self.close()
                raise
        return True


def _stays(device: Device, error: Exception) -> Notice:
    return Notice(f"the microphone stays {device.name!r}: {error}", error, stage="microphone")


def _formats(device: Device, settings: CaptureOptions) -> list[Format]:
    """How to open a device: the way that wants the least conversion first."""
    rates = dict.fromkeys((settings.sample_rate, device.sample_rate))
    most = device.inputs
    if settings.channel is not None:
        counts = dict.fromkeys((min(settings.channel + 1, most), most))
    else:
        counts = dict.fromkeys((most if most <= _MOST_CHANNELS else 2, most))
    return [
        Format(rate, max(1, rate * settings.block_ms // 1000), channels, dtype)
        for rate in rates
        for channels in counts
        for dtype in ("float32", "int16")
    ]
