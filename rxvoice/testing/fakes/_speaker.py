"""`FakeSpeaker`: a loudspeaker in virtual time."""

from __future__ import annotations

import numpy as np
from reactivex import Subject, abc

from rxvoice._audio.samples import Samples
from rxvoice._writing import refuse_conversation
from rxvoice.chunks import AudioChunk
from rxvoice.elements import Speech
from rxvoice.errors import ConfigError
from rxvoice.events import Event
from rxvoice.sinks._clocked import ClockedSink
from rxvoice.sinks._sink import Sink

__all__ = ["FakeSpeaker"]


class FakeSpeaker(ClockedSink):
    """A loudspeaker that plays in virtual time, to the sample, and keeps what was heard.

    It plays from the moment that it is given sound. A sample counts as heard when its time is over.
    The speaker does not fade and is never full.

    Args:
        scheduler: the clock, such as ``marbles().scheduler``.
        sample_rate: Hz, until `set_sample_rate` changes it.
    """

    def __init__(self, scheduler: abc.SchedulerBase, *, sample_rate: int = 24_000) -> None:
        super().__init__(
            "FakeSpeaker", scheduler, sample_rate=sample_rate, max_buffer_ms=4_000, told_ms=None
        )
        self._taken = np.empty(0, np.float32)
        self.gain = 1.0
        self.pauses = 0
        self.clears = 0
        self.flushes = 0

    @property
    def paused(self) -> bool:
        """Whether the speaker is paused."""
        return self._paused

    @property
    def stopped(self) -> bool:
        """Whether the speaker has been stopped."""
        return self._stopped

    @property
    def heard(self) -> Samples:
        """The samples that were heard, in order."""
        return self._taken[: self.position]

    @property
    def played(self) -> Subject[int]:
        """Emits `position` when the first and when the last sample of a piece has been heard."""
        return self._played

    @property
    def events(self) -> Subject[Event]:
        """The events of the speaker: a test pushes them."""
        return self._events

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the rate of the samples that follow. Raises while something is queued."""
        if sample_rate != self._rate and self.position < self.written:
            raise ConfigError(
                f"FakeSpeaker cannot go from {self._rate} to {sample_rate} Hz while it plays"
            )
        super().set_sample_rate(sample_rate)

    def _put(self, samples: Samples) -> None:
        super()._put(samples)
        self._taken = np.concatenate([self._taken, samples])

    def pause(self) -> None:
        """Play nothing until `resume`."""
        self.pauses += 1
        super().pause()

    def duck(self, gain: float) -> None:
        """Keep the gain in `gain`. The samples in `heard` do not change."""
        self.gain = gain

    def clear(self) -> Samples:
        """Drop the queued samples, and return those that were not heard."""
        self.clears += 1
        return super().clear()

    def _cut(self) -> Samples:
        unheard = super()._cut()
        self._taken = self._taken[: self._written]
        return unheard

    def flush(self) -> None:
        """Count the call: a test cannot wait for virtual time."""
        self.flushes += 1

    def on_next(self, value: AudioChunk | Speech | Event) -> None:
        """Write sound; ignore events."""
        refuse_conversation("a FakeSpeaker", value)
        if isinstance(value, (AudioChunk, Speech)):
            super().on_next(value)

    def on_completed(self) -> None:
        """Flush, then stop."""
        Sink.on_completed(self)
