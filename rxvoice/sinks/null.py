"""`null`: speech is counted and forgotten."""

from __future__ import annotations

from typing import Literal, overload

from reactivex import abc

from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError
from rxvoice.sinks._clocked import ClockedSink
from rxvoice.sinks._sink import KeepingSink

__all__ = ["NullSink", "NullSpeaker", "null"]

_TOLD_MS = 20
"""As a loudspeaker does."""


@overload
def null(*, realtime: Literal[False] = False) -> NullSink: ...


@overload
def null(
    *,
    realtime: Literal[True],
    sample_rate: int = 24_000,
    max_buffer_ms: int = 4_000,
    scheduler: abc.SchedulerBase | None = None,
) -> NullSpeaker: ...


def null(
    *,
    realtime: bool = False,
    sample_rate: int = 24_000,
    max_buffer_ms: int = 4_000,
    scheduler: abc.SchedulerBase | None = None,
) -> NullSink | NullSpeaker:
    """A sink that takes everything at once and counts it, or a loudspeaker that nobody hears.

    With ``realtime=True`` it plays by the clock: what is written is heard in its time, can be
    paused and cleared, and is waited for as with a `speaker`. So a conversation can be interrupted
    where there is no device.

    Errors: `ConfigError` here; from its calls `SinkStalled` after ``stop``, and `AudioFormatError`
        for what is not mono audio.
    Runs on: ``played`` on a thread of its own, ``rxvoice-null``, or on the scheduler. All calls may
        come from any thread.

    Args:
        realtime: whether sound takes its time.
        sample_rate: Hz, until it is told another.
        max_buffer_ms: milliseconds, 1 or more: a piece that comes when more are queued waits.
        scheduler: whose time it is, such as a test's; its time is not waited for, so nothing waits.
            None for real time.
    """
    if realtime:
        return NullSpeaker(scheduler, sample_rate=sample_rate, max_buffer_ms=max_buffer_ms)
    if scheduler is not None:
        raise ConfigError("null has no use for a scheduler without realtime=True")
    return NullSink()


class NullSink(KeepingSink):
    """Made by `null`."""

    def __init__(self) -> None:
        super().__init__("the null sink", None)
        self._written = 0

    @property
    def written(self) -> int:
        """Samples taken so far, at whatever rate they came."""
        return self._written

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Does not matter."""

    def _keep(self, samples: Samples) -> None:
        self._written += len(samples)


class NullSpeaker(ClockedSink):
    """Made by `null` with ``realtime=True``."""

    def __init__(
        self, scheduler: abc.SchedulerBase | None, *, sample_rate: int, max_buffer_ms: int
    ) -> None:
        super().__init__(
            "null sink",
            scheduler,
            sample_rate=sample_rate,
            max_buffer_ms=max_buffer_ms,
            told_ms=_TOLD_MS,
        )

    def clear(self) -> Samples:
        """Drop what is queued, and say what was never heard; `played` tells, too."""
        unheard = super().clear()
        with self._changed:
            if not self._stopped:
                self._clock.schedule(self._tell_position)
        return unheard

    def _tell_position(self, *_: object) -> None:
        self._tell(self.position)
