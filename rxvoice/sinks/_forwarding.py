"""`ForwardingSink`: the base of sinks that stand in front of another sink."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reactivex import Observable

from rxvoice._audio.samples import Samples
from rxvoice.events import Event
from rxvoice.sinks._sink import Sink
from rxvoice.slots import AudioSink


class ForwardingSink(Sink):
    """Hands everything to another sink, and has whatever that sink has."""

    if TYPE_CHECKING:
        # The other sink may have these.
        played: Observable[int]
        resume: Callable[[], None]
        duck: Callable[[float], None]
        use: Callable[[int | str | None], None]
        queued_ms: float
        events: Observable[Event]

        @property
        def pause(self) -> Callable[[], None]:
            """Stops playback at once."""
            ...
    else:

        def __getattr__(self, name: str) -> object:
            if name.startswith("_"):
                raise AttributeError(name)
            return getattr(self._sink, name)

    def __init__(self, sink: AudioSink) -> None:
        self._sink = sink

    @property
    def sink(self) -> AudioSink:
        """The other sink."""
        return self._sink

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        return self._sink.is_running

    def _sink_written(self) -> int:
        """How many samples the other sink took; its position, if it does not say."""
        return int(getattr(self._sink, "written", getattr(self._sink, "position", 0)))

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the sample rate, in Hz, of the samples that follow."""
        if set_rate := getattr(self._sink, "set_sample_rate", None):
            set_rate(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        """Write to the other sink."""
        return self._sink.write_samples(samples)

    def flush(self) -> None:
        """Flush the other sink."""
        self._sink.flush()

    def clear(self) -> Samples:
        """Clear the other sink."""
        return self._sink.clear()

    def stop(self) -> None:
        """Stop the other sink."""
        self._sink.stop()
