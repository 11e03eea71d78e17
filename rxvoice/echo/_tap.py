"""`tap`: a sink that remembers what it played."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from reactivex import Observable

from rxvoice._audio.play_history import PlayHistory
from rxvoice._audio.samples import Samples
from rxvoice._check import at_least, whole
from rxvoice.errors import ConfigError
from rxvoice.sinks._forwarding import ForwardingSink
from rxvoice.slots import AudioSink


def tap(
    sink: AudioSink,
    *,
    sample_rate: int = 24_000,
    seconds: float = 5,
    clock: Callable[[], float] = time.monotonic,
) -> Tap:
    """Make a sink that plays on `sink` and remembers what left it, and when: a `Reference`.

    Use the tap in the sink's place wherever speech is written, paused or cleared. It has whatever
    else the sink has.

    Args:
        sink: an audio sink with ``position``. The tap is most exact when it has ``played`` too.
        sample_rate: Hz, of what is written before ``set_sample_rate`` is called.
        seconds: how long to remember, above 0. Speech that was not yet heard is kept whole.
        clock: in seconds, the one that `AudioChunk.time` is read from.

    Errors: `ConfigError` for a sink without ``position``.
    Runs on: the calling thread, any.
    """
    return Tap(sink, sample_rate, seconds, clock)


class Tap(ForwardingSink):
    """A sink that remembers what it played, made by `tap`."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            found = super().__getattr__(name)
            return self._pausing(found) if name == "pause" else found

    def __init__(
        self, sink: AudioSink, sample_rate: int, seconds: float, clock: Callable[[], float]
    ) -> None:
        whole("tap sample_rate", sample_rate, 1, "Hz")
        at_least("tap seconds", seconds, 0.1, "s")
        if not hasattr(sink, "position"):
            raise ConfigError(
                f"tap wants a sink that knows its position, such as rxv.speaker(); got {sink!r}"
            )
        super().__init__(sink)
        self._clock = clock
        self._history = PlayHistory(sample_rate, seconds)
        # Where the history begins, as the sink counts: others may have written to it before.
        self._begins = self._sink_written()
        played = getattr(sink, "played", None)
        self._following = (
            cast("Observable[int]", played).subscribe(self._observe, on_error=_ignore)
            if isinstance(played, Observable)
            else None
        )

    @property
    def position(self) -> int:
        """How many of the samples written have been heard."""
        position: int = getattr(self._sink, "position")  # noqa: B009 - not in the protocol
        self._observe(position)
        return position

    def at(self, time: float, n: int, sample_rate: int, /) -> Samples:
        """See `Reference.at`. Where nothing was played there is silence."""
        _ = self.position
        return self._history.at(time, n, sample_rate)

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the sample rate, in Hz, of the samples that follow."""
        super().set_sample_rate(sample_rate)
        self._history.set_sample_rate(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        """Write to the sink, and remember what it takes."""
        _ = self.position
        # Noted first: another thread may clear the samples while the sink waits for room.
        self._history.write(np.asarray(samples, np.float32))
        taken = 0
        try:
            taken = super().write_samples(samples)
        finally:
            self._history.clear(max(0, samples.shape[0] - taken))
        return taken

    def flush(self) -> None:
        """Flush the sink."""
        super().flush()
        _ = self.position

    def clear(self) -> Samples:
        """Clear the sink."""
        unheard = super().clear()
        _ = self.position
        self._history.pause(self._clock())
        self._history.clear(len(unheard))
        self._begins = min(self._begins, self._sink_written())
        return unheard

    def stop(self) -> None:
        """Stop the sink."""
        if self._following is not None:
            self._following.dispose()
        super().stop()

    def _observe(self, position: int) -> None:
        self._history.observe(self._clock(), position - self._begins)

    def _pausing(self, pause: Callable[[], None]) -> Callable[[], None]:
        def pausing() -> None:
            pause()
            _ = self.position
            self._history.pause(self._clock())

        return pausing


def _ignore(_: Exception) -> None:
    """A sink that fails raises where it is written to."""
