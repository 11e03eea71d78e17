"""`sinks.null`: speech is counted and forgotten."""

from __future__ import annotations

import numpy as np
import pytest
import reactivex as rx

from rxvoice import Reply, Speech, Transcript, Turn, sinks
from rxvoice.errors import SinkStalled

REPLY = Reply(Transcript(Turn.of(np.zeros(512, np.float32)), "hello"), "Hi.")


def test_it_counts_what_it_takes_at_any_rate() -> None:
    sink = sinks.null()
    rx.of(
        Speech(REPLY, np.zeros(100, np.float32), 24_000),
        Speech(REPLY, np.zeros(50, np.float32), 16_000),
    ).subscribe(sink)
    assert sink.written == 150


def test_nothing_is_playing_and_nothing_unheard() -> None:
    sink = sinks.null()
    assert sink.write_samples(np.zeros(10, np.float32)) == 10
    assert not sink.is_running
    assert len(sink.clear()) == 0
    sink.flush()
    assert sink.written == 10


def test_after_stop_it_takes_no_more() -> None:
    sink = sinks.null()
    sink.stop()
    with pytest.raises(SinkStalled, match="the null sink has been stopped"):
        sink.write_samples(np.zeros(1, np.float32))
