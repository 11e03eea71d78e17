"""A sink that queues: who waits for room is woken by what makes it, not by the clock."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rxvoice import Samples
from rxvoice.sinks._queued import QueuedSink

PATIENCE = 20.0  # seconds


class Still(QueuedSink):
    """A sink of 1 kHz that plays nothing, and would look again after an hour."""

    sample_rate = 1000
    position = written = 0
    is_running = True

    def __init__(self) -> None:
        super().__init__("still sink", waits=True, max_buffer_ms=100)
        self.queue = np.empty(0, np.float32)
        self.waiting = threading.Event()

    def _put(self, samples: Samples) -> None:
        self.queue = np.concatenate([self.queue, samples])

    def _cut(self) -> Samples:
        unheard, self.queue = self.queue, np.empty(0, np.float32)
        return unheard

    def _queued(self) -> float:
        return float(len(self.queue))

    def _patience(self) -> float:
        self.waiting.set()
        return 3600.0


@pytest.mark.parametrize("method", ["write_samples", "flush"])
@pytest.mark.parametrize("act", ["clear", "stop", "pause"])
def test_who_waits_is_woken(method: str, act: str) -> None:
    sink = Still()
    sink.write_samples(np.ones(200, np.float32))
    work = (lambda: sink.write_samples(np.ones(1, np.float32))) if "w" in method else sink.flush
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert sink.waiting.wait(PATIENCE)
    getattr(sink, act)()
    if (method, act) == ("flush", "pause"):  # what is paused is not heard
        assert thread.is_alive()
        sink.clear()
    thread.join(PATIENCE)
    assert not thread.is_alive()
