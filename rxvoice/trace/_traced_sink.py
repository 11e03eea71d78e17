"""`TracedSink`: a sink whose answers are noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from rxvoice._audio.samples import Samples, count_of
from rxvoice.slots import AudioSink
from rxvoice.trace._heard_track import HeardTrack

OPTIONAL = (
    "set_sample_rate",
    "end_reply",
    "position",
    "written",
    "played",
    "pause",
    "resume",
    "duck",
    "queued_ms",
    "events",
)
"""What a sink may have; see `AudioSink`."""
OBSERVABLES = ("played", "events")


class _Lines(Protocol):
    @property
    def speaker(self) -> HeardTrack | None: ...
    @property
    def seconds(self) -> float: ...
    def line(self, kind: str, **fields: object) -> None: ...
    def encoded(self, value: object) -> object: ...


class TracedSink:
    """Stands before a sink, and notes what it answers.

    Its observables are the sink's own: what they say is noted where it arrives.
    """

    def __init__(self, lines: _Lines, sink: AudioSink) -> None:
        self._lines = lines
        self._sink = sink
        self._knows_position = hasattr(sink, "position")
        has = [name for name in OPTIONAL if hasattr(sink, name)]
        lines.line("sink", m="has", v=has)

    def write_samples(self, samples: Samples, /) -> int:
        """Write, and note how many samples it took."""
        count = samples.shape[0]
        taken = self._noted("write_samples", lambda: self._sink.write_samples(samples), n=count)
        if (track := self._lines.speaker) is not None:
            track.write(samples[:taken])
            if not self._knows_position:
                track.play(None, self._lines.seconds + taken / track.rate)
        return taken

    def clear(self) -> Samples:
        """Clear, and note how many samples were not heard; None if the sink does not say."""
        unheard: list[Samples] = []

        def clear() -> int | None:
            unheard.append(self._sink.clear())
            return count_of(unheard[0])

        count = self._noted("clear", clear)
        if count is None:
            return unheard[0]  # for the conversation to tell
        if (track := self._lines.speaker) is not None:
            track.clear(count)
        return np.asarray(unheard[0], np.float32)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._sink, name)
        if name in OBSERVABLES:
            return found
        track = self._lines.speaker
        if not callable(found):
            self._lines.line("sink", m=name, v=self._lines.encoded(found))
            if name == "position" and track is not None:
                track.heard(found, self._lines.seconds)
            return found

        def call(*args: Any) -> Any:
            if name == "set_sample_rate" and track is not None:
                track.set_rate(*args)
            return self._noted(name, lambda: found(*args))

        return call

    def _noted(self, method: str, call: Callable[[], Any], **fields: object) -> Any:
        try:
            answer = call()
        except BaseException as error:
            failed = {"type": type(error).__name__, "message": str(error)}
            self._lines.line("sink", m=method, error=failed, **fields)
            raise
        self._lines.line("sink", m=method, v=self._lines.encoded(answer), **fields)
        return answer
