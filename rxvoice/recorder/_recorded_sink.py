"""A sink whose sound is recorded."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, cast

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.sinks._forwarding import ForwardingSink
from rxvoice.slots import AudioSink


class RecordedSink(ForwardingSink):
    """A sink that is recorded, made by `StereoRecorder.tap`. It has all that the sink has.

    Args:
        sink: what plays the sound.
        record: called with samples, their rate in Hz and the time at which the first was heard.
    """

    def __init__(self, sink: AudioSink, record: Callable[[Samples, int, float], None]) -> None:
        super().__init__(sink)
        self._record = record
        self._lock = threading.RLock()
        self._rate = 24_000
        self._queued: deque[tuple[Samples, int]] = deque()  # taken, and not known to be heard
        # The sink's position that is accounted for: others may have written to it before.
        self._heard = self._sink_written()

    def set_sample_rate(self, sample_rate: int, /) -> None:
        """Set the sample rate, in Hz, of the samples that follow."""
        self._rate = sample_rate
        super().set_sample_rate(sample_rate)

    def write_samples(self, samples: Samples, /) -> int:
        """Write to the sink, and note what it took."""
        taken = super().write_samples(samples)
        with self._lock:
            self._queued.append((np.array(samples[:taken], np.float32), self._rate))
        if not self._has_position:
            self.catch_up()
        return taken

    def flush(self) -> None:
        """Flush the sink, and record what was heard."""
        super().flush()
        self.catch_up()

    def clear(self) -> Samples:
        """Clear the sink. What it drops is not recorded."""
        self.catch_up()
        dropped = super().clear()
        self.catch_up()
        with self._lock:
            # Some of the rest is still being heard: the fade.
            keep = sum(len(samples) for samples, _ in self._queued) - len(dropped)
            self._queued = deque(_first(self._queued, keep))
            self._heard = min(self._heard, self._sink_written())
        return dropped

    def stop(self) -> None:
        """Stop the sink. The recorder goes on."""
        self.catch_up()
        super().stop()

    def catch_up(self) -> None:
        """Record what has been heard since the last call. Its last sample was heard just now."""
        now = time.monotonic()
        with self._lock:
            heard = sum(len(samples) for samples, _ in self._queued)
            if self._has_position:
                position = int(cast(Any, self._sink).position)
                heard = max(0, position - self._heard)
                self._heard += heard
            pieces = list(_first(self._queued, heard))
            for samples, rate in pieces:
                first, _ = self._queued.popleft()
                if len(first) > len(samples):
                    self._queued.appendleft((first[len(samples) :], rate))
        began = now - sum(len(samples) / rate for samples, rate in pieces)
        for samples, rate in pieces:
            self._record(samples, rate, began)
            began += len(samples) / rate

    @property
    def _has_position(self) -> bool:
        return hasattr(self._sink, "position")


def _first(pieces: Iterable[tuple[Samples, int]], samples: int) -> Generator[tuple[Samples, int]]:
    """The pieces up to that many samples. The last one may be cut."""
    for piece, rate in pieces:
        if samples <= 0:
            return
        yield piece[:samples], rate
        samples -= len(piece)
