"""The loudspeaker of a client, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from web.loop_kit import on_loop

import rxvoice as rxv
from rxvoice.web import RemoteSpeaker

RATE = 1000


class Bench:
    """A speaker, its clock, and the messages that it sends."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[dict[str, object]] = []
        self.wakes = 0
        self.played: list[int] = []
        loop = asyncio.get_running_loop()
        loop.time = lambda: self.now  # type: ignore[method-assign]
        self.speaker = RemoteSpeaker(self.told.append, self._wake, ahead_ms=200, max_ms=1000)
        self.speaker.set_sample_rate(RATE)
        self.speaker.played.subscribe(self.played.append)

    def _wake(self) -> None:
        self.wakes += 1

    def write(self, first: int, last: int) -> None:
        """Write a ramp, in which every sample is different."""
        self.speaker.write_samples(np.arange(first, last, dtype=np.float32) / 10_000)

    def send(self) -> list[int]:
        """Send all that may be sent; returns the number of samples in each frame."""
        sizes: list[int] = []
        while (frame := self.speaker.next_frame()) is not None:
            sizes.append(len(frame[0]) // 2)
        return sizes


def ramp(first: int, last: int) -> Any:
    return pytest.approx(np.arange(first, last) / 10_000)


@on_loop(Bench)
def test_it_sends_as_far_ahead_as_it_may(bench: Bench) -> None:
    bench.write(0, 500)
    assert bench.wakes == 1
    assert bench.send() == [40] * 5
    assert bench.speaker.position == 0
    bench.now += 0.1
    assert bench.speaker.position == 100
    assert bench.speaker.queued_ms == 400
    assert bench.send() == [40] * 3
    bench.now += 9
    assert bench.speaker.position == 320  # as far as was sent
    assert bench.send() == [40] * 4 + [20]
    bench.now += 0.05
    assert bench.speaker.position == 370
    assert bench.speaker.is_running
    bench.now += 0.2
    bench.speaker.tick()
    assert (bench.speaker.position, bench.speaker.queued_ms) == (500, 0)
    assert not bench.speaker.is_running
    assert bench.played == [500]


@on_loop(Bench)
def test_the_first_frame_and_a_new_rate_are_told(bench: Bench) -> None:
    bench.write(0, 40)
    bench.speaker.set_sample_rate(2000)
    bench.write(0, 160)
    frames = [bench.speaker.next_frame() for _ in range(3)]
    assert [frame and (len(frame[0]) // 2, frame[1]) for frame in frames] == [
        (40, 1000),
        (80, 2000),
        (80, None),
    ]
    bench.now += 0.06  # 40 ms at 1 kHz, then 20 ms at 2 kHz
    assert bench.speaker.position == 80


@on_loop(Bench)
def test_samples_are_sent_as_pcm16(bench: Bench) -> None:
    bench.speaker.write_samples(np.array([0, 0.5, 1, -1], np.float32))
    frame = bench.speaker.next_frame()
    assert frame is not None
    assert np.frombuffer(frame[0], "<i2").tolist() == [0, 16384, 32767, -32768]


@on_loop(Bench)
def test_clear_gives_what_was_not_heard(bench: Bench) -> None:
    bench.write(0, 500)
    bench.send()
    bench.now += 0.123
    assert bench.speaker.clear() == ramp(123, 500)
    assert bench.told == [{"event": "clear", "position": 123, "clears": 1}]
    bench.now += 1
    assert (bench.speaker.position, bench.speaker.queued_ms) == (123, 0)
    bench.write(0, 100)
    bench.send()
    bench.now += 0.05
    assert bench.speaker.position == 173


@on_loop(Bench)
def test_what_the_client_says_it_played_is_heard(bench: Bench) -> None:
    bench.write(0, 500)
    bench.send()
    wakes = bench.wakes
    bench.speaker.acknowledge(60, 0)
    assert bench.wakes > wakes
    bench.now += 9
    assert bench.speaker.position == 60
    assert bench.played == []
    bench.speaker.tick()
    assert bench.played == [60]
    assert bench.send() == [40, 40]
    bench.speaker.acknowledge(30, 0)  # out of order
    assert bench.speaker.position == 60
    bench.speaker.acknowledge(280, 0)
    assert bench.speaker.position == 280
    assert bench.speaker.clear() == ramp(280, 500)


@on_loop(Bench)
def test_what_was_played_before_a_clear_was_seen_does_not_count(bench: Bench) -> None:
    bench.write(0, 500)
    bench.send()
    bench.speaker.acknowledge(50, 0)
    bench.speaker.clear()
    bench.write(0, 500)
    bench.send()
    bench.speaker.acknowledge(150, 0)
    assert bench.speaker.position == 50
    bench.speaker.acknowledge(150, 1)
    assert bench.speaker.position == 150


@on_loop(Bench)
def test_more_than_was_sent_cannot_have_been_played(bench: Bench) -> None:
    bench.write(0, 500)
    bench.send()
    with pytest.raises(ValueError, match="at most 200 samples"):
        bench.speaker.acknowledge(201, 0)


@on_loop(Bench)
def test_pause_holds_the_clock_and_what_waits(bench: Bench) -> None:
    bench.write(0, 500)
    bench.send()
    bench.now += 0.05
    bench.speaker.pause()
    bench.speaker.pause()
    bench.now += 9
    assert bench.speaker.position == 50
    assert not bench.speaker.is_running
    assert bench.send() == []
    bench.speaker.resume()
    bench.now += 0.05
    assert bench.speaker.position == 100
    bench.speaker.duck(0.25)
    assert bench.told == [{"event": "pause"}, {"event": "resume"}, {"event": "duck", "gain": 0.25}]


@on_loop(Bench)
def test_after_a_pause_the_client_still_says_what_it_played(bench: Bench) -> None:
    bench.write(0, 500)
    bench.send()
    bench.speaker.acknowledge(60, 0)
    bench.speaker.pause()
    bench.speaker.resume()
    bench.now += 0.1
    assert bench.speaker.position == 60
    bench.speaker.acknowledge(90, 0)
    assert bench.speaker.position == 90


@on_loop(Bench)
def test_too_much_stalls(bench: Bench) -> None:
    bench.write(0, 1001)
    with pytest.raises(rxv.SinkStalled, match=r"more than 1000 ms of speech .*rxv\.paced"):
        bench.write(0, 1)
    bench.send()
    bench.now += 0.1
    bench.write(0, 1)


@on_loop(Bench)
def test_stop_takes_nothing_more(bench: Bench) -> None:
    bench.write(0, 500)
    bench.speaker.stop()
    assert bench.speaker.queued_ms == 0
    with pytest.raises(rxv.SinkStalled, match="the client has gone"):
        bench.write(0, 1)
