"""`mixer`: several sinks on one loudspeaker."""

from __future__ import annotations

import logging
from datetime import timedelta
from threading import Lock
from types import TracebackType
from typing import Any, Self

import numpy as np
import reactivex as rx
from reactivex import Observable, abc
from reactivex.disposable import SerialDisposable, SingleAssignmentDisposable

from rxvoice._check import whole, within
from rxvoice._writing import write_all
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.events import Event
from rxvoice.sinks._bus import Bus
from rxvoice.sinks._monotonic_loop import MonotonicLoop
from rxvoice.slots import AudioSink

__all__ = ["Bus", "Mixer", "mixer"]

_log = logging.getLogger("rxvoice")

_BLOCK_MS = 10
_HOLD_MS = 300
"""How long speech may pause, such as between sentences, before other buses get louder."""
_USUAL_RATE = 48_000
_NEEDS = ("write_samples", "position", "queued_ms")


def mixer(
    sink: AudioSink,
    *,
    sample_rate: int | None = None,
    ahead_ms: int = 100,
    max_buffer_ms: int = 4_000,
    scheduler: abc.SchedulerBase | None = None,
) -> Mixer:
    """Share a loudspeaker among several sinks: music under speech, a chime over both.

    `Mixer.bus` makes each sink. A bus can be paused, cleared and flushed by itself, and takes any
    sample rate. It knows what was heard of its own sound, so a conversation on it is interrupted
    as on a loudspeaker of its own. The sum of the buses is limited to [-1, 1].

    While there is sound, the mixer keeps `ahead_ms` of it in the loudspeaker. So `pause`, `clear`
    and `write_samples` of a bus take effect later by that much.

    Errors: `ConfigError` here, for a sink that does not say what it has played. What the sink
        raises later, mostly `SinkStalled`, the buses raise.
    Runs on: a thread of its own, ``rxvoice-mixer``, or the scheduler, for mixing, writing to the
        loudspeaker and the ``played`` of the buses. All methods may be called from any thread.

    Args:
        sink: a `speaker` or ``null(realtime=True)``. Nothing else may write to it. The mixer does
            not stop it.
        sample_rate: Hz, of the mix; None for the sink's, or 48000 if it has none.
        ahead_ms: 20 or more. More bridges a busier machine. It includes the device's own delay, of
            some 40 ms.
        max_buffer_ms: milliseconds, 1 or more. While more are queued on a bus, its next piece
            waits.
        scheduler: whose time to use, such as a test's; nothing waits for it. None for real time.
    """
    return Mixer(sink, sample_rate, ahead_ms, max_buffer_ms, scheduler)


