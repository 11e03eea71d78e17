"""`speaker`: speech is played by a loudspeaker."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import numpy as np
from reactivex import Observable, Subject

from rxvoice import devices
from rxvoice._audio.samples import Samples
from rxvoice._check import whole, within
from rxvoice.errors import SinkStalled
from rxvoice.events import DeviceChanged, DeviceLost, DeviceRestored, Event, Underrun
from rxvoice.sinks._converter import Converter, as_written, converter, is_mlx
from rxvoice.sinks._in_flight import InFlight
from rxvoice.sinks._loudspeaker import Loudspeaker, own_rate
from rxvoice.sinks._play_queue import PlayQueue
from rxvoice.sinks._sink import Sink

__all__ = ["Speaker", "speaker"]

_log = logging.getLogger("rxvoice")

_FADE_S = 0.005
_TICK_S = 0.02
_GAP_S = 1.0
_REPORT_S = 5.0
_GONE_MS = 10_000
_RUN_OUT_S = 0.025
"""Before there is nothing left: what a conversion holds back is due then."""

_OVER_S = 0.1
"""After the last piece, where there was nothing left before."""

_SLOW = (
    "speech is made more slowly than it is played: raise start_buffer_ms, speak in smaller pieces, "
    "or use a faster voice"
)
_LATE = (
    "the device was not served in time: something keeps the processor or Python's lock from it; "
    "move heavy Python work to another process"
)


def speaker(
    device: int | str | None = None,
    *,
    sample_rate: int | None = None,
    start_buffer_ms: int = 100,
    max_buffer_ms: int = 4_000,
) -> Speaker:
    """A sink that plays what it is given on a loudspeaker, from now until it is stopped.

    Samples come at any rate, `set_sample_rate` says which (until it does: the device's), and are
    converted to the device's on the thread that writes: ``mx.array`` by MLX, numpy by soxr.

    Playing begins once `start_buffer_ms` of sound are there, or its first sample has waited for as
    long, and at `flush`, at a reply's end and at `start`. When all has been played it begins anew.
    Each piece is taken whole. One that comes when more than `max_buffer_ms` are queued waits until
    no more are: memory is bounded by that and one piece. While it is paused none waits, since the
    one who writes may be the one to resume it. Behind a `paced` worker none ever waits.

    Silence in the middle of a reply is counted, and reported as an `Underrun` event: once, then
    every 5 s at most. The middle is where more was written after everything had been played, and
    `end_reply` (which `play` calls), `flush` or `clear` were not called in between; where nobody
    ever calls `end_reply`, only when it was written within a second. The silence lasts until
    playing goes on.

    A device that goes away is looked for until it or the default one plays again: `DeviceLost`,
    then `DeviceRestored`. It goes on with the first sample that the device that is gone had not
    taken; what that one had taken, some 50 ms, counts as heard. `Speaker.use` goes on with another
    device: `DeviceChanged`.

    Errors: `ConfigError` here, for a device that there is not (lists those there are) or that does
        not open; `MissingDependency` without PortAudio; from the calls of `Speaker`: `SinkStalled`
        after `stop`, and for a device that has been gone for 10 s while there is no room;
        `AudioFormatError` for what is not mono audio.
    Runs on: `events` and `played` on a thread of its own, ``rxvoice-speaker``. All calls may come
        from any thread; that one must not `flush`, nor write more than there is room for.

    Args:
        device: None for the default one, an index, or a part of its name: `rxvoice devices`.
        sample_rate: Hz, at which the device is opened; None for its own.
        start_buffer_ms: 0 or more; more bridges a slower voice, and is heard later.
        max_buffer_ms: `start_buffer_ms` or more.
    """
    return Speaker(
        device,
        sample_rate=sample_rate,
        start_buffer_ms=start_buffer_ms,
        max_buffer_ms=max_buffer_ms,
    )


class Speaker(Sink):
    """Made by `speaker`; a context manager, which stops it at the end."""

    def __init__(
        self,
        device: int | str | None = None,
        *,
        sample_rate: int | None = None,
        start_buffer_ms: int = 100,
        max_buffer_ms: int = 4_000,
    ) -> None:
        if sample_rate is not None:
            whole("speaker sample_rate", sample_rate, 1, "Hz")
        whole("speaker start_buffer_ms", start_buffer_ms, 0, "ms")
        whole("speaker max_buffer_ms", max_buffer_ms, max(1, start_buffer_ms), "ms")
        self._start_buffer_ms = start_buffer_ms
        self._max_buffer_ms = max_buffer_ms
        # One who writes holds the first for as long as it takes, everyone the second for moments.
        # The device's thread waits for neither.
        self._writing = threading.RLock()
        self._changed = threading.Condition()
        self._wake = threading.Lock()
        self._wake.acquire()
        self._ledger = InFlight()
        self._given_rate: int | None = None
        self._converter: tuple[Converter, int, bool] | None = None
        self._being_written: Samples | None = None
        self._written_at = 0.0
        self._era = 0
        self._stopped = False
        self._told_ends = False
        self._told_position: int = 0
        self._tell: bool = False
        self._silent_before: int = 0
        self._late_before: int = 0
        self._reported = [0, 0]
        self._reported_at = -math.inf
        self._switches: deque[tuple[devices.Device, Future[None]]] = deque()
        self._left: float | None = None  # when the device that is being given up was heard last
        self._events: Subject[Event] = Subject()
        self._played: Subject[int] = Subject()
        found = devices.find(device, "speaker")
        self._device_rate = sample_rate or own_rate(found)
        self._player: PlayQueue = self._new_player(self._device_rate, 0)
        self._output = Loudspeaker(
            found, self._device_rate, self._render, self._prepare, self._look
        )
        self._thread = threading.Thread(target=self._notify, name="rxvoice-speaker", daemon=True)
        self._thread.start()

    def _new_player(self, rate: int, index: int) -> PlayQueue:
        return PlayQueue(
            rate,
            start_samples=rate * self._start_buffer_ms // 1000,
            fade_samples=max(1, round(rate * _FADE_S)),
            gap_limit=math.inf if self._told_ends else rate * _GAP_S,
            index=index,
        )

    # The device's thread.

    def _render(self, out: Samples, heard: float, late: bool) -> None:
        player = self._player
        if late:
            player.late(heard)
        if player.render(out, heard):
            self._look()

    def _look(self) -> None:
        """Wake the notifier."""
        if self._wake.locked():
            with suppress(RuntimeError):  # another thread was quicker
                self._wake.release()

    # Those who write.

    @property
    def device(self) -> str:
        """The name of the device that plays, or last did."""
        return self._output.name

    @property
    def sample_rate(self) -> int:
        """Hz, of the device; another one may bring another."""
        return self._device_rate

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """The rate, in Hz, of the samples that follow."""
        whole("the speaker's sample_rate", sample_rate, 1, "Hz")
        with self._writing, self._changed:
            if sample_rate != self._given_rate:
                self._end_signal()
                self._given_rate = sample_rate

    def write_samples(self, samples: Samples, /) -> int:
        """Take all of them; waits first while more than ``max_buffer_ms`` are queued.

        What another thread clears while it waits is taken, and never heard.

        Raises:
            AudioFormatError: for samples that are not mono audio in [-1, 1].
            SinkStalled: it has been stopped, or has had no device for 10 s.
        """
        written = as_written(samples)
        if not len(written):
            return 0
        with self._writing:
            try:
                with self._changed:
                    era = self._era
                    self._being_written = written
                    self._wait_for_room(era)
                    if era != self._era:
                        return len(written)
                    rate = self._given_rate or self._device_rate
                    mlx = is_mlx(samples)
                    by = self._conversion(rate, mlx)
                    device_rate, player = self._device_rate, self._player
                converted = by.feed(samples if mlx and rate != device_rate else written)
                with self._changed:
                    self._being_written = None
                    self._written_at = time.monotonic()
                    if era == self._era and not self._stopped:
                        if player is not self._player:  # another device came meanwhile
                            self._put([(rate, written)])
                        else:
                            self._ledger.add(written, len(converted), rate, device_rate)
                            self._player.append(converted)
            finally:
                with self._changed:
                    self._being_written = None
        self._look()
        return len(written)

    def _wait_for_room(self, era: int) -> None:
        # Paused, it never has room; who waited here could not resume it.
        while (
            not (self._stopped or self._player.is_paused)
            and era == self._era
            and self._queued() > self._max_buffer_ms
        ):
            self._check_device()
            self._changed.wait()
        if self._stopped:
            raise SinkStalled("the speaker has been stopped: make a new one")

    def _check_device(self) -> None:
        if self._output.gone_ms() >= _GONE_MS:
            raise SinkStalled(
                f"the speaker {self.device!r} has been gone for {_GONE_MS // 1000} s, and there is "
                "no other: connect one, or stop the sink"
            )

    def _conversion(self, rate: int, mlx: bool) -> Converter:
        if self._converter is None or self._converter[1:] != (rate, mlx):
            self._end_signal()
            self._converter = (converter(rate, self._device_rate, mlx=mlx), rate, mlx)
        return self._converter[0]

    def _end_signal(self) -> None:
        """What its conversion holds back is played, too."""
        if self._converter is not None:
            rest = self._converter[0].end()
            self._converter = None
            self._ledger.close(len(rest))
            self._player.append(rest)

    def _prepare(self, rate: int) -> None:
        """A device is about to play at that rate: what is queued is for it."""
        with self._changed:
            if rate == self._device_rate and self._left is None:
                return
            old = self._player
            self._silent_before += old.silent
            self._late_before += old.lost
            was_playing = old.is_playing
            heard = self._heard(time.monotonic())
            index = old.cut(fade=False)
            if self._left is not None:  # what it had taken and not played is played by the next
                index, self._left = heard, None
            pieces = self._ledger.cut(index)
            self._device_rate, self._converter = rate, None
            self._player = self._new_player(rate, index)
            if old.is_paused:
                self._player.pause()
            self._player.duck(old.loudness)
            self._put(pieces)
            if was_playing:
                self._player.start()

    def _put(self, pieces: list[tuple[int, Samples]]) -> None:
        for rate, samples in pieces:
            converted = self._conversion(rate, False).feed(samples)
            self._ledger.add(samples, len(converted), rate, self._device_rate)
            self._player.append(converted)

    def end_reply(self) -> None:
        """The reply has been written to its end: silence may follow, and it is played at once."""
        self._told_ends = True
        self._player.gap_limit = math.inf
        self._end()

    def _end(self) -> None:
        with self._writing, self._changed:
            self._end_signal()
            self._player.end()
        self._look()

    def start(self) -> None:
        """Play what is there, without waiting for ``start_buffer_ms``."""
        with self._changed:
            self._player.start()
        self._look()

    def flush(self) -> None:
        """Block until everything taken has been heard, or cleared, or the sink is stopped.

        While it is paused, it waits for `resume`.

        Raises:
            SinkStalled: there has been no device for 10 s.
        """
        self._end()
        with self._changed:
            era = self._era
            while not self._stopped and era == self._era and self._queued():
                self._check_device()
                self._changed.wait()

    # Those who control.

    def pause(self) -> None:
        """Play no more from the device's next block on, after a fade of 5 ms, which is heard."""
        with self._changed:
            self._player.pause()
            self._changed.notify_all()
        self._look()

    def resume(self) -> None:
        """Go on with the next sample that was not heard, and a fade of 5 ms."""
        with self._changed:
            self._player.resume()
        self._look()

    def duck(self, gain: float) -> None:
        """Play more softly, without a step.

        Args:
            gain: 0, silence, to 1, as it is written.
        """
        within("the speaker's duck gain", gain, 0, 1, "of full loudness")
        with self._changed:
            self._player.duck(float(gain))

    def clear(self) -> Samples:
        """Drop what is queued; what is being played fades over 5 ms, and is heard so far.

        Returns:
            exactly what was never heard, as it was written; also of a piece that is being written
            by another thread meanwhile. While it is paused, nothing more is heard.
        """
        with self._changed:
            pieces = self._ledger.cut(self._player.cut())
            if self._being_written is not None:
                pieces.append((0, self._being_written))
                self._being_written = None
            self._converter = None
            self._era += 1
            self._tell = True
            self._changed.notify_all()
        self._look()
        return np.concatenate([*(samples for _, samples in pieces), np.empty(0, np.float32)])

    def use(self, device: int | str | None) -> None:
        """Play on another device, from the next sample on that was not heard.

        `DeviceChanged` tells. It returns when the device is open; until then there is no sound.

        Args:
            device: as in `speaker`.

        Raises:
            ConfigError: there is no such device, or it does not open: it plays on the one before.
            SinkStalled: it has been stopped.
        """
        devices.check_device("speaker device", device)
        found = devices.find(device, "speaker")
        switched: Future[None] = Future()
        self._switches.append((found, switched))
        self._look()
        if self._thread is threading.current_thread():
            self._switch()
        if self._stopped:
            self._refuse_switches()
        switched.result()

    def stop(self) -> None:
        """End it for good: sound ceases, the device is released. Again does nothing."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._look()
        if self._thread is not threading.current_thread():
            self._thread.join()

    # Those who watch.

    @property
    def position(self) -> int:
        """Samples as written that have left the loudspeaker, by the device's clock."""
        with self._changed:
            return self._position(time.monotonic())

    @property
    def written(self) -> int:
        """Samples taken so far, without those that `clear` dropped."""
        with self._changed:
            return self._ledger.written

    def _position(self, now: float) -> int:
        return self._ledger.position(self._heard(now))

    def _heard(self, now: float) -> int:
        return self._player.heard(now if self._left is None else min(now, self._left))

    @property
    def played(self) -> Observable[int]:
        """`position`, every 20 ms while there is sound.

        Also when the first sample after silence has been heard, when the last of all has, and after
        `clear`. Completes at `stop`.
        """
        return self._played

    @property
    def queued_ms(self) -> float:
        """Milliseconds of sound that were taken and have not left the loudspeaker."""
        with self._changed:
            return self._queued()

    def _queued(self) -> float:
        if self._stopped:
            return 0.0
        return self._ledger.left_ms(self._position(time.monotonic()))

    @property
    def events(self) -> Observable[Event]:
        """`Underrun`, `DeviceLost` and `DeviceRestored`, as they happen. Completes at `stop`."""
        return self._events

    @property
    def is_running(self) -> bool:
        """Whether sound leaves the loudspeaker; not while it is paused."""
        with self._changed:
            player = self._player
            playing = player.is_playing or self._heard(time.monotonic()) < player.rendered
            return playing and not self._stopped

    # The notifier's thread.

    def _notify(self) -> None:
        timeout: float | None = 0.0
        while not self._stopped:
            self._wake.acquire(timeout=-1 if timeout is None else timeout)
            try:
                self._switch()
                timeout = None if self._stopped else self._tick()
            except Exception:  # of whoever watches
                _log.exception("the speaker's notifier raised")
                timeout = _TICK_S
        self._output.close()
        self._refuse_switches()
        with self._changed:
            self._ledger.cut(self._player.cut())
            self._changed.notify_all()
        for subject in (self._played, self._events):
            try:
                subject.on_completed()
            except Exception:
                _log.exception("the speaker's notifier raised")

    def _switch(self) -> None:
        """Go on with the devices that were asked for."""
        while self._switches and not self._stopped:
            device, switched = self._switches.popleft()
            before = self.device
            try:
                changed = self._switch_to(device)
            except Exception as error:
                switched.set_exception(error)
                continue
            if changed:
                self._emit(DeviceChanged("speaker", device.name, before))
            switched.set_result(None)

    def _switch_to(self, device: devices.Device) -> bool:
        leaves = self._output.is_open and not self._output.is_on(device)
        with self._changed:
            # From here on nothing counts as heard: it may be cut off at any moment.
            self._left = time.monotonic() if leaves else None
        try:
            return self._output.use(device)
        finally:
            with self._changed:
                self._left = None

    def _refuse_switches(self) -> None:
        with suppress(IndexError):
            while True:
                _, switched = self._switches.popleft()
                switched.set_exception(SinkStalled("the speaker has been stopped: make a new one"))

    def _tick(self) -> float | None:
        """Tell what there is to tell; seconds until there may be more, None for not before told."""
        with self._changed:
            now = time.monotonic()
            player = self._player
            runs_out = self._until_run_out(now)
            if runs_out == 0:
                self._end_signal()
            position = self._position(now)
            tell = self._tell or position != self._told_position
            self._tell, self._told_position = False, position
            self._changed.notify_all()
        expecting = not player.is_paused and player.left > 0
        if tell:
            self._guard(lambda: self._played.on_next(position))
        device = self._output.look(expecting=expecting)
        if device is not None:
            what, detail = device
            self._emit(
                DeviceLost("speaker", self.device, str(detail))
                if what == "lost"
                else DeviceRestored("speaker", self.device, int(detail))
            )
        report = self._report(now)
        return min(
            (
                seconds
                for seconds in (
                    self._until_heard(now),
                    runs_out or None,
                    self._output.due(expecting=expecting),
                    report,
                    1.0 if self._output.gone_ms() else None,
                )
                if seconds is not None
            ),
            default=None,
        )

    def _until_run_out(self, now: float) -> float | None:
        """Seconds until the signal that is open has to end, lest there be a gap before its end."""
        player = self._player
        if not self._ledger.is_open or self._being_written is not None or player.is_paused:
            return None
        if player.is_playing:
            return max(0.0, player.left / self._device_rate - _RUN_OUT_S)
        return None if player.left else max(0.0, self._written_at + _OVER_S - now)

    def _until_heard(self, now: float) -> float | None:
        """Seconds until `played` has something to tell."""
        player = self._player
        heard = player.heard(now)
        if heard >= player.rendered:
            return _TICK_S if player.is_playing else None
        first, last = (player.time_of(at) - now for at in (heard, player.rendered - 1))
        sample = 1 / self._device_rate
        due = max(first + sample, min(_TICK_S, last + sample))
        return max(0.0005, due)

    def _report(self, now: float) -> float | None:
        """Report silence that nobody wanted; seconds until the next report, where one is due."""
        player = self._player
        silent, late = self._silent_before + player.silent, self._late_before + player.lost
        news = silent + late - sum(self._reported)
        if not news:
            return None
        wait = self._reported_at + _REPORT_S - now
        if wait > 0:
            return wait
        remedy = _SLOW if silent - self._reported[0] >= late - self._reported[1] else _LATE
        self._reported, self._reported_at = [silent, late], now
        self._emit(Underrun(news, silent + late, remedy))
        return None

    def _emit(self, event: Event) -> None:
        self._guard(lambda: self._events.on_next(event))

    def _guard(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # of whoever watches: the others are told all the same
            _log.exception("a subscriber of the speaker raised")
