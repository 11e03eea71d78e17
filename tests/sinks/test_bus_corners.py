"""What a bus of a mixer says of itself."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import reactivex as rx
import soxr

from rxvoice import sinks
from rxvoice.errors import ConfigError
from rxvoice.events import Event, Underrun
from rxvoice.sinks._bus import Bus
from rxvoice.testing import FakeSpeaker, marbles

PATIENCE = 20.0  # seconds


class Still:
    """A mixer that plays nothing."""

    events = rx.empty()

    def heard(self) -> int:
        return 0

    def wake(self) -> None: ...
    def check(self) -> None: ...


def full_after_10_ms() -> Bus:
    return Bus(Still(), "voice", sample_rate=1000, duck_to=None, waits=True, max_buffer_ms=10)


def test_a_bus_takes_any_sample_rate_from_1_hz_on() -> None:
    m = marbles()
    bus = sinks.mixer(FakeSpeaker(m.scheduler), scheduler=m.scheduler).bus("voice")
    with pytest.raises(ConfigError, match="bus 'voice' sample_rate must be at least 1 Hz, got 0"):
        bus.set_sample_rate(0)
    bus.set_sample_rate(1)


def test_a_bus_runs_until_its_last_sample_was_heard() -> None:
    m = marbles()
    mixer = sinks.mixer(FakeSpeaker(m.scheduler, sample_rate=1000), scheduler=m.scheduler)
    bus = mixer.bus("voice")
    seen = [bus.is_running]
    bus.write_samples(np.full(100, 0.5, np.float32))
    for ms in (50, 99, 100, 200):
        m.scheduler.schedule_absolute(ms / 1000, lambda *_: seen.append(bus.is_running))
    m.scheduler.advance_to(1.0)
    assert seen == [False, True, True, False, False]
    assert bus.sample_rate == 1000


def test_a_bus_is_ducked_from_silence_to_full_loudness() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    bus = sinks.mixer(speaker, scheduler=m.scheduler, ahead_ms=20).bus("voice")
    for wrong in (-0.1, 1.1):
        with pytest.raises(ConfigError, match="duck gain must be from 0 to 1"):
            bus.duck(wrong)
    bus.write_samples(np.full(900, 0.5, np.float32))
    for ms, gain in ((200, 0), (400, 0.5), (600, 1)):
        m.scheduler.schedule_absolute(ms / 1000, lambda *_, gain=gain: bus.duck(gain))
    m.scheduler.advance_to(2.0)
    heard = speaker.heard
    assert [heard[at] for at in (150, 390, 590, 880)] == [0.5, 0.0, 0.25, 0.5]


def test_a_bus_tells_a_position_only_when_it_has_changed() -> None:
    m = marbles()
    mixer = sinks.mixer(FakeSpeaker(m.scheduler, sample_rate=1000), scheduler=m.scheduler)
    silent, voice = mixer.bus("silent"), mixer.bus("voice")
    told: dict[str, list[int]] = {"silent": [], "voice": []}
    silent.played.subscribe(told["silent"].append)
    voice.played.subscribe(told["voice"].append)
    voice.write_samples(np.full(300, 0.5, np.float32))
    m.scheduler.advance_to(1.0)
    assert told["silent"] == []
    assert told["voice"] == sorted(set(told["voice"]))
    assert told["voice"][-1] == 300


def test_a_clear_is_told_even_if_nothing_of_it_was_heard() -> None:
    m = marbles()
    mixer = sinks.mixer(FakeSpeaker(m.scheduler, sample_rate=1000), scheduler=m.scheduler)
    voice = mixer.bus("voice")
    told: list[int] = []
    voice.played.subscribe(told.append)
    voice.pause()
    voice.write_samples(np.full(300, 0.5, np.float32))
    m.scheduler.advance_to(0.1)
    assert told == []
    assert len(voice.clear()) == 300
    m.scheduler.advance_to(0.5)
    assert told == [0]


def test_a_subscriber_that_raises_is_logged_and_the_bus_plays_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    mixer = sinks.mixer(speaker, scheduler=m.scheduler)
    voice = mixer.bus("voice")

    def raising(position: int) -> None:
        raise ValueError("no")

    voice.played.subscribe(raising)
    voice.write_samples(np.full(100, 0.5, np.float32))
    m.scheduler.advance_to(1.0)
    assert len(speaker.heard) == 100
    assert caplog.messages
    assert set(caplog.messages) == {"a subscriber of the bus 'voice' raised"}
    assert all(it.exc_info for it in caplog.records)


def test_music_is_as_loud_as_before_50_ms_after_speech() -> None:
    """It fades by 1/50 of full loudness in a millisecond, in both directions."""
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    mixer = sinks.mixer(speaker, scheduler=m.scheduler, ahead_ms=20)
    music, voice = mixer.bus("music", duck_to=0.5), mixer.bus("voice")
    voice.write_samples(np.zeros(100, np.float32))
    music.write_samples(np.ones(1_000, np.float32))
    m.scheduler.advance_to(2.0)
    heard = speaker.heard
    rising = np.flatnonzero(np.diff(heard) > 0)
    assert len(rising) == 25
    assert np.allclose(np.diff(heard)[rising], 1 / 50, atol=1e-6)
    assert np.allclose(np.diff(heard)[:24], -1 / 50, atol=1e-6)
    assert heard[0] == pytest.approx(1 - 1 / 50)
    assert heard[25] == pytest.approx(0.5)


def test_a_mixer_without_a_sound_lets_go_of_its_loudspeaker_as_it_stops() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    mixer = sinks.mixer(speaker, scheduler=m.scheduler)
    bus = mixer.bus("silent")
    m.scheduler.advance_to(0.1)
    assert (bus.is_stopped, len(speaker.played.observers)) == (False, 1)
    mixer.stop()
    m.scheduler.advance_to(0.2)
    assert bus.is_stopped is True
    assert speaker.played.observers == []


@pytest.mark.parametrize("ended", [True, False])
def test_the_loudspeaker_is_told_that_nothing_follows_once_no_bus_has_more(ended: bool) -> None:
    class Ending(FakeSpeaker):
        ends = 0

        def end_reply(self) -> None:
            self.ends += 1

    m = marbles()
    speaker = Ending(m.scheduler, sample_rate=1000)
    mixer = sinks.mixer(speaker, scheduler=m.scheduler)
    mixer.bus("silent")
    bus = mixer.bus("voice")
    assert bus.is_over is True
    bus.write_samples(np.full(100, 0.5, np.float32))
    assert bus.is_over is False
    if ended:
        bus.end_reply()
    m.scheduler.advance_to(1.0)
    assert bus.is_over is ended
    assert speaker.ends == ended


def test_a_writer_waits_for_the_mixer_and_looks_for_itself_every_second() -> None:
    class Mixing:
        """A mixer that is at work whenever somebody waits."""

        events = rx.empty()
        mixed = 0

        def heard(self) -> int:
            return self.mixed

        def wake(self) -> None: ...
        def check(self) -> None: ...

    desk, waited = Mixing(), list[float | None]()
    bus = Bus(desk, "voice", sample_rate=1000, duck_to=None, waits=True, max_buffer_ms=10)

    class Changed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            bus.add_to(np.zeros(12, np.float32), desk.mixed, ducked=False)
            desk.mixed += 12
            return True

    bus._changed = Changed()
    for _ in range(2):
        bus.write_samples(np.full(20, 0.5, np.float32))
    assert waited == [1.0]
    assert bus.position == 12


def test_the_events_of_a_bus_are_those_of_the_loudspeaker() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    told: list[Event] = []
    lost = Underrun(3, 3, "wait")
    mixer = sinks.mixer(speaker, scheduler=m.scheduler)
    mixer.bus("voice").events.subscribe(told.append)
    speaker.events.on_next(lost)
    assert told == [lost]


def test_a_piece_that_waits_for_room_is_given_back_once() -> None:
    bus = full_after_10_ms()
    given_back: list[int] = []

    class Changed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            given_back.extend(len(bus.clear()) for _ in range(2))
            return True

    bus._changed = Changed()
    bus.write_samples(np.full(20, 0.5, np.float32))
    bus.write_samples(np.full(30, 0.5, np.float32))
    assert given_back == [50, 0]
    assert bus.written == 0


def test_sound_is_not_converted_to_its_end_while_a_piece_waits_that_goes_on() -> None:
    bus = full_after_10_ms()
    seen: list[tuple[int, bool]] = []

    class Changed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            seen.append((bus.ready(), bus._track.in_flight.is_open))
            bus.clear()
            return True

    bus._changed = Changed()
    for _ in range(2):
        bus.write_samples(np.full(20, 0.5, np.float32))
    assert seen == [(20, True)]


def test_a_bus_speaks_to_its_last_sample_and_is_over_once_it_is_cleared() -> None:
    m = marbles()
    bus = sinks.mixer(FakeSpeaker(m.scheduler), scheduler=m.scheduler).bus("voice")
    assert (bus.speaks, bus.is_over) == (False, True)
    assert bus.write_samples(np.zeros(0, np.float32)) == 0
    assert (bus.speaks, bus.is_over) == (False, True)
    bus.write_samples(np.full(1, 0.5, np.float32))
    assert (bus.speaks, bus.is_over) == (True, False)
    bus.clear()
    assert (bus.speaks, bus.is_over) == (False, True)


def test_a_paused_bus_has_nothing_to_mix() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=1000)
    bus = sinks.mixer(speaker, scheduler=m.scheduler).bus("voice")
    bus.pause()
    bus.write_samples(np.full(100, 0.5, np.float32))
    assert bus.ready() == 0
    bus.resume()
    assert bus.ready() == 100


def test_whoever_waits_for_the_end_is_told_that_the_loudspeaker_is_gone() -> None:
    class Going:
        events = rx.empty()
        waits = 0

        def heard(self) -> int:
            return 0

        def wake(self) -> None: ...

        def check(self) -> None:
            if self.waits:
                raise OSError("gone")

    desk = Going()
    bus = Bus(desk, "voice", sample_rate=1000, duck_to=None, waits=True, max_buffer_ms=100)

    class Changed(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            desk.waits += 1
            assert desk.waits == 1
            return True

    bus._changed = Changed()
    bus.write_samples(np.full(20, 0.5, np.float32))
    with pytest.raises(OSError, match="gone"):
        bus.flush()


def test_a_bus_that_is_flushed_is_over() -> None:
    m = marbles()
    bus = sinks.mixer(FakeSpeaker(m.scheduler, sample_rate=1000), scheduler=m.scheduler).bus("a")
    bus.write_samples(np.full(10, 0.5, np.float32))
    assert not bus.is_over
    bus.flush()
    assert bus.is_over


def test_a_bus_that_was_stopped_has_nothing_queued() -> None:
    m = marbles()
    bus = sinks.mixer(FakeSpeaker(m.scheduler, sample_rate=1000), scheduler=m.scheduler).bus("a")
    bus.write_samples(np.full(10, 0.5, np.float32))
    assert bus.queued_ms == 10
    bus.stop()
    assert bus.queued_ms == 0


@pytest.mark.parametrize(("queued", "goes_on"), [(1200, True), (1199, False)])
def test_a_sound_is_converted_to_its_end_when_less_than_25_ms_are_queued(
    queued: int, goes_on: bool
) -> None:
    m = marbles()
    bus = sinks.mixer(FakeSpeaker(m.scheduler, sample_rate=48_000), scheduler=m.scheduler).bus("a")
    bus.write_samples(np.full(queued, 0.5, np.float32))
    assert bus.ready() == queued
    assert bus._track.in_flight.is_open is goes_on
    assert not bus.is_over


def test_sound_that_comes_in_time_is_converted_as_one() -> None:
    """The second piece comes after 100 ms, when 400 ms are still queued."""
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=16_000)
    bus = sinks.mixer(speaker, scheduler=m.scheduler).bus("voice")
    bus.set_sample_rate(8_000)
    wave = (0.5 * np.sin(np.arange(8_000) / 3)).astype(np.float32)
    bus.write_samples(wave[:4_000])
    m.scheduler.advance_to(0.1)
    bus.write_samples(wave[4_000:])
    bus.end_reply()
    m.scheduler.advance_to(3.0)
    whole = soxr.resample(wave, 8_000, 16_000)
    assert len(speaker.heard) == len(whole)
    assert np.allclose(speaker.heard, whole, atol=1e-3)


@pytest.mark.parametrize("act", ["tell", "wake_up"])
def test_whoever_waits_for_the_mixer_is_woken_by_it(act: str) -> None:
    class Mixing:
        events = rx.empty()
        mixed = 0
        error: Exception | None = None

        def heard(self) -> int:
            return self.mixed

        def wake(self) -> None: ...

        def check(self) -> None:
            if self.error:
                raise self.error

    class Patient(Bus):
        def _patience(self) -> float:
            waiting.set()
            return 3600.0

    desk, waiting, ended = Mixing(), threading.Event(), list[object]()
    bus = Patient(desk, "voice", sample_rate=1000, duck_to=None, waits=True, max_buffer_ms=10)

    def flush() -> None:
        try:
            bus.flush()
            ended.append("heard")
        except OSError as error:
            ended.append(error)

    bus.write_samples(np.full(20, 0.5, np.float32))
    thread = threading.Thread(target=flush, daemon=True)
    thread.start()
    assert waiting.wait(PATIENCE)
    if act == "tell":
        bus.add_to(np.zeros(20, np.float32), 0, ducked=False)
        desk.mixed = 20
        bus.tell()
    else:
        desk.error = OSError("gone")
        bus.wake_up()
    thread.join(PATIENCE)
    assert ended == ["heard" if act == "tell" else desk.error]


@pytest.mark.parametrize(("sample_rate", "fade"), [(100, 1), (1000, 5), (199_800, 999)])
def test_what_a_clear_leaves_is_a_fade_of_5_ms_and_a_sample_at_least(
    sample_rate: int, fade: int
) -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=sample_rate)
    bus = sinks.mixer(speaker, scheduler=m.scheduler).bus("voice")
    bus.write_samples(np.full(2000, 0.5, np.float32))
    bus.add_to(np.zeros(4, np.float32), 0, ducked=False)
    assert len(bus.clear()) == 2000 - 4 - fade