class Mixer:
    """Buses on one loudspeaker, made by `mixer`. As a context manager it stops them at the end.

    It does not stop the loudspeaker.
    """

    def __init__(
        self,
        sink: AudioSink,
        sample_rate: int | None,
        ahead_ms: int,
        max_buffer_ms: int,
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        if missing := [name for name in _NEEDS if not hasattr(sink, name)]:
            raise ConfigError(
                f"mixer wanted a sink that plays in time, got {sink!r}, which has no "
                f"{' and no '.join(missing)}: pass rxv.speaker() or sinks.null(realtime=True)"
            )
        whole("mixer ahead_ms", ahead_ms, 2 * _BLOCK_MS, "ms")
        whole("mixer max_buffer_ms", max_buffer_ms, 1, "ms")
        self._rate = sample_rate or getattr(sink, "sample_rate", None) or _USUAL_RATE
        whole("mixer sample_rate", self._rate, 1, "Hz")
        self._sink: Any = sink
        self._ahead_ms = ahead_ms
        self._max_buffer_ms = max_buffer_ms
        self._waits = scheduler is None
        self._scheduler = MonotonicLoop("rxvoice-mixer") if scheduler is None else scheduler
        self._block = max(1, self._rate * _BLOCK_MS // 1000)
        self._lock = Lock()  # guards the next three
        self._buses: list[Bus] = []
        self._is_due = False
        self._stopped = False
        self._error: Exception | None = None
        self._timer = SerialDisposable()
        # The next four belong to the mixer's thread.
        self._mixed = 0
        self._spoken = -1  # up to which sample others are ducked
        self._sounding = False
        self._began = int(getattr(sink, "written", self._sink.position))
        self.events: Observable[Event] = getattr(sink, "events", None) or rx.never()
        """The events of the loudspeaker."""
        self._watching = SingleAssignmentDisposable()
        if callable(set_rate := getattr(sink, "set_sample_rate", None)):
            set_rate(self._rate)
        played: Observable[int] | None = getattr(sink, "played", None)
        if played is not None:
            self._watching.disposable = played.subscribe(lambda _: self.wake(), _ignore)

    @property
    def sample_rate(self) -> int:
        """Hz, of the mix."""
        return self._rate

    def bus(self, name: str, *, duck_to: float | None = None) -> Bus:
        """Make another sink on the loudspeaker.

        Args:
            name: for errors. Buses that are not stopped have different names.
            duck_to: the gain, 0 to 1, of this bus while a bus without `duck_to` has sound to play,
                and for 300 ms after. The change takes up to 50 ms. None: this bus is speech, and
                others are ducked under it.

        Raises:
            ConfigError: the name is taken.
            SinkStalled: the mixer has been stopped.
        """
        if duck_to is not None:
            within("mixer duck_to", duck_to, 0, 1, "of full loudness")
        bus = Bus(
            self,
            name,
            sample_rate=self._rate,
            duck_to=duck_to,
            waits=self._waits,
            max_buffer_ms=self._max_buffer_ms,
        )
        with self._lock:
            if self._stopped:
                raise SinkStalled("the mixer has been stopped: make a new one")
            if any(it.name == name and not it.is_stopped for it in self._buses):
                raise ConfigError(
                    f"mixer has a bus {name!r} already: stop it, or choose another name"
                )
            self._buses.append(bus)
        return bus

    def stop(self) -> None:
        """Stop all buses: their sound fades, and no more is mixed. Again does nothing."""
        with self._lock:
            self._stopped = True
            buses = list(self._buses)
        for bus in buses:
            bus.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # For the buses

    def heard(self) -> int:
        """How many samples of the mix have left the loudspeaker."""
        return int(self._sink.position) - self._began

    def check(self) -> None:
        """Raise the error that has ended the mixer, if there is one."""
        if self._error is not None:
            raise self._error

    def wake(self) -> None:
        """Mix soon, on the mixer's thread."""
        with self._lock:
            if self._is_due:
                return
            self._is_due = True
        self._scheduler.schedule(self._step)

    # On the mixer's thread

    def _step(self, *_: object) -> None:
        with self._lock:
            self._is_due = False
            buses = list(self._buses)
        again = False
        try:
            if self._error is None:
                self._fill(buses)
            for bus in buses:
                bus.tell()
            again = self._error is None and self._sounding
        except Exception as error:  # of the sink: every bus raises it
            self._error = error
            for bus in buses:
                bus.wake_up()
        with self._lock:
            self._buses = [it for it in self._buses if not it.is_gone]
            over = self._stopped and not self._buses
        if over:
            self._watching.dispose()
        later = timedelta(milliseconds=_BLOCK_MS)
        self._timer.disposable = (
            self._scheduler.schedule_relative(later, self._step) if again else None
        )

    def _fill(self, buses: list[Bus]) -> None:
        """Mix until the loudspeaker has enough, or there is no more sound."""
        begins = False
        while self._sink.queued_ms < self._ahead_ms:
            count = min(self._block, max((bus.ready() for bus in buses), default=0))
            if not count:
                if self._sounding and self.heard() >= self._mixed:
                    self._sounding = False
                    if all(bus.is_over for bus in buses):
                        self._tell("end_reply")
                break
            begins = begins or not self._sounding
            self._sounding = True
            self._mix(buses, count)
        if begins:
            self._tell("start")

    def _mix(self, buses: list[Bus], count: int) -> None:
        if any(bus.speaks for bus in buses):
            self._spoken = self._mixed + count + self._rate * _HOLD_MS // 1000
        mix = np.zeros(count, np.float32)
        for bus in buses:
            bus.add_to(mix, self._mixed, ducked=self._mixed < self._spoken)
        self._mixed += count
        write_all(self._sink, np.clip(mix, -1, 1))

    def _tell(self, name: str) -> None:
        if callable(told := getattr(self._sink, name, None)):
            told()


def _ignore(error: Exception) -> None:
    _log.warning("the loudspeaker under a mixer failed: %s", error)
