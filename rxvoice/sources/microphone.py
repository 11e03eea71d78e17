"""`microphone`: live sound from a microphone of this machine."""

from __future__ import annotations

from typing import get_args

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxvoice._boundary import recorded
from rxvoice._check import whole
from rxvoice.chunks import AudioChunk
from rxvoice.devices import check_device
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.sources._choice import Wanted
from rxvoice.sources._emit import check_blocks
from rxvoice.sources._listener import Listener
from rxvoice.sources._machine import Machine, RealMachine
from rxvoice.sources._segment import CaptureOptions, Overflow

__all__ = ["microphone"]


def microphone(
    device: Wanted | Observable[Wanted] = None,
    *,
    sample_rate: int = 16_000,
    block_ms: int = 32,
    channel: int | None = None,
    max_ms: int = 2_000,
    overflow: Overflow = "drop_oldest",
) -> Observable[AudioChunk | Event]:
    """Listen to a microphone. Each subscription opens the device, and closes it when it ends.

    To share one device among subscribers, use ``microphone().pipe(ops.share())``.

    Emits: an `AudioChunk` of ``block_ms`` at a time, mono, at ``sample_rate``, without a gap.
        ``start`` counts every sample since the subscription. ``time`` is when the first sample of
        the chunk was captured, by the device's clock. Lost sound is replaced by silence of the same
        length. Events say what happened: `AudioLost` at the first loss and then every 5 s at most;
        `DeviceLost` and `DeviceRestored`; `DeviceChanged` when the app has chosen another device,
        or another one has become the default. A `Notice` says that a chosen device does not exist;
        that samples are out of [-1, 1], and are limited; that the microphone is connected by
        Bluetooth, which makes a telephone of a headset; and, on a Mac, that the microphone gives
        only zeros, and what they can come from (no permission, a closed lid, AirPods that a phone
        holds, ssh). It comes after 2 s of zeros at first and 10 s later, once for each stretch.
    Completes: never.
    Errors: `ConfigError` for a device that does not open or does not exist (the message lists those
        that do); `MissingDependency` without PortAudio; `QueueFull` for a full buffer with
        ``overflow="fail"``, after an `AudioLost`; the errors of an observable of devices. If the
        device goes away later, that is no error: the same device, or else the default one, is
        opened as soon as possible. On a Mac, the chosen device is taken again when it is back. If a
        device chosen later does not exist, the one before stays.
    Drops: what the subscriber does not take within ``max_ms``. It is counted, reported and replaced
        by silence. Nothing else waits, on any scheduler.
    Runs on: a thread of its own for each subscription, or the scheduler given to ``subscribe``.
        What a subscriber raises is raised there, after the device is closed. Unsubscribing closes
        the device before it returns, on any thread and also within ``on_next``. If closing hangs,
        it returns after 2.5 s.

    Args:
        device: None for the default one, an index, or a part of its name in any case. None follows
            the system's default device while the microphone is open. Or an observable of these: the
            first opens, and each later one takes the place of the one before. While no device is
            open, the chunks are silence.
        sample_rate: Hz, of the chunks. soxr resamples when the device refuses it. On a Mac the
            device is opened at its own rate, and soxr resamples; the filter's delay (6 ms for
            16 kHz) stands as silence before the first sample.
        block_ms: milliseconds of a chunk, 1 or more.
        channel: the channel to use, from 0. None for the mean of all channels, or of the first two
            when the device has more than 8.
        max_ms: how long sound may wait for the subscriber, at least two blocks.
        overflow: what to do when it has waited longer: ``"drop_oldest"``, ``"drop_newest"`` or
            ``"fail"``.
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
        listener = Listener(machine, device, settings, observer, scheduler)
        listener.choice.follow(scheduler)
        machine.start(listener.run)
        return Disposable(listener.close)

    return recorded("microphone", Observable(subscribe))
