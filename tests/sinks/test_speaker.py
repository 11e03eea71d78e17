"""`speaker`, on a sound system that asks for sound when the test does."""

from __future__ import annotations

import queue
import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import soxr
from reactivex import Observable, Subject
from sinks import fake_sound
from sinks.fake_sound import FakeSound

import rxvoice as rxv
from rxvoice import Reply, Samples, Speech, Transcript, Turn, events, sinks
from rxvoice import operators as vox
from rxvoice.errors import AudioFormatError, ConfigError, SinkStalled
from rxvoice.sinks import Speaker, _loudspeaker
from rxvoice.sinks import speaker as make

speaker_module = sys.modules["rxvoice.sinks.speaker"]

SOON = 60.0
"""Seconds in which it happens, or never does."""


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> FakeSound:
    fake = fake_sound.install(monkeypatch)
    monkeypatch.setattr(_loudspeaker, "_WAITS_S", (0.001,))
    return fake


@pytest.fixture
def sink(sound: FakeSound) -> Iterator[Speaker]:
    with make(start_buffer_ms=0) as speaker:
        yield speaker


class Told:
    """What an observable tells, in order."""

    def __init__(self, observable: Observable[object]) -> None:
        self._values: queue.SimpleQueue[object] = queue.SimpleQueue()
        observable.subscribe(self._values.put, on_completed=lambda: self._values.put("completed"))

    def next(self) -> object:
        return self._values.get(timeout=SOON)

    def until(self, value: object) -> list[object]:
        values: list[object] = []
        while not values or values[-1] != value:
            values.append(self.next())
        return values

    @property
    def nothing(self) -> bool:
        return self._values.empty()


def ramp(size: int, first: int = 1) -> Samples:
    return np.arange(first, first + size, dtype=np.float32) / 524_288


def tone(size: int, rate: int) -> Samples:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(size) / rate)).astype(np.float32)


