"""`sinks.mixer`: several sinks share one loudspeaker, to the sample."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from interruption_kit import RATE as CONVERSATION_RATE
from interruption_kit import Scene, decode
from reactivex import operators as ops

import rxvoice as rxv
from rxvoice import sinks
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.testing import FakeSpeaker, marbles

RATE = 1000
PATIENCE = 60.0  # seconds


def level(n: int, value: float = 0.5) -> rxv.Samples:
    return np.full(n, value, np.float32)


def ramp(n: int, start: int = 0) -> rxv.Samples:
    return (np.arange(start, start + n) / 4096).astype(np.float32)


class Desk:
    """A mixer on a loudspeaker in virtual time, at 1 kHz: a sample is a millisecond."""

    def __init__(self, **options: Any) -> None:
        self.m = marbles()
        self.speaker = FakeSpeaker(self.m.scheduler, sample_rate=RATE)
        self.mixer = sinks.mixer(self.speaker, scheduler=self.m.scheduler, **options)

    def at(self, ms: int, act: Callable[[], object]) -> None:
        self.m.scheduler.schedule_absolute(ms / 1000, lambda *_: act())

    def run(self, ms: int = 2_000) -> rxv.Samples:
        """What was heard by then."""
        self.m.scheduler.advance_to(ms / 1000)
        return self.speaker.heard


def test_one_bus_is_heard_as_it_is() -> None:
    desk = Desk()
    voice = desk.mixer.bus("voice")
    voice.write_samples(ramp(333))
    assert np.array_equal(desk.run(), ramp(333))
    assert (voice.position, voice.written, voice.queued_ms) == (333, 333, 0)


def test_two_are_added_sample_by_sample() -> None:
    desk = Desk(ahead_ms=20)
    a, b = desk.mixer.bus("a"), desk.mixer.bus("b")
    a.write_samples(level(100, 0.25))
    desk.at(50, lambda: b.write_samples(ramp(100)))
    heard = desk.run()
    # At 50 ms 70 were mixed already.
    expected = np.zeros(170, np.float32)
    expected[:100] += 0.25
    expected[70:] += ramp(100)
    assert np.array_equal(heard, expected)


def test_a_sum_above_full_scale_is_limited() -> None:
    desk = Desk()
    for name in "abc":
        desk.mixer.bus(name).write_samples(level(50, -0.5))
    assert np.array_equal(desk.run(), level(50, -1))


def test_what_was_heard_of_each_is_told_to_the_sample_while_the_other_plays() -> None:
    desk = Desk(ahead_ms=20)
    music, voice = desk.mixer.bus("music", duck_to=0.0), desk.mixer.bus("voice")
    music.write_samples(level(1_000))
    desk.at(100, lambda: voice.write_samples(ramp(200)))
    seen: list[tuple[int, int]] = []
    for ms in (99, 120, 121, 250, 319, 320, 500):
        desk.at(ms, lambda: seen.append((music.position, voice.position)))
    desk.run()
    assert seen == [(99, 0), (120, 0), (121, 1), (250, 130), (319, 199), (320, 200), (500, 200)]


def test_clear_gives_back_what_was_not_heard_and_the_other_plays_on() -> None:
    desk = Desk(ahead_ms=20)
    music, voice = desk.mixer.bus("music", duck_to=1.0), desk.mixer.bus("voice")
    music.write_samples(level(500, 0.25))
    voice.write_samples(ramp(500))
    got: list[rxv.Samples] = []
    desk.at(100, lambda: got.append(voice.clear()))
    heard = desk.run()
    (unheard,) = got
    # 120 were mixed; the fade of 5 ms is heard, too.
    assert np.array_equal(unheard, ramp(375, 125))
    assert (voice.position, voice.written, voice.queued_ms) == (125, 125, 0)
    expected = level(500, 0.25)
    expected[:120] += ramp(120)
    assert np.allclose(heard[:120], expected[:120], atol=1e-7)
    assert np.array_equal(heard[125:], expected[125:])
    fade = (heard[120:125] - 0.25) / ramp(5, 120)
    assert np.allclose(fade, [0.8, 0.6, 0.4, 0.2, 0.0], atol=1e-4)
    assert (music.position, music.written) == (500, 500)


def test_a_pause_skips_and_repeats_nothing_and_the_other_plays_on() -> None:
    desk = Desk(ahead_ms=20)
    music, voice = desk.mixer.bus("music", duck_to=1.0), desk.mixer.bus("voice")
    music.write_samples(np.zeros(1_000, np.float32))
    voice.write_samples(level(300))
    seen: list[int] = []
    desk.at(100, voice.pause)
    desk.at(400, lambda: seen.append(voice.position))
    desk.at(400, lambda: seen.append(music.position))
    desk.at(400, voice.resume)
    heard = desk.run()
    assert seen == [125, 400]
    assert voice.position == 300
    assert np.count_nonzero(heard) == 300 - 1  # the last of the fade is zero, and was heard
    assert not heard[125:420].any()


def test_pausing_the_only_one_pauses_and_it_goes_on() -> None:
    desk = Desk(ahead_ms=20)
    voice = desk.mixer.bus("voice")
    voice.write_samples(level(300))
    desk.at(100, voice.pause)
    desk.at(101, lambda: voice.write_samples(level(100)))
    desk.at(900, voice.resume)
    desk.run(800)
    assert (voice.position, voice.is_running) == (125, False)
    desk.run()
    assert voice.position == 400


def test_music_is_ducked_under_speech_without_a_step() -> None:
    desk = Desk(ahead_ms=20)
    music, voice = desk.mixer.bus("music", duck_to=0.2), desk.mixer.bus("voice")
    music.write_samples(level(2_000, 1.0))
    desk.at(200, lambda: voice.write_samples(np.zeros(300, np.float32)))
    heard = desk.run(2_500)
    assert (heard[:220] == 1).all()
    assert np.allclose(heard[260:820], 0.2)  # 300 ms of speech, 300 ms after it
    assert (heard[900:2_000] == 1).all()
    assert np.abs(np.diff(heard[:2_000])).max() <= 1 / 50 + 1e-6


def test_speech_that_is_paused_still_ducks() -> None:
    desk = Desk(ahead_ms=20)
    music, voice = desk.mixer.bus("music", duck_to=0.2), desk.mixer.bus("voice")
    music.write_samples(level(2_000, 1.0))
    voice.write_samples(np.zeros(500, np.float32))
    desk.at(100, voice.pause)
    heard = desk.run()
    assert np.allclose(heard[60:], 0.2)


def test_a_gap_between_two_sentences_keeps_it_ducked() -> None:
    desk = Desk(ahead_ms=20)
    music, voice = desk.mixer.bus("music", duck_to=0.5), desk.mixer.bus("voice")
    music.write_samples(level(1_500, 1.0))
    voice.write_samples(np.zeros(100, np.float32))
    desk.at(350, lambda: voice.write_samples(np.zeros(100, np.float32)))
    heard = desk.run()
    assert np.allclose(heard[60:700], 0.5)


def test_other_rates_are_converted_and_positions_are_as_written() -> None:
    desk = Desk(sample_rate=48_000)
    a, b = desk.mixer.bus("a"), desk.mixer.bus("b")
    a.set_sample_rate(16_000)
    b.set_sample_rate(24_000)
    tone = np.sin(2 * np.pi * 440 * np.arange(8_000) / 16_000).astype(np.float32) / 2
    a.write_samples(tone)
    a.end_reply()
    b.write_samples(np.zeros(12_000, np.float32))
    heard = desk.run()
    assert len(heard) == 24_000
    wanted = np.sin(2 * np.pi * 440 * np.arange(24_000) / 48_000) / 2
    assert np.abs(heard - wanted)[1_000:-1_000].max() < 1e-3
    assert (a.position, b.position) == (8_000, 12_000)


def test_a_converted_signal_is_heard_to_its_end_though_nobody_ends_it() -> None:
    desk = Desk(sample_rate=48_000)
    voice = desk.mixer.bus("voice")
    voice.set_sample_rate(16_000)
    voice.write_samples(level(800))
    assert len(desk.run()) == 2_400
    assert (voice.position, voice.queued_ms) == (800, 0)


def test_played_tells_the_first_and_the_last_sample() -> None:
    desk = Desk(ahead_ms=20)
    voice = desk.mixer.bus("voice")
    said: list[tuple[int, int]] = []
    voice.played.subscribe(lambda position: said.append((desk.m.now_ms, position)))
    desk.at(10, lambda: voice.write_samples(ramp(95)))
    desk.run()
    assert said[0] == (11, 1)
    assert said[-1] == (105, 95)


def test_a_source_is_a_bus_of_its_own_and_ends_when_it_was_heard() -> None:
    desk = Desk()
    music = desk.mixer.bus("music", duck_to=0.2)
    ended: list[str] = []
    music.played.subscribe(on_completed=lambda: ended.append(f"{desk.m.now_ms} ms"))
    sound = rxv.sources.array(ramp(500), RATE, sample_rate=RATE)
    sound.subscribe(music)
    assert np.array_equal(desk.run(), ramp(500))
    assert ended == ["500 ms"]
    desk.mixer.bus("music")  # the name is free again


def test_a_loop_of_music_never_ends() -> None:
    desk = Desk(ahead_ms=20)
    music = desk.mixer.bus("music", duck_to=0.2)
    sound = rxv.sources.array(ramp(500), RATE, sample_rate=RATE, realtime=True)
    playing = sound.pipe(ops.repeat()).subscribe(music, scheduler=desk.m.scheduler)
    desk.run(5_000)
    playing.dispose()
    assert 4_800 <= music.position <= 5_000
    assert music.queued_ms < 100


def test_a_bus_that_is_stopped_fades_and_the_other_plays_on() -> None:
    desk = Desk(ahead_ms=20)
    a, b = desk.mixer.bus("a"), desk.mixer.bus("b")
    a.write_samples(level(300, 0.5))
    b.write_samples(level(300, 0.25))
    desk.at(100, a.stop)
    heard = desk.run()
    assert np.allclose(heard[120:125], 0.25 + 0.5 * np.array([0.8, 0.6, 0.4, 0.2, 0]), atol=1e-6)
    assert (heard[125:300] == 0.25).all()
    with pytest.raises(SinkStalled, match="the bus 'a' has been stopped: make a new one"):
        a.write_samples(level(1))


def test_the_end_of_the_mixer_ends_every_bus_and_leaves_the_loudspeaker() -> None:
    desk = Desk(ahead_ms=20)
    with desk.mixer as mixer:
        bus = mixer.bus("music")
        bus.write_samples(level(300))
        desk.run(100)
    desk.run()
    with pytest.raises(SinkStalled):
        bus.write_samples(level(1))
    with pytest.raises(SinkStalled, match="the mixer has been stopped"):
        mixer.bus("more")
    assert not desk.speaker.stopped
    assert len(desk.speaker.heard) == 125


def test_what_the_loudspeaker_raises_is_raised_by_the_buses() -> None:
    desk = Desk()
    bus = desk.mixer.bus("voice")
    bus.write_samples(level(1_000))
    desk.run(100)
    desk.speaker.stop()
    desk.run(200)
    with pytest.raises(SinkStalled, match="the FakeSpeaker has been stopped"):
        bus.write_samples(level(1))


def test_what_waits_when_mixer_and_loudspeaker_end_is_dropped_and_no_error() -> None:
    with (
        sinks.null(realtime=True, sample_rate=8_000) as speaker,
        sinks.mixer(speaker, max_buffer_ms=20) as mixer,
    ):
        bus = mixer.bus("music")
        bus.write_samples(level(8_000 * 30))
        took: list[int] = []
        writer = threading.Thread(target=lambda: took.append(bus.write_samples(level(5))))
        writer.start()
        while bus._waiting is None:
            threading.Event().wait(0.001)
        with bus._changed:  # it does not see that it is stopped before the rest is over, too
            bus._stopped = True
            mixer._error = SinkStalled("the loudspeaker is gone")
            bus._changed.notify_all()
        writer.join(PATIENCE)
    assert took == [5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ahead_ms": 19}, "mixer ahead_ms must be at least 20 ms, got 19"),
        ({"max_buffer_ms": 0}, "mixer max_buffer_ms must be at least 1 ms, got 0"),
        ({"sample_rate": -1}, "mixer sample_rate must be at least 1 Hz, got -1"),
    ],
)
def test_bad_arguments(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Desk(**options)


def test_a_sink_without_time_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"which has no position and no queued_ms: pass rxv.spea"):
        sinks.mixer(sinks.memory())


@pytest.mark.parametrize("duck_to", [-0.1, 1.5, "soft"])
def test_a_bad_gain(duck_to: Any) -> None:
    with pytest.raises(ConfigError, match="mixer duck_to must be"):
        Desk().mixer.bus("music", duck_to=duck_to)


def test_a_name_is_taken_once() -> None:
    desk = Desk()
    desk.mixer.bus("music")
    with pytest.raises(ConfigError, match="mixer has a bus 'music' already: stop it, or choose"):
        desk.mixer.bus("music")


def test_a_tap_under_the_mixer_hears_all_of_it() -> None:
    m = marbles()
    speaker = FakeSpeaker(m.scheduler, sample_rate=RATE)
    tap = rxv.echo.tap(speaker, sample_rate=RATE, clock=lambda: m.now_ms / 1000)
    mixer = sinks.mixer(tap, scheduler=m.scheduler)
    mixer.bus("music", duck_to=1.0).write_samples(level(400, 0.25))
    mixer.bus("voice").write_samples(ramp(200))
    m.scheduler.advance_to(0.3)
    assert np.allclose(tap.at(0.1, 100, RATE), ramp(100, 100) + 0.25, atol=1e-6)
    assert np.array_equal(tap.at(0.2, 100, RATE), level(100, 0.25))


# A conversation on a bus


def conversation(mic: str, *, music: bool) -> tuple[list[str], FakeSpeaker]:
    kept: list[FakeSpeaker] = []

    def sink(m: Any) -> Any:
        speaker = FakeSpeaker(m.scheduler, sample_rate=CONVERSATION_RATE)
        mixer = sinks.mixer(speaker, scheduler=m.scheduler, ahead_ms=20)
        if music:  # that is silent, so that the voice can be read off the loudspeaker
            under = mixer.bus("music", duck_to=0.1)
            under.write_samples(np.zeros(CONVERSATION_RATE, np.float32))
        kept.append(speaker)
        return mixer.bus("voice")

    scene = Scene(mic, "hi", "stop it", sink=sink, min_speech_ms=30)
    return scene.lines, kept[0]


@pytest.mark.parametrize("music", [False, True])
@pytest.mark.parametrize("comes_in_ms", [20, 80, 130])
def test_a_conversation_knows_what_was_heard_of_its_own_sound(
    music: bool, comes_in_ms: int
) -> None:
    mic = "~~___" + "_" * (comes_in_ms // 10) + "~" * 8 + "___" + "_" * 60 + "|"
    lines, speaker = conversation(mic, music=music)
    (interrupted,) = [line for line in lines if "Interrupted" in line]
    told = interrupted.split("'")[1].replace(" ", "")
    really = decode(speaker.heard[speaker.heard != 0])
    before = really.split("One", 2)[1]  # of the first reply, which begins as the second does
    first = f"One{before}".replace(" ", "")
    # Whole words are told, and no sound is lost: the one that was cut is all that is missing.
    assert first.startswith(told)
    assert len(first) - len(told) < len("Three")
    if music:  # it went on meanwhile
        assert speaker.position == CONVERSATION_RATE


def test_without_music_the_same_words_are_heard_as_on_a_loudspeaker() -> None:
    lines, _ = conversation("~~___" + "_" * 60 + "|", music=False)
    assert lines == Scene("~~___" + "_" * 60 + "|", "hi", "stop it", min_speech_ms=30).lines


# In real time


def test_on_its_own_thread_it_plays_in_time_and_a_full_bus_waits() -> None:
    with (
        sinks.null(realtime=True, sample_rate=8_000) as speaker,
        sinks.mixer(speaker, max_buffer_ms=20) as mixer,
    ):
        threads: set[str] = set()
        music, voice = mixer.bus("music", duck_to=0.2), mixer.bus("voice")
        music.played.subscribe(lambda _: threads.add(threading.current_thread().name))
        writer = threading.Thread(
            target=lambda: rx.of(*[rxv.AudioChunk(level(160), 8_000)] * 10).subscribe(music)
        )
        writer.start()
        voice.write_samples(level(400))
        voice.flush()
        assert voice.position == 400
        writer.join(PATIENCE)
        assert not writer.is_alive()
        assert music.position == 1_600
        assert threads == {"rxvoice-mixer"}


def test_a_loudspeaker_that_stops_frees_whoever_waits() -> None:
    speaker = sinks.null(realtime=True, sample_rate=8_000)
    bus = sinks.mixer(speaker, max_buffer_ms=20).bus("music")
    bus.write_samples(level(8_000 * 30))
    errors: list[Exception] = []

    def more() -> None:
        try:
            bus.write_samples(level(1))
        except SinkStalled as error:
            errors.append(error)

    writer = threading.Thread(target=more)
    writer.start()
    speaker.stop()
    writer.join(PATIENCE)
    assert len(errors) == 1
    assert "the null sink has been stopped" in str(errors[0])
