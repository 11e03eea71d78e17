"""`sources.microphone` on a fake CoreAudio, with real threads: what a person with a Mac meets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import numpy as np
import pytest
import soxr
from fake_coreaudio import Mac, MacDevice, Stream
from numpy.typing import NDArray

from rxvoice import AudioChunk, Event, Notice, _platform, sinks
from rxvoice._audio.live_resample import LiveResampler
from rxvoice.events import DeviceLost
from rxvoice.sources._machine import RealMachine
from rxvoice.sources._segment import CaptureOptions
from rxvoice.sources.microphone import _microphone

PATIENCE_S = 60


class Heard:
    """A subscription, whose elements a test waits for."""

    def __init__(self, machine: RealMachine, device: str | None, options: CaptureOptions) -> None:
        self.chunks: list[AudioChunk] = []
        self.events: list[Event | Exception] = []
        self._changed = threading.Condition()
        source = _microphone(machine, device, options)
        self.subscription = source.subscribe(self._take, self._take)

    def _take(self, element: AudioChunk | Event | Exception) -> None:
        with self._changed:
            if isinstance(element, AudioChunk):
                self.chunks.append(element)
            else:
                self.events.append(element)
            self._changed.notify_all()

    def wait_for(self, there: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(there, PATIENCE_S)

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate([it.samples for it in self.chunks])


class Desk:
    """A Mac with somebody in front of it. Its time passes when its devices run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *machine: MacDevice) -> None:
        self.time = 1000.0
        self.mac = Mac(*machine, clock=lambda: self.time)
        self.mac.install(monkeypatch)
        monkeypatch.setattr(_platform, "_set", _platform.Platform("darwin"))
        self._started = threading.Semaphore(0)
        start = Stream.start

        def and_tell(stream: Stream) -> None:
            start(stream)
            self._started.release()

        monkeypatch.setattr(Stream, "start", and_tell)
        self.ends = ExitStack()
        self.machine = RealMachine()
        self.machine.now = lambda: self.time  # type: ignore[method-assign]
        self._said = 0

    def listen(
        self, device: str | None = None, channel: int | None = None, block_ms: int = 32
    ) -> tuple[Heard, Stream]:
        options = CaptureOptions(16_000, block_ms, channel, 10_000, "drop_oldest")
        heard = Heard(self.machine, device, options)
        self.ends.callback(heard.subscription.dispose)
        self.started()
        stream = self.mac.last("input")
        stream.say = lambda frames: self.said(stream.device.rate, frames)
        return heard, stream

    def started(self) -> None:
        """Wait for the next stream."""
        assert self._started.acquire(timeout=PATIENCE_S)

    def said(self, rate: int, frames: int) -> NDArray[np.float32]:
        """What is said next, at this rate."""
        begin, self._said = self._said, self._said + frames
        return glide(rate)[begin : self._said]

    def run(self, cycles: int, *streams: Stream) -> None:
        """Let the devices of these streams run."""
        for _ in range(cycles):
            self.time += streams[0].device.buffer / streams[0].device.rate
            for stream in streams:
                stream.io()


@cache
def glide(rate: int) -> NDArray[np.float32]:
    """Tones that glide, so that a sample at a wrong place is a wrong sample."""
    at = np.arange(6 * rate) / rate
    return (0.4 * np.sin(2 * np.pi * (200 + 300 * at) * at)).astype(np.float32)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(*machine: MacDevice) -> Desk:
        desks.append(Desk(monkeypatch, *machine))
        return desks[-1]

    yield make
    for it in desks:
        with it.mac.running():
            it.ends.close()
        assert it.mac.crimes == []


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100, 48_000])
def test_a_microphone_is_opened_at_its_own_rate_and_heard_to_the_sample(
    desk: Callable[..., Desk], rate: int
) -> None:
    here = desk(MacDevice("Microphone", inputs=1, rate=rate))
    heard, stream = here.listen()
    assert stream.samplerate == rate
    assert stream.options["blocksize"] == stream.device.buffer == rate * 32 // 1000
    began = here.time
    here.run(60, stream)
    heard.wait_for(lambda: len(heard.chunks) >= 59)
    lead = LiveResampler(rate, 16_000).delay
    samples = heard.samples
    expected = soxr.resample(glide(rate), rate, 16_000)[: len(samples) - lead]
    np.testing.assert_allclose(samples[lead:], expected, rtol=0, atol=1e-6)
    assert heard.events == []
    for it in heard.chunks:
        assert it.time == pytest.approx(began + (it.start - lead) / 16_000, abs=1e-6)


