"""What a loudspeaker played, and when: against a line of time on which each sample is written."""

from __future__ import annotations

import random

import numpy as np
import pytest

from rxvoice import Samples
from rxvoice._audio.play_history import PlayHistory

RATE = 1024
"""A power of two, so that times are exact. Positions and times count samples of it."""


def sound(n: int, first: int = 1) -> Samples:
    return np.arange(first, first + n, dtype=np.float32) / 4096


class Loudspeaker:
    """Plays what is written, and notes when each sample was heard."""

    def __init__(self, begins: int = 0) -> None:
        self.history = PlayHistory(RATE, 60.0)
        self.now = begins
        self.queue: list[float] = []
        self.position = 0
        self.heard: dict[int, float] = {}
        self.paused = False

    def write(self, samples: Samples) -> None:
        self.history.write(samples)
        self.queue += samples.tolist()

    def play(self, samples: int) -> None:
        for _ in range(samples):
            if self.queue and not self.paused:
                self.heard[self.now] = self.queue.pop(0)
                self.position += 1
            self.now += 1

    def observe(self) -> None:
        self.history.observe(self.now / RATE, self.position)

    def clear(self) -> None:
        self.history.clear(len(self.queue))
        self.queue.clear()

    def pause(self) -> None:
        self.paused = True
        self.history.pause(self.now / RATE)

    def told(self, begin: int, end: int) -> list[float]:
        return self.history.at(begin / RATE, end - begin, RATE).tolist()

    def line(self, begin: int, end: int) -> list[float]:
        return [self.heard.get(at, 0.0) for at in range(begin, end)]


@pytest.mark.parametrize("begins", [0, 5_000])
@pytest.mark.parametrize("seed", range(6))
def test_it_tells_what_was_heard_when(seed: int, begins: int) -> None:
    """Observed every 16 samples, as a sink is. A gap is longer than what passes for jitter."""
    dice = random.Random(seed)
    it = Loudspeaker(begins)

    def play(samples: int) -> None:
        for _ in range(0, samples, 16):
            it.play(16)
            it.observe()

    it.observe()
    first = 1
    for _ in range(12):
        for _ in range(dice.randrange(1, 4)):
            size = dice.choice((16, 35, 120))
            it.write(sound(size, first))
            first += size
        match dice.choice(("dry", "clear", "pause")):
            case "clear":
                play(dice.randrange(10, 60))
                it.clear()
            case "pause" if len(it.queue) > 20:
                play(16)
                it.pause()
                play(dice.randrange(10, 300))
                it.paused = False
            case _:
                pass
        play(len(it.queue) + dice.randrange(100, 300))
        assert it.told(begins - 50, it.now) == it.line(begins - 50, it.now)


def test_what_is_queued_will_be_heard_if_playback_goes_on() -> None:
    it = Loudspeaker()
    it.observe()
    it.write(sound(100))
    it.play(20)
    it.observe()
    now = it.now
    told = it.told(now, now + 120)
    it.play(120)
    assert told == it.line(now, now + 120)


def test_after_a_clear_the_sound_has_the_rate_that_was_set() -> None:
    it = Loudspeaker()
    it.observe()
    it.write(sound(96))
    it.play(48)
    it.observe()
    it.history.set_sample_rate(2 * RATE)
    it.history.write(np.full(200, 0.25, np.float32))
    it.history.clear(200 + 48)  # of the new rate all, and of the old 48
    it.history.write(np.full(96, 0.5, np.float32))
    for at in range(64, 257, 16):
        it.history.observe(at / RATE, 48)
    it.history.observe((256 + 16) / RATE, 48 + 32)
    it.history.observe((256 + 32) / RATE, 48 + 64)
    heard = it.history.at(0.0, 700, 2 * RATE)
    assert heard[512 : 512 + 96].tolist() == [0.5] * 96
    assert not heard[130:512].any()
    assert not heard[512 + 96 :].any()
    assert it.told(0, 48) == sound(48).tolist()


def test_a_clear_leaves_what_was_written_before_at_another_rate() -> None:
    it = Loudspeaker()
    it.observe()
    it.write(sound(96))
    it.history.set_sample_rate(2 * RATE)
    it.history.write(np.full(128, 0.25, np.float32))
    it.history.clear(96)
    it.play(64)
    it.observe()
    assert it.told(0, 96) == sound(96).tolist()
    heard = it.history.at(96 / RATE, 128, 2 * RATE)
    assert heard.tolist() == [0.25] * 32 + [0.0] * 96


