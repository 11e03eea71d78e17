"""The thread of a loudspeaker, ``rxvoice-speaker``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Condition

from reactivex import Subject

from rxvoice._audio.samples import Samples
from rxvoice.devices import Device
from rxvoice.events import DeviceChanged, Event, Underrun
from rxvoice.sinks._loudspeaker import Loudspeaker
from rxvoice.sinks._speaker_track import SpeakerTrack
from rxvoice.sinks._switches import Switches
from rxvoice.sinks._underruns import Underruns
from rxvoice.sinks._waker import Waker

_log = logging.getLogger("rxvoice")


class SpeakerThread:
    """Tends the device, opens another one, and tells what was heard and what happened.

    Args:
        device: to play on.
        follows: whether it was chosen because it is the default one.
        sample_rate: Hz, that was asked for; None for the device's own.
        track: what it plays.
        changed: the lock of the track. It is notified whenever there may be more room.
    """

    def __init__(
        self,
        device: Device,
        follows: bool,
        sample_rate: int | None,
        track: SpeakerTrack,
        changed: Condition,
    ) -> None:
        self._track = track
        self._changed = changed
        self.stopped = False
        self._told_position: int = 0
        self._tell: bool = False
        self._underruns = Underruns()
        self._switches = Switches()
        self.events: Subject[Event] = Subject()
        self.played: Subject[int] = Subject()
        self._waker = Waker("rxvoice-speaker", self._step, lambda: self.stopped, self._finish)
        self.wake = self._waker.wake
        self.device = Loudspeaker(
            device, follows, sample_rate, self._render, self._prepare, self._leave, self.wake
        )
        self._waker.start()

    def _render(self, out: Samples, heard: float, late: bool) -> None:
        """Fill a block, on the audio thread."""
        queue = self._track.queue
        if late:
            queue.late(heard)
        if queue.render(out, heard):
            self.wake()

    def tell(self) -> None:
        """Tell the position, also if it is the one that was told last."""
        self._tell = True

    def use(self, device: Device, *, follows: bool) -> None:
        """Play on another device. See `Speaker.use`."""
        switched = self._switches.ask((device, follows))
        self.wake()
        if self._waker.is_here and not self.stopped:
            self._switches.serve(self._switch)
        if self.stopped:
            self._switches.refuse()
        switched.result()

    def stop(self) -> None:
        """Stop for good, and wait for the thread's end."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()
        self.wake()
        self._waker.join()

    def _step(self) -> float | None:
        """Do and tell what there is. Returns the seconds until there may be more, None: unknown."""
        if not self.stopped:
            self._switches.serve(self._switch)
        if self.stopped:
            return None
        with self._changed:
            now = time.monotonic()
            track, queue = self._track, self._track.queue
            runs_out = track.until_run_out(now)
            if runs_out == 0:
                track.end_signal()
            position = track.position(now)
            tell = self._tell or position != self._told_position
            self._tell, self._told_position = False, position
            self._changed.notify_all()
            expecting = not queue.is_paused and queue.left > 0
            sounding = expecting or queue.is_playing or track.heard(now) < queue.rendered
        if tell:
            self._guard(lambda: self.played.on_next(position))
        if event := self.device.tend(expecting=expecting, sounding=sounding):
            self._emit(event)
        report = self._underruns.report(track.silent, track.late, now)
        if isinstance(report, Underrun):
            self._emit(report)
            report = None
        due = (
            track.until_heard(now),
            runs_out or None,
            self.device.due(expecting=expecting),
            report,
            1.0 if self.device.gone_ms() else None,
        )
        return min((seconds for seconds in due if seconds is not None), default=None)

    def _prepare(self, rate: int) -> None:
        with self._changed:
            self._track.change_device(rate)

    def _leave(self) -> None:
        """Count nothing as heard from here on: what is cut off is played again. Any thread."""
        with self._changed:
            if self._track.left is None:
                self._track.left = time.monotonic()

    def _switch(self, asked: tuple[Device, bool]) -> None:
        """Play on this device."""
        device, follows = asked
        before = self.device.name
        leaves = self.device.is_open and not self.device.is_on(device)
        if leaves:
            self._leave()
        if self.device.use(device, follows=follows):
            self._emit(DeviceChanged("speaker", device.name, before))

    def _finish(self) -> None:
        self.device.close()
        self._switches.refuse()
        with self._changed:
            self._track.clear()
            self._changed.notify_all()
        for subject in (self.played, self.events):
            self._guard(subject.on_completed)

    def _emit(self, event: Event) -> None:
        self._guard(lambda: self.events.on_next(event))

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # of a subscriber; the others are told all the same
            _log.exception("a subscriber of the speaker raised")
