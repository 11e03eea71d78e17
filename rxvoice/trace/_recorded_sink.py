"""`RecordedSink`: a sink whose answers are noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.slots import AudioSink

if TYPE_CHECKING:
    from rxvoice.trace._recorder import Recorder

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


class RecordedSink:
    """Stands before a sink, and notes what it answers.

    Its observables are the sink's own: what they say is noted where it arrives.
    """

    def __init__(self, recorder: Recorder, sink: AudioSink) -> None:
        self._recorder = recorder
        self._sink = sink
        has = [name for name in OPTIONAL if hasattr(sink, name)]
        recorder.line("sink", m="has", v=has)

    def write_samples(self, samples: Samples, /) -> int:
        """Write, and note how many samples it took."""
        count = samples.shape[0]
        return self._noted("write_samples", lambda: self._sink.write_samples(samples), n=count)

    def clear(self) -> Samples:
        """Clear, and note how many samples were not heard."""
        unheard: list[Samples] = []

        def clear() -> int:
            unheard.append(self._sink.clear())
            return unheard[0].shape[0]

        self._noted("clear", clear)
        return np.asarray(unheard[0], np.float32)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._sink, name)
        if name in OBSERVABLES:
            return found
        if not callable(found):
            self._recorder.line("sink", m=name, v=self._recorder.encoded(found))
            return found

        def call(*args: Any) -> Any:
            return self._noted(name, lambda: found(*args))

        return call

    def _noted(self, method: str, call: Callable[[], Any], **fields: object) -> Any:
        try:
            answer = call()
        except BaseException as error:
            failed = {"type": type(error).__name__, "message": str(error)}
            self._recorder.line("sink", m=method, error=failed, **fields)
            raise
        self._recorder.line("sink", m=method, v=self._recorder.encoded(answer), **fields)
        return answer