def aside(action: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run it on a thread; its result or error, once that has been joined."""
    came: list[object] = []

    def run() -> None:
        try:
            came.append(action())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, came


def waiting(sink: Speaker, thread: threading.Thread) -> None:
    """Until the thread waits in the sink."""
    while not sink._changed._waiters and thread.is_alive():  # type: ignore[attr-defined]
        threading.Event().wait(0.001)


def played_out(sound: FakeSound, thread: threading.Thread, frames: int = 480) -> Samples:
    """Ask for sound until the thread is over."""
    heard = []
    for _ in range(10_000):
        heard.append(sound.stream.ask(frames))
        if not thread.is_alive():
            return np.concatenate(heard)
        thread.join(0.001)
    raise AssertionError("it never ended")


def test_it_plays_what_it_takes(sound: FakeSound, sink: Speaker) -> None:
    assert sink.write_samples(ramp(1000)) == 1000
    assert sound.stream.ask(600).tolist() == ramp(600).tolist()
    assert sink.position == 600
    assert sink.queued_ms == pytest.approx(400 / 48)
    assert sound.stream.ask(600).tolist() == [*ramp(400, 601).tolist(), *[0] * 200]
    assert sink.position == 1000
    assert sink.queued_ms == 0


def test_the_device_is_opened_as_it_likes(sound: FakeSound) -> None:
    with make() as sink:
        assert (sink.device, sink.sample_rate) == ("box", 48_000)
        assert sound.stream.options["channels"] == 2
        assert sound.stream.options["blocksize"] == 480
    with make("phones", sample_rate=8_000) as sink:
        assert (sink.device, sink.sample_rate) == ("phones", 8_000)
        assert sound.stream.options["channels"] == 1
    assert all(stream.closed for stream in sound.streams)


def test_position_is_what_has_left_the_loudspeaker(sound: FakeSound, sink: Speaker) -> None:
    sink.write_samples(ramp(1000))
    sound.stream.ask(480, delay=1000.0)
    assert sink.position == 0
    assert sink.is_running
    sound.stream.ask(480)
    assert sink.position == 960


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_numpy_is_converted_as_one_signal(sound: FakeSound, sink: Speaker, rate: int) -> None:
    whole = tone(rate // 4, rate)
    sink.set_sample_rate(rate)
    for at in range(0, len(whole), 700):
        sink.write_samples(whole[at : at + 700])
    thread, _ = aside(sink.flush)
    heard = played_out(sound, thread)
    wanted = soxr.resample(whole, rate, 48_000)
    assert np.allclose(heard[: len(wanted)], wanted, atol=1e-4)
    assert not heard[len(wanted) + 1 :].any()
    assert sink.position == len(whole)


@pytest.mark.models
def test_mlx_is_converted_by_mlx_as_one_signal(
    sound: FakeSound, sink: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlx.core as mx

    from rxvoice.mlx import resample
    from rxvoice.mlx.resample import MlxResampler

    monkeypatch.setattr(resample, "is_faster_than_soxr", lambda: True)
    whole = tone(6000, 24_000)
    sink.set_sample_rate(24_000)
    pieces: list[Any] = [mx.array(whole[at : at + 700]) for at in range(0, len(whole), 700)]
    for piece in pieces:
        sink.convert_ahead(piece, 24_000, "a sentence")
    for piece in pieces:
        sink.write_samples(piece)
    thread, _ = aside(sink.flush)
    heard = played_out(sound, thread)
    resampler = MlxResampler(24_000, 48_000)
    wanted = np.concatenate([np.asarray(resampler.feed(whole)), np.asarray(resampler.end())])
    assert len(wanted) == 12_000
    assert np.abs(heard[:12_000] - wanted).max() < 1e-6
    assert sink.position == 6000
    with pytest.raises(AudioFormatError, match="wanted float32 samples of shape"):
        sink.write_samples(mx.array([[0.5]]))  # pyright: ignore[reportArgumentType]


def test_the_end_of_a_signal_is_played_though_nobody_told(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.played)
    sink.set_sample_rate(16_000)
    sink.write_samples(tone(1600, 16_000))
    thread, _ = aside(lambda: told.until(1600))
    played_out(sound, thread)
    assert sink.position == 1600


@pytest.mark.parametrize("seed", range(8))
def test_what_is_cleared_and_what_was_heard_is_what_was_written(
    sound: FakeSound, sink: Speaker, seed: int
) -> None:
    rng = random.Random(seed)
    taken = cleared = 0
    for _ in range(25):
        since = sink.position
        written: list[Samples] = []
        for _ in range(rng.randrange(1, 6)):
            if rng.random() < 0.5:
                sink.set_sample_rate(rng.choice((16_000, 24_000, 44_100, 48_000)))
            written.append(ramp(rng.randrange(1, 3000), rng.randrange(1000)))
            sink.write_samples(written[-1])
            if rng.random() < 0.7:
                sound.stream.ask(rng.randrange(1, 4000))
            if rng.random() < 0.2:
                sink.pause()
        taken += sum(map(len, written))
        unheard = sink.clear()
        cleared += len(unheard)
        whole = np.concatenate(written)
        assert unheard.tolist() == whole[len(whole) - len(unheard) :].tolist()
        sink.resume()
        sound.stream.ask(4000)
        assert sink.position == taken - cleared
        assert sink.position >= since
        assert sink.queued_ms == 0


def test_cleared_while_paused_nothing_more_is_heard(sound: FakeSound, sink: Speaker) -> None:
    sink.write_samples(ramp(2000))
    sound.stream.ask(480)
    sink.pause()
    sound.stream.ask(480)
    heard = sink.position
    assert heard == 480 + 240
    assert sink.clear().tolist() == ramp(2000 - heard, heard + 1).tolist()
    sink.resume()
    assert not sound.stream.ask(480).any()
    sink.write_samples(ramp(3, 7))
    assert sound.stream.ask(3).tolist() == ramp(3, 7).tolist()


def test_paused_it_does_not_run_and_flush_waits(sound: FakeSound, sink: Speaker) -> None:
    sink.write_samples(ramp(2000))
    sound.stream.ask(480)
    assert sink.is_running
    sink.pause()
    sound.stream.ask(480)
    assert not sink.is_running
    thread, came = aside(sink.flush)
    waiting(sink, thread)
    sound.stream.ask(4000)
    assert thread.is_alive()
    sink.resume()
    played_out(sound, thread)
    assert came == [None]
    assert sink.position == 2000


def test_duck_plays_more_softly(sound: FakeSound, sink: Speaker) -> None:
    sink.write_samples(np.ones(3000, np.float32) * 0.5)
    sound.stream.ask(10)
    sink.duck(0.5)
    sound.stream.ask(400)
    assert sound.stream.ask(10).tolist() == [0.25] * 10
    sink.duck(1)
    sound.stream.ask(400)
    assert sound.stream.ask(10).tolist() == [0.5] * 10
    with pytest.raises(ConfigError, match=r"duck gain must be from 0 to 1 .*, got 2"):
        sink.duck(2)


def test_samples_are_the_callers_who_may_use_them_again(sound: FakeSound, sink: Speaker) -> None:
    buffer = ramp(100)
    sink.write_samples(buffer)
    buffer[:] = 0
    assert sound.stream.ask(50).tolist() == ramp(50).tolist()
    assert len(sink.clear()) == 0
    sink.write_samples(ramp(1000))
    buffer = sink.clear()
    assert buffer.tolist() == ramp(1000).tolist()


# What waits.


def full(sink: Speaker, sound: FakeSound) -> tuple[threading.Thread, list[object]]:
    """A sink with 5 s queued, and a thread that writes another piece."""
    sink.write_samples(ramp(48_000 * 5))
    thread, came = aside(lambda: sink.write_samples(ramp(100, 5)))
    waiting(sink, thread)
    assert sink.queued_ms == 5000
    return thread, came


def test_a_write_waits_for_room(sound: FakeSound, sink: Speaker) -> None:
    thread, came = full(sink, sound)
    sound.stream.ask(47_000)
    assert thread.is_alive()
    sound.stream.ask(1000)
    thread.join(SOON)
    assert came == [100]
    assert sink.queued_ms == pytest.approx(4000 + 100 / 48)


def test_paused_no_write_waits(sound: FakeSound, sink: Speaker) -> None:
    thread, came = full(sink, sound)
    sink.pause()
    thread.join(SOON)
    assert came == [100]
    assert sink.write_samples(ramp(100, 6)) == 100
    sink.resume()
    thread, came = aside(lambda: sink.write_samples(ramp(100, 7)))
    waiting(sink, thread)
    sink.clear()
    thread.join(SOON)
    assert came == [100]


def test_clear_takes_what_waits_as_well(sound: FakeSound, sink: Speaker) -> None:
    thread, came = full(sink, sound)
    unheard = sink.clear()
    thread.join(SOON)
    assert came == [100]
    assert unheard[-100:].tolist() == ramp(100, 5).tolist()
    assert len(unheard) == 5 * 48_000 + 100
    assert not sound.stream.ask(480).any()


def test_stop_wakes_those_who_wait(sound: FakeSound, sink: Speaker) -> None:
    writer, wrote = full(sink, sound)
    sink.stop()
    writer.join(SOON)
    (error,) = wrote
    assert isinstance(error, SinkStalled)
    assert str(error) == "the speaker has been stopped: make a new one"


@pytest.mark.parametrize("how", ["clear", "stop"])
def test_flush_wakes_when_there_is_nothing_to_wait_for(
    sound: FakeSound, sink: Speaker, how: str
) -> None:
    sink.write_samples(ramp(1000))
    thread, came = aside(sink.flush)
    waiting(sink, thread)
    getattr(sink, how)()
    thread.join(SOON)
    assert came == [None]


def test_flush_with_nothing_to_play_returns(sink: Speaker) -> None:
    sink.flush()


# What is told.


def test_played_tells_the_first_sample_and_the_last(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.played)
    for reply in range(3):
        before = 1000 * reply
        sink.write_samples(ramp(1000))
        sound.stream.ask(480)
        assert told.next() == before + 480
        sound.stream.ask(480)
        sound.stream.ask(480)
        assert told.until(before + 1000)[-1] == before + 1000
        sink.end_reply()
        sound.stream.ask(480)
    assert told.nothing
    sink.stop()
    assert told.next() == "completed"


def test_played_tells_when_the_device_has_played_it(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.played)
    sink.write_samples(ramp(480))
    sound.stream.ask(480, delay=0.05)
    assert sink.position == 0
    values = told.until(480)
    assert values[0] != 0
    assert values == sorted(values)


def test_played_tells_of_a_clear(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.played)
    sink.write_samples(ramp(1000))
    sink.clear()
    assert told.next() == 0


def test_one_who_raises_does_not_keep_it_from_others(
    sound: FakeSound, sink: Speaker, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(_: int) -> None:
        raise RuntimeError("what?")

    sink.played.subscribe(bad)
    sink.write_samples(ramp(1000))
    thread, came = aside(sink.flush)
    played_out(sound, thread)
    assert came == [None]
    assert "a subscriber of the speaker raised" in caplog.text


def test_it_can_be_stopped_from_its_own_thread(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.events)
    sink.played.subscribe(lambda _: sink.stop())
    sink.write_samples(ramp(1000))
    sound.stream.ask(480)
    assert told.next() == "completed"


def test_stop_is_the_end(sound: FakeSound, sink: Speaker) -> None:
    sink.write_samples(ramp(1000))
    sink.stop()
    sink.stop()
    assert sound.stream.closed
    assert sink.queued_ms == 0
    assert not sink.is_running
    assert not any(thread.name == "rxvoice-speaker" for thread in threading.enumerate())
    with pytest.raises(SinkStalled, match="the speaker has been stopped: make a new one"):
        sink.write_samples(ramp(1))


# Silence in the middle.


def test_silence_in_the_middle_is_reported(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.events)
    sink.write_samples(ramp(1000))
    sound.stream.ask(1100)
    sound.stream.ask(500)
    sink.write_samples(ramp(1000))
    sound.stream.ask(100)
    underrun = told.next()
    assert isinstance(underrun, events.Underrun)
    assert (underrun.samples, underrun.total) == (600, 600)
    assert underrun.remedy.startswith("speech is made more slowly than it is played: raise start")


def test_a_device_that_was_kept_waiting_is_reported(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.events)
    sink.write_samples(ramp(4800))
    sound.stream.ask(480, delay=-1.0)
    sound.stream.ask(480, late=True, delay=-0.9)
    underrun = told.next()
    assert isinstance(underrun, events.Underrun)
    assert underrun.samples == pytest.approx(48_000 * 0.09, abs=480)
    assert underrun.remedy.startswith("the device was not served in time")


REPLY = Reply(Transcript(Turn.of(np.zeros(512, np.float32), id=3), "hello"), "Hi.")


def test_the_silence_between_two_replies_is_none(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.events)
    source: Subject[Speech | rxv.Event] = Subject()
    source.pipe(vox.play(sink)).subscribe(lambda _: None)
    for _ in range(3):
        source.on_next(Speech(REPLY, ramp(1000), 48_000, "Hi."))
        sound.stream.ask(1100)
        source.on_next(Speech(REPLY, np.empty(0, np.float32), 48_000, final=True))
        sound.stream.ask(500)
    source.on_next(Speech(REPLY, ramp(1000), 48_000, "Hi."))
    sound.stream.ask(500)
    # Where ends are told, silence of any length is one in the middle.
    sound.stream.ask(500 + 96_000)
    source.on_next(Speech(REPLY, ramp(1000), 48_000, "Hi."))
    sound.stream.ask(500)
    underrun = told.next()
    assert isinstance(underrun, events.Underrun)
    assert underrun.total == 96_000


def test_a_short_reply_is_played_at_once_when_it_is_over(sound: FakeSound) -> None:
    with make() as sink:
        sink.write_samples(ramp(1000))
        assert not sound.stream.ask(100).any()
        sink.end_reply()
        assert sound.stream.ask(100).all()
    with make() as sink:
        sink.write_samples(ramp(1000))
        sink.start()
        assert sound.stream.ask(100).all()


# Devices that go.


def test_on_a_device_that_returns_it_goes_on(sound: FakeSound, sink: Speaker) -> None:
    told = Told(sink.events)
    sink.write_samples(ramp(1000))
    sound.stream.ask(480)
    sound.refused = True
    gone = sound.stream
    gone.end()
    lost = told.next()
    assert lost == events.DeviceLost("speaker", "box", "its stream ended")
    assert not gone.ask(480).any()
    sound.refused = False
    while sound.stream is gone:
        threading.Event().wait(0.001)
    assert sound.stream.ask(600).tolist() == [*ramp(520, 481).tolist(), *[0] * 80]
    restored = told.next()
    assert isinstance(restored, events.DeviceRestored)
    assert restored.device == "box"
    assert restored.gone_ms >= 0
    assert gone.closed
    assert sink.position == 1000


def test_on_the_default_device_at_its_own_rate_as_well(sound: FakeSound) -> None:
    sound.devices.reverse()  # phones are the default
    with make("box", start_buffer_ms=0) as sink:
        told = Told(sink.events)
        sink.set_sample_rate(16_000)
        voice = tone(16_000, 16_000)
        sink.write_samples(voice)
        sound.stream.ask(4800)
        sink.pause()
        heard = sink.position
        assert heard == 1600
        del sound.devices[1]
        sound.refused_rates = {48_000}
        gone = sound.stream
        gone.end()
        assert isinstance(told.next(), events.DeviceLost)
        while sound.stream is gone:
            threading.Event().wait(0.001)
        assert not sound.stream.ask(100).any()
        restored = told.next()
        assert isinstance(restored, events.DeviceRestored)
        assert (restored.device, sink.device, sink.sample_rate) == ("phones", "phones", 16_000)
        sink.resume()
        sound.stream.ask(400)
        assert sound.stream.ask(800).tolist() == voice[2000:2800].tolist()
        assert sink.position == 2800
        assert len(sink.clear()) == 16_000 - 2800 - 80


def test_a_device_that_asks_for_nothing_is_gone(
    sound: FakeSound, sink: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_loudspeaker, "_SILENT_S", 0.02)
    told = Told(sink.events)
    first = sound.stream
    first.ask(480)
    sink.write_samples(ramp(1000))
    assert told.next() == events.DeviceLost("speaker", "box", "it asks for no more sound")
    while sound.stream is first:
        threading.Event().wait(0.001)
    assert first.closed


def test_where_no_device_comes_back_a_write_says_so(
    sound: FakeSound, sink: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker_module, "_GONE_MS", 20)
    told = Told(sink.events)
    sink.write_samples(ramp(48_000 * 5))
    sound.refused = True
    sound.stream.end()
    assert isinstance(told.next(), events.DeviceLost)
    with pytest.raises(SinkStalled, match="'box' has been gone for 0 s, and there is no other"):
        sink.write_samples(ramp(1))
    with pytest.raises(SinkStalled, match="connect one, or stop the sink"):
        sink.flush()


# Arguments.


def test_a_device_that_there_is_not_lists_those_there_are(sound: FakeSound) -> None:
    with pytest.raises(ConfigError, match=r"no speaker device 'horn': choose one of 0 'box', 1"):
        make("horn")


def test_a_device_that_does_not_open_says_why(sound: FakeSound) -> None:
    sound.refused = True
    with pytest.raises(ConfigError, match="'box' does not open at 8000 Hz: Invalid device; choose"):
        make(sample_rate=8000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 0}, "speaker sample_rate must be at least 1 Hz, got 0"),
        ({"start_buffer_ms": -1}, "speaker start_buffer_ms must be at least 0 ms, got -1"),
        ({"max_buffer_ms": 50}, "speaker max_buffer_ms must be at least 100 ms, got 50"),
        ({"start_buffer_ms": 1.5}, "speaker start_buffer_ms must be a whole number of ms, got 1.5"),
    ],
)
def test_a_bad_argument_raises(sound: FakeSound, options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**options)


@pytest.mark.parametrize("bad", [np.zeros((2, 2), np.float32), np.array([np.nan], np.float32)])
def test_what_is_no_audio_is_refused(sink: Speaker, bad: Samples) -> None:
    with pytest.raises(AudioFormatError, match="wanted"):
        sink.write_samples(bad)
    assert sink.write_samples(np.empty(0, np.float32)) == 0


def test_it_is_one_of_the_sinks() -> None:
    assert sinks.speaker is make is rxv.speaker