@pytest.mark.parametrize(("late_ms", "heard"), [(50, True), (70, False)])
def test_a_position_that_is_late_by_more_than_60_ms_is_a_standstill(
    late_ms: int, heard: bool
) -> None:
    """A little late is jitter of the clock: the sound goes on where it was."""
    it = Loudspeaker()
    it.observe()
    it.write(sound(1000))
    it.play(128)
    it.observe()
    it.history.observe(0.125 + late_ms / 1000, 128)
    assert it.told(128, 130) == (sound(2, 129).tolist() if heard else [0.0, 0.0])


def test_what_was_heard_too_long_ago_is_forgotten() -> None:
    history = PlayHistory(RATE, 0.5)
    history.observe(0.0, 0)
    for at in range(32):
        history.write(sound(128, 1 + 128 * at))
        history.observe((at + 1) / 8, 128 * (at + 1))
    assert history.at(3.5, 512, RATE).tolist() == sound(512, 1 + 3584).tolist()
    assert not history.at(0.0, 3_072, RATE).any()


def test_a_clock_that_runs_fast_is_followed() -> None:
    """By 1 in 1000: after 20 s the sound is 20 ms later than it would be."""
    history = PlayHistory(1000, 60.0)
    history.write((np.arange(30_000) / 32_768).astype(np.float32))
    for at in range(0, 20_000, 10):
        history.observe(at * 1.001 / 1000, at)
    heard = history.at(20.02, 1, 1000)[0] * 32_768
    assert heard == pytest.approx(20_000, abs=6)


def test_stretches_that_were_heard_too_long_ago_are_forgotten_while_others_follow() -> None:
    history = PlayHistory(RATE, 0.5)
    for at in range(80):
        history.write(sound(64))
        for step, more in ((0, 0), (1, 64), (3, 64)):
            history.observe(at / 4 + step / 16, 64 * at + more)
    assert len(history._runs) <= 4


def test_of_two_positions_at_one_time_the_later_one_counts() -> None:
    history = PlayHistory(RATE, 60.0)
    history.observe(0.0, 0)
    history.write(sound(512))
    history.observe(1.0, 0)
    history.observe(1.0, 128)
    assert history.at(1.0, 4, RATE).tolist() == sound(4, 129).tolist()
    history.observe(0.5, 500)
    assert history.at(1.0, 4, RATE).tolist() == sound(4, 129).tolist(), "of an earlier time"


def test_what_has_jumped_ahead_stands_still_when_it_is_paused() -> None:
    history = PlayHistory(RATE, 60.0)
    history.observe(0.0, 0)
    history.write(sound(4096))
    history.observe(0.25, 256)
    history.observe(0.5, 1024)
    history.pause(0.75)
    assert history.at(0.5, 4, RATE).tolist() == sound(4, 1025).tolist()
    assert not history.at(0.75, 512, RATE).any()


def test_what_was_heard_before_a_jump_is_remembered() -> None:
    history = PlayHistory(RATE, 0.5)
    history.observe(0.0, 0)
    for at in range(64):
        history.write(sound(64, 1 + 64 * at))
    history.observe(0.25, 256)
    history.observe(0.5, 1024)
    history.observe(0.5625, 1088)
    assert history.at(0.125, 64, RATE).tolist() == sound(64, 129).tolist()


def test_a_pause_of_what_stands_still_changes_nothing() -> None:
    it = Loudspeaker()
    it.observe()
    it.write(sound(1000))
    it.play(128)
    it.observe()
    it.history.observe(0.25, 128)  # it has stood still since 0.125 s
    it.history.pause(0.375)
    assert it.told(128, 400) == [0.0] * 272


def test_sound_of_another_rate_is_told_by_a_clock_that_began_long_before() -> None:
    it = Loudspeaker(begins=5_000)
    it.observe()
    it.write(sound(96))
    it.history.set_sample_rate(2 * RATE)
    it.history.write(np.full(128, 0.25, np.float32))
    it.play(64)
    it.observe()
    assert it.told(5_000, 5_096) == sound(96).tolist()
    heard = it.history.at(5_096 / RATE, 160, 2 * RATE)
    assert heard.tolist() == [0.25] * 128 + [0.0] * 32


