"""A sink that queues: who waits for room is woken by what makes it, not by the clock."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from rxvoice import Samples
from rxvoice.errors import SinkStalled
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
        self.woken = 0

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

    def _wake(self) -> None:
        self.woken += 1


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


def test_a_flush_does_not_wait_for_what_comes_after_a_clear() -> None:
    sink = Still()
    sink.write_samples(np.ones(50, np.float32))
    thread = threading.Thread(target=sink.flush, daemon=True)
    thread.start()
    assert sink.waiting.wait(PATIENCE)
    with sink._changed:
        sink.clear()
        sink.write_samples(np.ones(50, np.float32))
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_sink_with_as_much_as_its_bound_has_room() -> None:
    """One sample more, and the next piece waits."""
    sink = Still()
    sink.write_samples(np.ones(100, np.float32))
    assert sink.write_samples(np.ones(1, np.float32)) == 1
    assert not sink.waiting.is_set()
    thread = threading.Thread(target=lambda: sink.write_samples(np.ones(1, np.float32)))
    thread.start()
    assert sink.waiting.wait(PATIENCE)
    assert len(sink.clear()) == 102, "and the piece that waits"
    thread.join(PATIENCE)
    assert len(sink.queue) == 0


@pytest.mark.parametrize("act", ["clear", "stop"])
def test_what_waits_is_taken_and_never_heard_if_the_sink_is_cleared_or_stopped(act: str) -> None:
    sink = Still()
    sink.write_samples(np.ones(200, np.float32))
    taken: list[int] = []

    def write() -> None:
        taken.append(sink.write_samples(np.ones(5, np.float32)))

    thread = threading.Thread(target=write)
    thread.start()
    assert sink.waiting.wait(PATIENCE)
    getattr(sink, act)()
    thread.join(PATIENCE)
    assert taken == [5]
    assert len(sink.queue) == 0
    sink.stop()
    with pytest.raises(SinkStalled, match="the still sink has been stopped: make a new one"):
        write()


def test_a_sink_whose_time_cannot_be_waited_for_takes_all_and_stops_when_it_was_heard() -> None:
    class Virtual(Still):
        def __init__(self) -> None:
            QueuedSink.__init__(self, "virtual sink", waits=False, max_buffer_ms=100)
            self.queue = np.empty(0, np.float32)
            self.waiting = threading.Event()
            self.woken = self.ended = 0

        def _end(self) -> None:
            self.ended += 1

    sink = Virtual()
    for _ in range(3):
        assert sink.write_samples(np.ones(100, np.float32)) == 100
    sink.flush()
    assert sink.queued_ms == 300
    sink.on_completed()
    assert not sink._stopped
    sink.queue = np.empty(0, np.float32)
    sink._stop_if_over()
    sink.stop()
    assert (sink._stopped, sink.ended) == (True, 1)
    assert not sink.waiting.is_set()
    silent = Virtual()
    silent.on_completed()
    assert silent._stopped, "at once: there is nothing to hear"
    assert silent.woken == 1, "it is flushed"


def test_whoever_plays_it_is_woken_by_each_change() -> None:
    sink = Still()
    for woken, act in enumerate((sink.pause, sink.resume, sink.flush, sink.clear), 1):
        act()
        assert sink.woken == woken
    sink.write_samples(np.ones(1, np.float32))
    assert sink.woken == 5


def test_a_stream_that_completes_flushes_it_once() -> None:
    sink = Still()
    sink.on_completed()
    assert (sink.woken, sink._stopped) == (1, True)


@pytest.mark.parametrize("act", ["clear", "stop"])
@pytest.mark.parametrize("method", ["write_samples", "flush"])
def test_who_waits_is_freed_by_a_clear_or_stop_whose_fade_is_still_queued(
    method: str, act: str
) -> None:
    class Fading(Still):
        def _cut(self) -> Samples:
            return np.empty(0, np.float32)

    sink = Fading()
    sink.write_samples(np.ones(200, np.float32))
    work = (lambda: sink.write_samples(np.ones(5, np.float32))) if "w" in method else sink.flush
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert sink.waiting.wait(PATIENCE)
    getattr(sink, act)()
    thread.join(PATIENCE)
    assert not thread.is_alive()
