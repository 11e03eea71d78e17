"""`sinks.null(realtime=True)`: a loudspeaker that nobody hears."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from interruption_kit import RATE, Scene

import rxvoice as rxv
from rxvoice import sinks
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.testing import Marbles, marbles

PATIENCE = 60.0  # seconds


def ramp(n: int, start: int = 0) -> rxv.Samples:
    return (np.arange(start, start + n) % 4096 / 4096).astype(np.float32)


def play(*acts: tuple[int, Callable[[Any], object]]) -> tuple[Any, list[tuple[int, int]], Marbles]:
    """Do things to a sink of 1 kHz at their milliseconds; what `played` said, and when."""
    m = marbles()
    sink = sinks.null(realtime=True, sample_rate=1000, scheduler=m.scheduler)
    said: list[tuple[int, int]] = []
    sink.played.subscribe(lambda position: said.append((m.now_ms, position)))
    for ms, act in acts:
        m.scheduler.schedule_relative(ms / 1000, lambda *_, act=act: act(sink))
    m.record(rx.never(), dispose_at=1_000)
    return sink, said, m


def write(n: int, start: int = 0) -> Callable[[Any], object]:
    return lambda it: it.write_samples(ramp(n, start))


def test_it_plays_by_the_clock_and_tells_every_20_ms() -> None:
    sink, said, _ = play((10, write(50)))
    assert said == [(11, 1), (30, 20), (50, 40), (60, 50)]
    assert (sink.position, sink.written, sink.queued_ms) == (50, 50, 0)


def test_a_pause_skips_and_repeats_nothing() -> None:
    seen: list[int] = []
    play(
        (0, write(30)),
        (10, lambda it: it.pause()),
        (50, lambda it: seen.append(it.position)),
        (50, lambda it: seen.append(it.is_running)),
        (60, lambda it: it.resume()),
        (79, lambda it: seen.append(it.position)),
        (80, lambda it: seen.append(it.position)),
    )
    assert seen == [10, False, 29, 30]


def test_clear_gives_back_what_was_not_heard_and_is_told() -> None:
    unheard: list[Any] = []
    sink, said, _ = play((0, write(100)), (30, lambda it: unheard.append(it.clear())))
    assert np.array_equal(unheard[0], ramp(70, 30))
    assert (sink.position, sink.written, sink.queued_ms) == (30, 30, 0)
    assert said[-1] == (30, 30)


def test_the_rate_may_change_while_it_plays() -> None:
    seen: list[tuple[int, float]] = []
    play(
        (0, write(10)),
        (0, lambda it: it.set_sample_rate(2000)),
        (0, write(20)),
        (5, lambda it: seen.append((it.position, it.queued_ms))),
        (15, lambda it: seen.append((it.position, it.queued_ms))),
        (16, lambda it: seen.append(it.clear().tolist())),
        (17, lambda it: seen.append(it.written)),
    )
    assert seen == [(5, 15), (20, 5), ramp(8, 12).tolist(), 22]


def test_many_small_pieces_take_exactly_their_time() -> None:
    m = marbles()
    sink = sinks.null(realtime=True, sample_rate=44_100, scheduler=m.scheduler)
    for _ in range(100):
        sink.write_samples(ramp(441))
        m.scheduler.advance_by(0.0073)
    m.scheduler.advance_by(1.0 - 100 * 0.0073 - 0.0001)
    assert 44_100 - 6 <= sink.position < 44_100
    m.scheduler.advance_by(0.0002)
    assert sink.position == 44_100


def test_by_a_scheduler_nothing_waits() -> None:
    m = marbles()
    sink = sinks.null(realtime=True, max_buffer_ms=1, scheduler=m.scheduler)
    sink.write_samples(ramp(24_000))
    sink.write_samples(ramp(24_000))
    sink.flush()
    assert sink.queued_ms == 2_000


def test_in_real_time_flush_waits_until_all_was_heard() -> None:
    with sinks.null(realtime=True, sample_rate=1000) as sink:
        heard = threading.Event()
        sink.played.subscribe(lambda position: heard.set() if position == 30 else None)
        sink.write_samples(ramp(30))
        sink.flush()
        assert sink.position == 30
        assert heard.wait(PATIENCE)


def test_in_real_time_a_piece_waits_for_room_until_another_thread_clears() -> None:
    with sinks.null(realtime=True, sample_rate=1000, max_buffer_ms=1) as sink:
        sink.write_samples(ramp(60_000))
        writing, took = threading.Event(), []

        def write_more() -> None:
            writing.set()
            took.append(sink.write_samples(ramp(5)))

        writer = threading.Thread(target=write_more)
        writer.start()
        assert writing.wait(PATIENCE)
        while writer.is_alive():  # until it waits, what is cleared is only what came before
            sink.clear()
            writer.join(0.001)
        assert took == [5]
        assert sink.written < 60_000


def test_while_it_is_paused_nobody_waits_for_room() -> None:
    with sinks.null(realtime=True, sample_rate=1000, max_buffer_ms=1) as sink:
        sink.pause()
        assert sink.write_samples(ramp(5_000)) == 5_000
        assert sink.write_samples(ramp(5_000)) == 5_000


def test_a_piece_that_waits_at_the_end_is_dropped_and_no_error() -> None:
    sink = sinks.null(realtime=True, sample_rate=1000, max_buffer_ms=1)
    sink.write_samples(ramp(60_000))
    took: list[int] = []
    writer = threading.Thread(target=lambda: took.append(sink.write_samples(ramp(5))))
    writer.start()
    while sink._waiting is None:
        threading.Event().wait(0.001)
    sink.stop()
    writer.join(PATIENCE)
    assert took == [5]
    assert sink.written < 60_000


def test_stop_frees_whoever_waits() -> None:
    sink = sinks.null(realtime=True, sample_rate=1000, max_buffer_ms=1)
    ended: list[str] = []
    sink.played.subscribe(on_completed=lambda: ended.append("played"))
    sink.write_samples(ramp(60_000))
    flusher = threading.Thread(target=sink.flush)
    flusher.start()
    sink.stop()
    sink.stop()
    flusher.join(PATIENCE)
    assert not flusher.is_alive()
    assert ended == ["played"]
    with pytest.raises(SinkStalled, match="the null sink has been stopped: make a new one"):
        sink.write_samples(ramp(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 0}, "null sink sample_rate must be at least 1 Hz, got 0"),
        ({"max_buffer_ms": 0}, "null sink max_buffer_ms must be at least 1 ms, got 0"),
    ],
)
def test_bad_arguments(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sinks.null(realtime=True, **options)


def test_a_scheduler_without_a_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="without realtime=True"):
        sinks.null(scheduler=marbles().scheduler)  # type: ignore[call-overload]


@pytest.mark.parametrize("gain", [-0.1, 1.1, "loud"])
def test_a_bad_gain(gain: Any) -> None:
    with sinks.null(realtime=True) as sink, pytest.raises(ConfigError, match="duck gain must be"):
        sink.duck(gain)


@pytest.mark.parametrize(
    "mic",
    [
        "~~___" + "_" * 8 + "~" * 8 + "___" + "_" * 60 + "|",  # interrupted in a sentence
        "~~___" + "_" * 8 + "~~___" + "_" * 60 + "|",  # a cough: it goes on
        "~~___" + "_" * 60 + "|",
    ],
)
def test_a_conversation_is_the_same_as_with_a_loudspeaker(mic: str) -> None:
    def scene(sink: Any) -> list[str]:
        return Scene(mic, "hi", "stop it", sink=sink, min_speech_ms=30).lines

    def unheard(m: Any) -> Any:
        return sinks.null(realtime=True, sample_rate=RATE, scheduler=m.scheduler)

    lines = scene(unheard)
    assert lines == scene(None)
    assert any("Finished" in line for line in lines)
