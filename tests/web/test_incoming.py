"""What a client sends, in virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
from web.loop_kit import on_loop

import rxvoice as rxv
from rxvoice import web
from rxvoice.web._incoming import Incoming
from rxvoice.web._limits import Over

LIMITS = web.Limits()


class Bench:
    """An `Incoming`, its clock, and what it passes on."""

    def __init__(self) -> None:
        self.now = 100.0
        asyncio.get_running_loop().time = lambda: self.now  # type: ignore[method-assign]
        self.heard: list[rxv.AudioChunk] = []
        self.said: list[str | None] = []
        self.over: list[str] = []
        self.played: list[tuple[int, int]] = []
        self.incoming = self.client()

    def client(self, query_rate: str | None = None, **limits: int) -> Incoming:
        incoming = Incoming(
            replace(LIMITS, **limits), query_rate, lambda *played: self.played.append(played)
        )
        incoming.microphone.subscribe(
            self.heard.append, on_completed=lambda: self.over.append("heard")
        )
        incoming.interrupts.subscribe(
            self.said.append, on_completed=lambda: self.over.append("said")
        )
        return incoming

    def send(self, data: bytes | str | dict[str, object]) -> None:
        message = json.dumps(data) if isinstance(data, dict) else data
        self.incoming.admit(message)
        self.incoming.take(message)


@on_loop(Bench)
def test_sound_is_heard_without_a_gap(bench: Bench) -> None:
    bench.send(np.array([0, 16384, -32768], "<i2").tobytes())
    bench.send(b"")
    bench.send(np.array([32767], "<i2").tobytes())
    assert [chunk.start for chunk in bench.heard] == [0, 3]
    assert bench.heard[0].samples.tolist() == [0, 0.5, -1]
    assert {chunk.sample_rate for chunk in bench.heard} == {16_000}


@on_loop(Bench)
def test_its_end_gives_all_and_comes_once(bench: Bench) -> None:
    bench.incoming = bench.client("48000")
    for _ in range(10):
        bench.send(np.full(480, 100, "<i2").tobytes())
    bench.send({"type": "end"})
    bench.send({"type": "end"})
    bench.send({"type": "text", "text": "hello"})
    assert sum(len(chunk.samples) for chunk in bench.heard) == 1600
    assert bench.over == ["heard", "said"]
    assert bench.said == []


@on_loop(Bench)
def test_commands(bench: Bench) -> None:
    bench.send({"type": "interrupt"})
    bench.send({"type": "text", "text": "hello"})
    bench.send({"type": "played", "samples": 5})
    bench.send({"type": "played", "samples": 7, "clears": 2})
    assert bench.said == [None, "hello"]
    assert bench.played == [(5, 0), (7, 2)]


def speak(bench: Bench, frame: bytes, spoken: float, seconds: float, speed: float) -> float:
    """Send frames faster than real time; returns for how long, or until it was too much."""
    began = bench.now
    while bench.now - began < seconds:
        try:
            bench.send(frame)
        except Over:
            break
        bench.now += spoken / speed
    return bench.now - began


@on_loop(Bench)
def test_a_browsers_smallest_frames_are_no_flood(bench: Bench) -> None:
    bench.incoming = bench.client("48000")
    frame = np.zeros(128, "<i2").tobytes()
    assert speak(bench, frame, 128 / 48_000, 60, 1) >= 60


@on_loop(Bench)
def test_audio_that_comes_faster_than_it_is_spoken_is_a_flood(bench: Bench) -> None:
    frame = np.zeros(320, "<i2").tobytes()
    assert speak(bench, frame, 0.02, 60, 1.25) >= 60
    assert speak(bench, frame, 0.02, 60, 2.25) == pytest.approx(10, abs=0.1)  # of 10 s ahead


@on_loop(Bench)
def test_small_messages_are_a_flood(bench: Bench) -> None:
    assert speak(bench, b"", 0.001, 60, 1) < 10


@on_loop(Bench)
def test_after_a_gap_ten_seconds_may_come_at_once(bench: Bench) -> None:
    second = np.zeros(16_000, "<i2").tobytes()
    for _ in range(2):
        bench.now += 1000
        for _ in range(10):
            bench.send(second)
    with pytest.raises(Over, match=r"audio came faster .* in frames of some 20 ms") as over:
        bench.send(second)
    assert (over.value.code, over.value.close_code) == ("flood", 1008)


@on_loop(Bench)
def test_a_size_is_of_bytes_in_text_too(bench: Bench) -> None:
    bench.incoming = bench.client(max_frame_bytes=100)
    bench.send('{"type": "text", "text": "' + "a" * 60 + '"}')
    with pytest.raises(Over, match="a message may have 100 bytes, got 148"):
        bench.send('{"type": "text", "text": "' + "é" * 60 + '"}')


@on_loop(Bench)
def test_a_rate_too_long_for_a_number_is_the_clients_mistake(bench: Bench) -> None:
    bench.incoming = bench.client("9" * 5000)
    with pytest.raises(Over, match="sample_rate must be a whole number") as over:
        bench.send(b"")
    assert over.value.code == "bad_message"
    assert len(str(over.value)) < 200
