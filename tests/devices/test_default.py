"""The default microphone and loudspeaker: virtual ones on Linux, and a Mac's own where one asks.

On a Mac, `RXVOICE_REAL_DEVICES=1 python -m pytest tests/devices/test_default.py` takes ten seconds.
It listens to the microphone and plays a quiet tone.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import rxvoice as rxv
from rxvoice import AudioChunk, Event, devices, sinks, sources
from rxvoice.events import AudioLost, DeviceLost, Notice

pytestmark = [pytest.mark.devices, pytest.mark.usefixtures("default_devices")]

PATIENCE_S = 30
CHUNKS = 60


class Listening:
    """What comes from the default microphone, until there are `CHUNKS`."""

    def __init__(self) -> None:
        self.chunks: list[AudioChunk] = []
        self.came: list[float] = []
        self.events: list[Event] = []
        self.errors: list[Exception] = []
        self.over = threading.Event()

    def take(self, element: AudioChunk | Event) -> None:
        if isinstance(element, Event):
            self.events.append(element)
            return
        self.chunks.append(element)
        self.came.append(time.monotonic())
        if len(self.chunks) == CHUNKS:
            self.over.set()

    def fail(self, error: Exception) -> None:
        self.errors.append(error)
        self.over.set()


def listen(meanwhile: sinks.Speaker | None = None) -> Listening:
    heard = Listening()
    subscription = sources.microphone().subscribe(heard.take, heard.fail)
    try:
        if meanwhile is not None:
            tone = 0.01 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)
            meanwhile.set_sample_rate(24_000)
            meanwhile.write_samples(tone.astype(np.float32))
            meanwhile.flush()
        assert heard.over.wait(PATIENCE_S)
    finally:
        subscription.dispose()
    assert heard.errors == []
    # Of a Mac without permission the notice says what to do.
    assert [it for it in heard.events if isinstance(it, Notice | AudioLost | DeviceLost)] == []
    return heard


def test_there_is_a_default_device_of_each_kind() -> None:
    assert 8_000 <= devices.find(None, "microphone").sample_rate <= 192_000
    assert devices.find(None, "speaker").outputs >= 1


def test_the_microphone_gives_every_sample_at_its_time() -> None:
    heard = listen()
    assert [it.start for it in heard.chunks] == [512 * i for i in range(len(heard.chunks))]
    times = np.array([it.time for it in heard.chunks], float)
    off = np.abs(np.diff(times)[10:] - 0.032)  # the sound server's jitter
    assert np.quantile(off, 0.9) < 0.005
    assert off.max() < 0.032
    late = np.array(heard.came) - (times + 0.032)
    assert (late >= 0).all()
    assert np.median(late) < 0.25


def test_the_loudspeaker_plays_while_the_microphone_listens() -> None:
    with rxv.sinks.speaker() as speaker:
        heard = listen(meanwhile=speaker)
        assert speaker.position == 24_000
        assert speaker.queued_ms == 0
    assert len(heard.chunks) >= CHUNKS
