"""`Speaker.use`: another loudspeaker while it plays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sinks import fake_sound
from sinks.fake_sound import FakeSound
from sinks.test_speaker import Told, aside, ramp, tone

from rxvoice import events
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.sinks import Speaker, _loudspeaker, _track
from rxvoice.sinks import speaker as make

LATER = 1000.0  # seconds


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    fake = fake_sound.install(monkeypatch)
    monkeypatch.setattr(_loudspeaker, "_WAITS_S", (0.001,))
    return fake


@pytest.fixture
def sink(sound: FakeSound) -> Iterator[Speaker]:
    with make(start_buffer_ms=0) as speaker:
        yield speaker


def test_it_goes_on_with_the_next_sample_that_was_not_heard(
    sound: FakeSound, sink: Speaker
) -> None:
    sound.refused_rates = {16_000}  # the phones take the rate of the box
    told = Told(sink.events)
    sink.write_samples(ramp(1000))
    box = sound.stream
    box.ask(300)
    assert box.ask(300, delay=LATER).any()  # the device has taken it, and nobody has heard it
    sink.use("phones")
    assert (sink.device, sink.position) == ("phones", 300)
    assert box.closed
    assert not box.ask(100).any()
    assert sound.stream.ask(800).tolist() == [*ramp(700, 301).tolist(), *[0] * 100]
    assert (sink.position, sink.written, sink.queued_ms) == (1000, 1000, 0)
    assert told.next() == events.DeviceChanged("speaker", "phones", "box")
    assert told.nothing


def test_at_another_rate_every_sample_is_still_counted_as_it_was_written(
    sound: FakeSound, sink: Speaker
) -> None:
    voice = tone(16_000, 16_000)
    sink.set_sample_rate(16_000)
    sink.write_samples(voice)
    sound.stream.ask(4_800)
    heard = sink.position
    assert heard == 1_600
    sound.refused_rates = {48_000}
    sink.use("phones")
    assert sink.sample_rate == 16_000
    assert sound.stream.ask(800).tolist() == voice[1_600:2_400].tolist()
    sink.use("phones")  # again: nothing happens
    assert len(sound.streams) == 2
    sound.refused_rates = {16_000}
    sink.use(None)
    assert (sink.device, sink.sample_rate, sink.position) == ("box", 48_000, 2_400)
    rest = np.concatenate([sound.stream.ask(480) for _ in range(100)])
    wanted = np.interp(np.arange(len(rest)) / 3, np.arange(13_600), voice[2_400:])
    assert np.abs(rest - wanted)[:39_000].max() < 0.01  # what comes last is converted in time


def test_what_is_being_converted_meanwhile_is_converted_for_the_next(
    sound: FakeSound, sink: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound.refused_rates = {16_000}
    begun, go_on = threading.Event(), threading.Event()
    real = _track.SoxrResampler

    class Slow:
        def __init__(self, rate: int, device_rate: int) -> None:
            self._real = real(rate, device_rate)

        def feed(self, samples: Any) -> Any:
            if not begun.is_set():
                begun.set()
                assert go_on.wait(60)
            return self._real.feed(samples)

        def end(self) -> Any:
            return self._real.end()

    monkeypatch.setattr(_track, "SoxrResampler", Slow)
    voice = tone(3_200, 16_000)
    sink.set_sample_rate(16_000)
    writer, _ = aside(lambda: sink.write_samples(voice[:1_600]))
    assert begun.wait(60)
    sink.use("phones")
    go_on.set()
    writer.join(60)
    sink.write_samples(voice[1_600:])
    sink.end_reply()
    heard = sound.stream.ask(9_600)
    wanted = np.interp(np.arange(9_600) / 3, np.arange(3_200), voice)
    assert np.abs(heard - wanted)[200:-200].max() < 0.01
    assert sink.position == 3_200


def test_it_stays_paused_and_ducked(sound: FakeSound, sink: Speaker) -> None:
    sink.write_samples(np.full(10_000, 0.5, np.float32))
    sink.duck(0.5)
    sound.stream.ask(480)
    sink.pause()
    sound.stream.ask(480)
    heard = sink.position
    sink.use("phones")
    assert not sound.stream.ask(480).any()
    assert (sink.position, sink.is_running) == (heard, False)
    sink.resume()
    sound.stream.ask(480)
    assert sound.stream.ask(100) == pytest.approx(0.25)


def test_one_that_is_not_there_changes_nothing(sound: FakeSound, sink: Speaker) -> None:
    sink.write_samples(ramp(1000))
    sound.stream.ask(300)
    with pytest.raises(ConfigError, match="there is no speaker device 'nope': choose one of"):
        sink.use("nope")
    with pytest.raises(ConfigError, match="speaker device must be None for the default"):
        sink.use(1.5)  # type: ignore[arg-type]
    assert sound.stream.ask(700).tolist() == ramp(700, 301).tolist()
    assert len(sound.streams) == 1


def test_one_that_does_not_open_is_told_and_it_plays_on_where_it_did(
    sound: FakeSound, sink: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(sink.events)
    sink.write_samples(ramp(1000))
    sound.stream.ask(300)
    opened = sound.RawOutputStream

    def refuses_phones(**options: Any) -> Any:
        if options["device"] == 1:
            raise sound.PortAudioError("Device unavailable")
        return opened(**options)

    monkeypatch.setattr(sound, "RawOutputStream", refuses_phones)
    with pytest.raises(
        ConfigError, match="the speaker 'phones' does not open: Device unavailable; it stays 'box'"
    ):
        sink.use("phones")
    assert sound.stream.ask(700).tolist() == ramp(700, 301).tolist()
    assert sink.position == 1000
    assert told.nothing


def test_it_is_the_one_that_is_looked_for_later(sound: FakeSound, sink: Speaker) -> None:
    sink.use("phones")
    told = Told(sink.events)
    sound.stream.ask(100)
    gone = sound.stream
    gone.end()
    assert told.next() == events.DeviceLost("speaker", "phones", "its stream ended")
    while sound.stream is gone:
        threading.Event().wait(0.001)
    assert sound.stream.options["device"] == 1


def test_where_there_is_none_it_plays_on_the_one_that_is_asked_for(
    sound: FakeSound, sink: Speaker
) -> None:
    told = Told(sink.events)
    sink.write_samples(ramp(1000))
    sound.stream.ask(300)
    sound.refused = True
    sound.stream.end()
    assert isinstance(told.next(), events.DeviceLost)
    with pytest.raises(ConfigError, match="does not open"):
        sink.use("phones")
    sound.refused = False
    sink.use("phones")
    assert sound.stream.ask(700).tolist() == ramp(700, 301).tolist()


def test_from_within_an_event_of_its_own(sound: FakeSound, sink: Speaker) -> None:
    switched = threading.Event()

    def switch(position: int) -> None:
        if not switched.is_set():
            sink.use("phones")
            switched.set()

    sink.played.subscribe(switch)
    sink.write_samples(ramp(1000))
    sound.stream.ask(300)
    assert switched.wait(60)
    assert sink.device == "phones"


def test_after_the_end(sink: Speaker) -> None:
    sink.stop()
    with pytest.raises(SinkStalled, match="the speaker has been stopped: make a new one"):
        sink.use("phones")


def test_whoever_waits_at_the_end_is_freed(sound: FakeSound, sink: Speaker) -> None:
    entered, leave = threading.Event(), threading.Event()

    def busy(_: int) -> None:
        entered.set()
        leave.wait(10)

    sink.played.subscribe(busy)
    sink.write_samples(ramp(100))
    sound.stream.ask(100)
    assert entered.wait(60)
    thread, came = aside(lambda: sink.use("phones"))
    while not sink._thread._switches._waiting:
        threading.Event().wait(0.001)
    stopper, _ = aside(sink.stop)
    while not sink._thread.stopped:
        threading.Event().wait(0.001)
    leave.set()
    thread.join(60)
    stopper.join(60)
    (error,) = came
    assert isinstance(error, SinkStalled)
