"""A device changes its sample rate in mid-stream, twice: each sample stands where it was said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fake_coreaudio import MacDevice, Stream
from sources.test_microphone_coreaudio import Desk

from rxvoice import events

RATE = 16_000


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(monkeypatch, MacDevice("Interface", inputs=1, rate=48_000))
    yield made
    with made.mac.running():
        made.ends.close()
    assert made.mac.crimes == []


def tone(at: Any) -> Any:
    """What is said at that time: tones that glide, so that another time is another sound."""
    at = np.asarray(at) - 1000.0
    return (0.4 * np.sin(2 * np.pi * (200 + 100 * at) * at)).astype(np.float32)


def speaks(here: Desk, stream: Stream) -> None:
    def say(frames: int) -> Any:
        rate = stream.device.rate
        return tone(here.time + (np.arange(frames) - frames) / rate)

    stream.say = say


def test_48_then_44_1_then_16_khz(desk: Desk) -> None:
    heard, stream = desk.listen()
    rates = (48_000, 44_100, 16_000)
    parts: list[tuple[float, float]] = []
    for rate in rates:
        if rate != stream.samplerate:
            desk.mac.change_rate("Interface", rate)
            desk.run(round(2 * rate / stream.device.buffer), stream)
            desk.started()
            stream = desk.mac.last("input")
        assert stream.samplerate == rate
        speaks(desk, stream)
        begun = desk.time
        desk.run(round(0.8 * rate / stream.device.buffer), stream)
        end = desk.time
        wait_until(heard, lambda end=end: (heard.chunks[-1].time or 0) > end - 0.1)
        parts.append((begun + 0.1, end - 0.1))
    starts = [it.start for it in heard.chunks]
    assert starts == np.cumsum([0, *(len(it.samples) for it in heard.chunks[:-1])]).tolist()
    for begin, end in parts:
        chunks = [it for it in heard.chunks if begin < (it.time or 0) < end]
        assert len(chunks) > 10
        first = chunks[0].time or 0
        samples = np.concatenate([it.samples for it in chunks])
        wanted = tone(first + np.arange(len(samples)) / RATE)
        error = np.sqrt(np.mean((samples - wanted) ** 2)) / np.sqrt(np.mean(wanted**2))
        assert error < 0.15, "within a part of a sample at these pitches"
    lost = [it for it in heard.events if isinstance(it, events.AudioLost)]
    assert len(lost) == len(rates) - 1, "each change is told once"
    assert [type(it) for it in heard.events] == [events.AudioLost] * 2


def wait_until(heard: Any, so: Callable[[], object]) -> None:
    heard.wait_for(lambda: heard.chunks and so())
