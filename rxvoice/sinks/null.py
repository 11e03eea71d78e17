"""`null`: counts speech and forgets it."""

from __future__ import annotations

from typing import Literal, overload

from reactivex import abc

from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError
from rxvoice.sinks._clocked import ClockedSink
from rxvoice.sinks._sink import KeepingSink

__all__ = ["NullSink", "NullSpeaker", "null"]

_TOLD_MS = 20
"""How often `played` emits, as for a `speaker`."""


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
    """Make a sink that counts what it takes; or, with ``realtime=True``, a silent loudspeaker.

    The silent loudspeaker plays by the clock. What is written counts as heard in its time, and can
    be paused, cleared and flushed as with a `speaker`. So a conversation can be interrupted on a
    machine without a device.

    Errors: `ConfigError` here. From its methods: `SinkStalled` after ``stop``, and
        `AudioFormatError` for samples that are not mono audio.
    Runs on: a thread of its own, ``rxvoice-null``, or the scheduler, for ``played``. All methods
        may be called from any thread.

    Args:
        realtime: whether sound takes its time.
        sample_rate: Hz, until `set_sample_rate` is called.
        max_buffer_ms: milliseconds, 1 or more. While more are queued, the next piece waits.
        scheduler: whose time to use, such as a test's; then no piece waits. None for real time.
    """
    if realtime:
        return NullSpeaker(scheduler, sample_rate=sample_rate, max_buffer_ms=max_buffer_ms)
    if scheduler is not None:
        raise ConfigError("null has no use for a scheduler without realtime=True")
    return NullSink()


class NullSink(KeepingSink):
    """A sink that counts what it takes, made by `null`."""

    def __init__(self) -> None:
        super().__init__("the null sink", None)
        self._written = 0

    @property
    def written(self) -> int:
        """How many samples it took, at any rate."""
        return self._written

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Do nothing: samples count the same at any rate."""

    def _keep(self, samples: Samples) -> None:
        self._written += len(samples)


class NullSpeaker(ClockedSink):
    """A silent loudspeaker, made by `null` with ``realtime=True``."""

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
        """Drop what is queued. Returns what was never heard. `played` emits, too."""
        unheard = super().clear()
        with self._changed:
            if not self._stopped:
                self._clock.schedule(self._tell_position)
        return unheard

    def _tell_position(self, *_: object) -> None:
        self._tell(self.position)
