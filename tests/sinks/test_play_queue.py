"""What a loudspeaker plays next, against a list that is played sample by sample."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from thorough import some

from rxvoice import Samples
from rxvoice.sinks._play_queue import PlayQueue

RATE = 1024
"""A power of two, as FADE is: times and gains are exact."""
FADE = 8
START = 20
LIMIT = 60


class Naive:
    """The same, as a list."""

    def __init__(self) -> None:
        self.queue: list[float | None] = []
        self.playing = self.paused = self.asked = False
        self.gain = self.loudness = 1.0
        self.waited = self.silent = 0
        self.gap: int | None = None
        self.times: list[float] = []
        """When each sample that was rendered has left the loudspeaker."""

    def left(self) -> int:
        return sum(it is not None for it in self.queue)

    def cut(self) -> tuple[int, list[float]]:
        count = math.ceil(self.gain * FADE) if self.playing else 0
        tail: list[float] = []
        while self.queue and self.queue[0] is not None and len(tail) < count:
            tail.append(self.queue.pop(0))
        dropped = [it for it in self.queue if it is not None]
        faded = [x * (1 - (i + 1) / len(tail)) for i, x in enumerate(tail)]
        self.queue = [*faded, None]
        self.asked, self.waited = False, 0
        return len(self.times) + len(tail), dropped

    def begins(self) -> bool:
        while self.queue and self.queue[0] is None:
            self.queue.pop(0)
            self.gap = None
        if self.paused or not self.queue:
            return False
        if not self.waited and self.gap is not None and self.gap > LIMIT:
            self.gap = None
        enough = self.left() >= START or self.waited >= START
        if not (self.asked or None in self.queue or enough):
            return False
        self.silent += self.gap or 0
        self.gap, self.asked, self.waited, self.playing = None, False, 0, True
        self.gain = self.loudness
        return True

    def render(self, size: int, time: float) -> list[float]:
        out: list[float] = []
        target = 0.0 if self.paused else self.loudness
        while len(out) < size:
            if not self.playing and not self.begins():
                break
            if self.paused and self.gain == 0:
                break
            if not self.queue:
                self.playing, self.gap = False, 0
                break
            sample = self.queue.pop(0)
            if sample is None:
                self.playing, self.gap = False, None
                continue
            if self.gain < target:
                self.gain = min(target, self.gain + 1 / FADE)
            elif self.gain > target:
                self.gain = max(target, self.gain - 1 / FADE)
            out.append(sample * self.gain)
            self.times.append(time + len(out) / RATE)
        silence = size - len(out)
        if not self.paused:
            if self.gap is not None:
                self.gap += silence
            self.waited += silence if self.left() else 0
        return out + [0.0] * silence


def new(start: int = START) -> PlayQueue:
    return PlayQueue(RATE, start, FADE, LIMIT)


def rendered(player: PlayQueue, size: int, time: float = 0.0) -> list[float]:
    out = np.full(size, np.nan, np.float32)
    player.render(out, time)
    return out.tolist()


def ramp(size: int, first: int = 1) -> Samples:
    return np.arange(first, first + size, dtype=np.float32)


@pytest.mark.parametrize("seed", some(range(30), 10))
def test_it_plays_what_a_list_would(seed: int) -> None:
    rng = random.Random(seed)
    player, naive = new(), Naive()
    now, first = 0.0, 1
    for _ in range(400):
        match rng.choice("wwwwrrrrrrpudces"):
            case "w":
                size = rng.choice((0, 1, 3, 7, 30, 90))
                player.append(ramp(size, first))
                naive.queue += ramp(size, first).tolist()
                first += size
            case "r":
                size = rng.choice((1, 5, 16, 64))
                assert rendered(player, size, now) == pytest.approx(naive.render(size, now))
                now += size / RATE + rng.choice((0, 0, 3 / RATE))
            case "p":
                player.pause()
                naive.paused = True
            case "u":
                player.resume()
                naive.paused = False
            case "d":
                naive.loudness = rng.choice((0.25, 0.5, 1.0, 1.0, 0.0))
                player.duck(naive.loudness)
            case "c" if rng.random() < 0.6:
                assert player.cut() == naive.cut()[0]
            case "e":
                player.end()
                naive.queue.append(None)
            case "s":
                player.start()
                naive.asked = bool(naive.left())
            case _:
                pass
        assert player.rendered == len(naive.times)
        assert player.left == naive.left()
        assert player.silent == naive.silent
        at = now + rng.randrange(-40, 40) / RATE
        assert player.heard(at) == sum(time <= at for time in naive.times)


def test_it_begins_with_enough() -> None:
    player = new()
    player.append(ramp(START - 1))
    assert rendered(player, 4) == [0, 0, 0, 0]
    player.append(ramp(1, START))
    assert rendered(player, START + 2) == [*range(1, START + 1), 0, 0]


def test_a_little_waits_for_no_longer_than_enough_would_take() -> None:
    player = new()
    for _ in range(2):
        player.append(ramp(3))
        assert rendered(player, START - 1) == [0] * (START - 1)
        assert rendered(player, 1) == [0]
        assert rendered(player, 3) == [1, 2, 3]
        rendered(player, 1)


def test_a_little_waits_for_as_long_after_a_cut() -> None:
    player = new()
    player.append(ramp(3))
    rendered(player, 8)
    player.cut()
    player.append(ramp(3))
    assert rendered(player, START - 1) == [0] * (START - 1)
    assert rendered(player, 1) == [0]
    assert rendered(player, 4) == [1, 2, 3, 0]


@pytest.mark.parametrize("how", ["start", "end"])
def test_it_begins_when_told(how: str) -> None:
    player = new()
    player.append(ramp(3))
    getattr(player, how)()
    assert rendered(player, 4) == [1, 2, 3, 0]


def test_a_start_with_nothing_there_is_no_start() -> None:
    player = new()
    player.start()
    player.append(ramp(3))
    assert rendered(player, 4) == [0, 0, 0, 0]


def test_pause_and_resume_neither_skip_nor_repeat() -> None:
    player = new(0)
    player.append(np.ones(64, np.float32))
    assert rendered(player, 4) == [1] * 4
    player.pause()
    fade = [7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]
    assert rendered(player, 16) == [*fade, *[0] * 8]
    assert rendered(player, 16) == [0] * 16
    assert player.rendered == 4 + FADE
    player.resume()
    assert rendered(player, 60) == [*fade[-2::-1], *[1] * (64 - 4 - 2 * FADE + 1), *[0] * 8]
    assert player.rendered == 64


def test_of_what_is_cut_a_fade_is_heard_and_the_rest_never() -> None:
    player = new(0)
    player.append(np.ones(64, np.float32))
    rendered(player, 4)
    assert player.cut() == 4 + FADE
    player.append(np.full(2, 0.5, np.float32))
    fade = [7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]
    assert rendered(player, 12) == [*fade, 0.5, 0.5, 0, 0]


def test_cut_while_paused_nothing_more_is_heard() -> None:
    player = new(0)
    player.append(np.ones(64, np.float32))
    player.pause()
    rendered(player, 16)
    assert player.cut() == 0
    player.resume()
    assert rendered(player, 16) == [0] * 16


def test_silence_in_the_middle_is_counted_when_it_goes_on() -> None:
    player = new(4)
    player.append(ramp(8))
    rendered(player, 10)
    rendered(player, 10)
    assert player.silent == 0
    player.append(ramp(8))
    rendered(player, 8)
    assert player.silent == 12


@pytest.mark.parametrize("what", ["end", "cut", "long", "paused"])
def test_other_silence_is_not(what: str) -> None:
    player = new(4)
    player.append(ramp(8))
    if what == "end":
        player.end()
    if what == "paused":
        rendered(player, 8)
        player.pause()
    rendered(player, 10)
    if what == "cut":
        player.cut()
    rendered(player, LIMIT if what == "long" else 10)
    player.resume()
    player.append(ramp(8))
    rendered(player, 8)
    assert player.silent == 0
    assert player.rendered == 16


@pytest.mark.parametrize(("silence", "counted"), [(LIMIT, LIMIT), (LIMIT + 1, 0)])
def test_silence_longer_than_the_limit_is_between_replies(silence: int, counted: int) -> None:
    player = new(4)
    player.append(ramp(8))
    rendered(player, 8 + silence)
    player.append(ramp(8))
    rendered(player, 8)
    assert player.silent == counted


def test_the_time_of_a_sample_is_known_however_long_silence_follows() -> None:
    player = new(0)
    player.append(ramp(8))
    for at in range(600):
        rendered(player, 8, 5.0 + at)
    assert player.time_of(7) == 5 + 7 / RATE


def test_what_is_ducked_to_silence_plays_on() -> None:
    player = new(0)
    player.duck(0.0)
    player.append(ramp(8))
    assert rendered(player, 4) == [0] * 4
    assert (player.is_playing, player.rendered) == (True, 4)
    player.pause()
    assert not player.is_playing


def test_a_late_call_counts_what_the_device_played_meanwhile() -> None:
    player = new(0)
    player.append(ramp(64))
    rendered(player, 16, 1.0)
    player.late(1.0 + 26 / RATE)
    assert player.lost == 10


def test_a_late_call_counts_from_the_call_before_it() -> None:
    player = new(0)
    player.append(ramp(2_000 * 8))
    for at in range(1_500):
        rendered(player, 8, at * 8 / RATE)
    player.late((1_500 * 8 + 5) / RATE)
    assert player.lost == 5


def test_a_device_that_had_to_wait_lost_a_sample_at_least() -> None:
    player = new(0)
    player.append(ramp(64))
    rendered(player, 16, 1.0)
    player.late(1.0 + 16 / RATE)
    assert player.lost == 1


def test_a_late_call_loses_nothing_while_nothing_plays() -> None:
    player = new(0)
    player.late(1.0)
    player.append(ramp(16))
    rendered(player, 24, 1.0)
    player.late(2.0)
    assert player.lost == 0


def test_the_time_of_a_sample_is_the_devices() -> None:
    player = new(0)
    player.append(ramp(12))
    rendered(player, 8, 5.0)
    rendered(player, 8, 7.0)
    assert player.time_of(0) == 5
    assert player.time_of(3) == 5 + 3 / RATE
    assert player.time_of(8) == 7
    assert player.time_of(11) == 7 + 3 / RATE
    assert player.time_of(12) == math.inf


def test_the_time_of_a_sample_is_known_for_511_callbacks() -> None:
    """The one before may be being overwritten."""
    player = new(0)
    for at in range(2_000):
        player.append(ramp(8))
        rendered(player, 8, at * 8 / RATE)
    for index in (15_999, 15_992, 15_000, 12_000):
        assert player.time_of(index) == index / RATE
        assert player.heard((index + 1) / RATE) == index + 1
    oldest = (2_000 - 511) * 8
    assert player.time_of(oldest) == oldest / RATE
    assert player.time_of(oldest - 1) == -math.inf, "long ago"


def test_nothing_is_played_while_it_is_being_cut() -> None:
    player = new(0)
    player.append(ramp(8))
    with player._cutting:
        assert rendered(player, 4) == [0] * 4
    assert rendered(player, 4) == [1, 2, 3, 4]


def test_a_day_of_callbacks_allocates_nothing_that_stays() -> None:
    import sys

    player = new(0)
    out = np.empty(64, np.float32)
    block = ramp(64)

    def play(times: int) -> None:
        for at in range(times):
            player.append(block)
            player.render(out, float(at))

    play(2000)
    before = sys.getallocatedblocks()
    play(5000)
    assert sys.getallocatedblocks() - before < 50


def test_it_is_ended_until_more_comes() -> None:
    player = new()
    assert not player.is_ended
    player.append(ramp(3))
    player.end()
    assert player.is_ended
    player.append(ramp(0))
    assert player.is_ended
    player.append(ramp(1))
    assert not player.is_ended


def test_at_first_nothing_was_played_and_nothing_lost() -> None:
    player = PlayQueue(RATE, START, FADE, LIMIT, index=7)
    assert (player.rendered, player.left, player.silent, player.lost) == (7, 0, 0, 0)
    assert (player.is_playing, player.is_paused, player.loudness) == (False, False, 1.0)
    assert player.heard(1e9) == 7
    assert player.time_of(7) == math.inf
    assert player.time_of(6) == -math.inf
    assert new().rendered == 0


def test_while_it_is_cut_the_device_gets_silence() -> None:
    player = new(0)
    player.append(ramp(8))
    with player._cutting:
        out = np.full(4, np.nan, np.float32)
        assert player.render(out, 0.0) is False
        assert out.tolist() == [0, 0, 0, 0]
    out = np.full(4, np.nan, np.float32)
    assert player.render(out, 0.0) is True, "it begins"
    assert out.tolist() == [1, 2, 3, 4]
    assert player.render(out, 0.0) is False