def test_a_device_with_small_buffers_is_heard_to_the_sample(desk: Callable[..., Desk]) -> None:
    here = desk(MacDevice("Interface", inputs=1, buffers=(64, 512)))
    heard, stream = here.listen()
    assert stream.device.buffer == 512
    here.run(180, stream)
    heard.wait_for(lambda: len(heard.chunks) >= 59)
    samples = heard.samples
    expected = soxr.resample(glide(48_000), 48_000, 16_000)[: len(samples) - 96]
    np.testing.assert_allclose(samples[96:], expected, rtol=0, atol=1e-6)
    assert heard.events == []


@pytest.mark.parametrize("sample_rate", [None, 24_000])
@pytest.mark.parametrize("loudspeaker_first", [False, True])
def test_the_two_sides_of_one_device_do_not_disturb_each_other(
    desk: Callable[..., Desk], loudspeaker_first: bool, sample_rate: int | None
) -> None:
    here = desk(MacDevice("Headset", inputs=1, outputs=2, transport="usb "))

    def play() -> sinks.Speaker:
        speaker = sinks.speaker(start_buffer_ms=0, sample_rate=sample_rate)
        return here.ends.enter_context(speaker)

    if loudspeaker_first:
        speaker = play()
        here.started()
        heard, microphone = here.listen()
    else:
        heard, microphone = here.listen()
        speaker = play()
        here.started()
    loudspeaker = here.mac.last("output")
    speaker.write_samples(np.full(48_000, 0.25, np.float32))
    here.run(30, microphone, loudspeaker)
    heard.wait_for(lambda: len(heard.chunks) >= 29)
    assert len(heard.chunks) * 512 == pytest.approx(30 * 0.032 * 16_000, abs=512)
    assert np.count_nonzero(np.isclose(loudspeaker.heard, 0.25)) > 0.9 * 0.9 * speaker.sample_rate
    assert [it for it in heard.events if not isinstance(it, Notice)] == []


def test_of_many_channels_the_first_two_are_opened_or_the_one_that_is_chosen(
    desk: Callable[..., Desk],
) -> None:
    here = desk(MacDevice("Aggregate", inputs=34))
    heard, stream = here.listen()
    assert stream.options["channels"] == 2
    here.run(3, stream)
    heard.wait_for(lambda: heard.chunks)
    heard.subscription.dispose()
    _, stream = here.listen(channel=20)
    assert stream.options["channels"] == 21


@pytest.mark.parametrize(
    "name",
    ["Anna’s\u00a0AirPods", "Mikrofon für Jürgen", "Mikrofon fu\u0308r Ju\u0308rgen", "マイク"],
)
def test_a_name_is_found_as_people_type_it(desk: Callable[..., Desk], name: str) -> None:
    here = desk(MacDevice("Other", inputs=1), MacDevice(name, inputs=1, transport="blue"))
    typed = name.replace("’", "'").replace("\u00a0", " ").replace("u\u0308", "ü").upper()
    heard, stream = here.listen(typed)
    assert stream.device.name == name
    here.run(3, stream)
    heard.wait_for(lambda: heard.chunks)


def test_a_device_whose_rate_changes_is_opened_again_at_that_rate(
    desk: Callable[..., Desk],
) -> None:
    here = desk(MacDevice("Interface", inputs=1, rate=48_000))
    heard, stream = here.listen()
    here.run(20, stream)
    heard.wait_for(lambda: len(heard.chunks) >= 19)
    here.mac.change_rate("Interface", 96_000)
    here.run(120, stream)  # two seconds
    here.started()
    again = here.mac.last("input")
    assert again is not stream
    assert again.samplerate == 96_000
    assert not [it for it in heard.events if isinstance(it, DeviceLost)]
    again.say = lambda frames: np.full(frames, 0.25, np.float32)
    here.run(20, again)
    heard.wait_for(lambda: (heard.chunks[-1].time or 0) > here.time - 0.08)
    assert np.allclose(heard.chunks[-1].samples, 0.25, atol=1e-4)
    assert (heard.chunks[-1].time or 0) + 0.032 < here.time