def test_what_was_written_and_has_not_begun_to_play_was_not_heard() -> None:
    it = Loudspeaker()
    it.observe()
    it.write(sound(96))
    assert it.told(0, 96) == [0.0] * 96


def test_a_clear_of_more_than_was_written_leaves_nothing() -> None:
    """A sink also gives back what was queued before the history began."""
    it = Loudspeaker()
    it.observe()
    it.history.write(sound(5))
    it.history.clear(8)
    it.write(sound(96))
    it.play(64)
    it.observe()
    assert it.told(0, 96) == sound(96).tolist()


def test_playback_that_went_on_unobserved_did_so_when_its_new_samples_began() -> None:
    it = Loudspeaker()
    it.observe()
    it.write(sound(1024))
    it.play(512)
    it.observe()
    it.pause()
    it.play(1280)
    it.paused = False
    it.play(256)
    it.observe()
    assert it.told(0, it.now) == it.line(0, it.now)


def test_a_clear_of_sound_of_several_rates_leaves_what_was_written_before() -> None:
    it = Loudspeaker()
    it.observe()
    it.write(sound(96))
    for rate, size in ((2, 128), (4, 256)):
        it.history.set_sample_rate(rate * RATE)
        it.history.write(np.full(size, 0.25, np.float32))
    it.history.clear(256 + 64)
    it.history.write(np.full(512, 0.5, np.float32))
    it.play(64)
    it.observe()
    assert it.told(0, 96) == sound(96).tolist()
    heard = it.history.at(96 / RATE, 128 + 512 + 64, 4 * RATE)
    assert np.allclose(heard[16:112], 0.25, atol=0.01)
    assert heard[128:].tolist() == [0.5] * 512 + [0.0] * 64


def test_what_others_have_written_is_heard_before_and_is_not_told() -> None:
    """Its positions are below 0."""
    it = Loudspeaker()
    it.history.observe(0.0, -640)
    it.write(sound(96))
    it.history.set_sample_rate(2 * RATE)
    it.history.write(np.full(128, 0.25, np.float32))
    for at in range(16, 737, 16):
        it.history.observe(at / RATE, at - 640)
    assert it.told(0, 736) == [0.0] * 640 + sound(96).tolist()
    assert it.history.at(736 / RATE, 128, 2 * RATE).tolist() == [0.25] * 128


def test_a_position_that_is_ahead_of_what_was_written_is_borne() -> None:
    """Others write to the sink too."""
    history = PlayHistory(RATE, 0.5)
    history.observe(0.0, 0)
    history.observe(10.0, 10 * RATE)
    history.write(sound(96))
    assert not history.at(9.0, 2 * RATE, RATE).any()


def test_sound_that_is_observed_late_was_heard_from_its_first_sample_on() -> None:
    it = Loudspeaker()
    it.write(sound(1024))
    it.play(512)
    it.observe()
    assert it.told(0, 512) == sound(512).tolist()


def test_what_was_heard_too_long_ago_is_forgotten_while_another_rate_waits() -> None:
    history = PlayHistory(RATE, 0.5)
    history.observe(0.0, 0)
    for at in range(32):
        history.write(sound(128, 1 + 128 * at))
    history.set_sample_rate(2 * RATE)
    history.write(np.full(128, 0.25, np.float32))
    for at in range(1, 32):
        history.observe(at / 8, 128 * at)
    assert not history.at(0.0, 3_072, RATE).any()


def test_of_sound_at_a_second_rate_the_last_is_remembered() -> None:
    history = PlayHistory(RATE, 0.5)
    history.observe(0.0, 0)
    history.write(sound(1024))
    history.set_sample_rate(2 * RATE)
    for at in range(32):
        history.write(sound(128, 1 + 128 * at))
    for at in range(1, 17):
        history.observe(at / 16, 64 * at)
    for at in range(1, 33):
        history.observe(1 + at / 16, 1024 + 128 * at)
    assert history.at(2.5, 1024, 2 * RATE).tolist() == sound(1024, 1 + 3072).tolist()
