"""`LiveResampler`: the whole signal's conversion, held back by no more than its filter."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from rxvoice._audio.live_resample import LiveResampler

RATES = [(8_000, 16_000), (24_000, 16_000), (44_100, 16_000), (48_000, 16_000), (44_100, 24_000)]


def noise(count: int) -> np.ndarray:
    return (0.2 * np.random.default_rng(1).normal(size=count)).astype(np.float32)


@pytest.mark.parametrize(("rate", "sample_rate"), RATES)
def test_the_pieces_are_the_whole_signal_resampled(rate: int, sample_rate: int) -> None:
    whole = noise(rate + 37)
    live = LiveResampler(rate, sample_rate)
    rng = np.random.default_rng(2)
    made, at = [], 0
    while at < len(whole):
        size = int(rng.integers(1, rate // 20))
        made.append(live.feed(whole[at : at + size]))
        at += size
    made.append(live.end())
    expected = soxr.resample(whole, rate, sample_rate)
    np.testing.assert_allclose(np.concatenate(made), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("rate", "sample_rate"), RATES)
def test_it_holds_back_the_same_always(rate: int, sample_rate: int) -> None:
    live = LiveResampler(rate, sample_rate)
    assert live.delay <= 0.012 * sample_rate
    block = rate * 32 // 1000
    came = 0
    for number in range(1, 60):
        came += len(live.feed(noise(block)))
        held_back = number * block * sample_rate / rate - came
        assert live.delay - 1 <= held_back <= live.delay + 1


def test_at_one_rate_samples_pass_as_they_are() -> None:
    live = LiveResampler(16_000, 16_000)
    block = noise(512)
    assert live.feed(block) is block
    assert live.delay == 0
    assert len(live.end()) == 0


def test_of_a_signal_shorter_than_the_delay_nothing_is_lost() -> None:
    live = LiveResampler(48_000, 16_000)
    few = noise(60)
    assert len(live.feed(few)) == 0
    np.testing.assert_allclose(live.end(), soxr.resample(few, 48_000, 16_000), atol=1e-6)


def test_the_memory_does_not_grow() -> None:
    live = LiveResampler(44_100, 16_000)
    for _ in range(100):
        live.feed(noise(1411))
    assert len(live._held) < 4_000
