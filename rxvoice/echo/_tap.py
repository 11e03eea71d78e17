"""A sink that remembers what it played."""

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
from rxvoice.events import Event
from rxvoice.sinks._sink import Sink
from rxvoice.slots import AudioSink

__all__ = ["Tap", "tap"]


def tap(
    sink: AudioSink,
    *,
    sample_rate: int = 24_000,
    seconds: float = 5,
    clock: Callable[[], float] = time.monotonic,
) -> Tap:
    """The same sink, remembering what left it and when: a `Reference`.

    It is to be used in the sink's place wherever speech is written, paused or cleared. Whatever
    else the sink has, it has.

    Args:
        sink: an audio sink with ``position``; told well when it has ``played`` too.
        sample_rate: Hz, of what is written before ``set_sample_rate`` is called.
        seconds: how long it remembers, above 0. Speech not yet heard it keeps whole.
        clock: seconds; the one that `AudioChunk.time` is read from.

    Errors: `ConfigError` for a sink without ``position``.
    Runs on: the thread that it is asked on; from any.
    """
    return Tap(sink, sample_rate=sample_rate, seconds=seconds, clock=clock)


class Tap(Sink):
    """Made by `tap`."""

    if TYPE_CHECKING:
        # As the sink has them, and only if it does.
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
            found = getattr(self._sink, name)
            return self._pausing(found) if name == "pause" else found

    def __init__(
        self, sink: AudioSink, *, sample_rate: int, seconds: float, clock: Callable[[], float]
    ) -> None:
        whole("tap sample_rate", sample_rate, 1, "Hz")
        at_least("tap seconds", seconds, 0.1, "s")
        if not hasattr(sink, "position"):
            raise ConfigError(
                f"tap wants a sink that knows its position, such as rxv.speaker(); got {sink!r}"
            )
        self._sink = sink
        self._clock = clock
        self._heard = PlayHistory(sample_rate, seconds)
        played = getattr(sink, "played", None)
        self._told = (
            cast("Observable[int]", played).subscribe(self._note, on_error=_ignore)
            if isinstance(played, Observable)
            else None
        )

    @property
    def sink(self) -> AudioSink:
        """The sink itself."""
        return self._sink

    @property
    def is_running(self) -> bool:
        """Whether sound is being played."""
        return self._sink.is_running

    @property
    def position(self) -> int:
        """How many of the samples written have been heard."""
        position: int = getattr(self._sink, "position")  # noqa: B009 - not in the protocol
        self._note(position)
        return position

    def at(self, time: float, n: int, sample_rate: int, /) -> Samples:
        """See `Reference`; silence where nothing was played."""
        _ = self.position
        return self._heard.at(time, n, sample_rate)

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """The rate, in Hz, of the samples that follow."""
        if set_rate := getattr(self._sink, "set_sample_rate", None):
            set_rate(sample_rate)
        self._heard.set_sample_rate(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        """As the sink does."""
        _ = self.position
        # Before it is taken: another thread may clear it while it waits for room.
        self._heard.write(np.asarray(samples, np.float32))
        taken = 0
        try:
            taken = self._sink.write_samples(samples)
        finally:
            self._heard.clear(max(0, samples.shape[0] - taken))
        return taken

    def flush(self) -> None:
        """As the sink does."""
        self._sink.flush()
        _ = self.position

    def clear(self) -> Samples:
        """As the sink does."""
        unheard = self._sink.clear()
        _ = self.position
        self._heard.pause(self._clock())
        self._heard.clear(len(unheard))
        return unheard

    def stop(self) -> None:
        """As the sink does."""
        if self._told is not None:
            self._told.dispose()
        self._sink.stop()

    def _note(self, position: int) -> None:
        self._heard.observe(self._clock(), position)

    def _pausing(self, pause: Callable[[], None]) -> Callable[[], None]:
        def pausing() -> None:
            pause()
            _ = self.position
            self._heard.pause(self._clock())

        return pausing


def _ignore(_: Exception) -> None:
    """A sink that fails says so where it is written to."""
