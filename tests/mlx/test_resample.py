"""Resampling in MLX, measured."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import mlx.core as mx
import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from rxvoice.errors import AudioFormatError, ConfigError
from rxvoice.mlx.resample import MlxResampler

RATES = (8000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000)
PAIRS = list(itertools.permutations(RATES, 2))
SOME = [(24_000, 48_000), (24_000, 44_100), (48_000, 16_000), (16_000, 11_025), (11_025, 96_000)]

Array = NDArray[np.float32]
rng = np.random.default_rng(5)


def f32(values: object) -> Array:
    return np.asarray(values, np.float32)


def tone(hz: float, rate: int, n: int, phase: float = 0.0) -> Array:
    return f32(np.sin(2 * np.pi * hz * np.arange(n) / rate + phase))


def resampled(samples: Array, rate_in: int, rate_out: int, cuts: object = ()) -> Array:
    resampler = MlxResampler(rate_in, rate_out)
    pieces = [resampler.feed(piece) for piece in np.split(samples, cuts)]
    return np.concatenate([np.array(piece) for piece in (*pieces, resampler.end())])


def middle(samples: Array) -> Array:
    """Without the ends, where the tone starts out of silence."""
    edge = len(samples) // 8
    return samples[edge:-edge]


def db(ratio: float) -> float:
    return 20 * np.log10(max(ratio, 1e-12))


def rms(samples: Array) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_tone_is_the_same_tone_at_the_other_rate(rate_in: int, rate_out: int) -> None:
    hz = 0.3 * min(rate_in, rate_out) / 2
    n = rate_in // 10 + 3
    samples = resampled(tone(hz, rate_in, n), rate_in, rate_out)
    assert samples.dtype == np.float32
    assert len(samples) == -(-n * rate_out // rate_in)
    # Aligned in time as well: this is no more than 1e-5 of a period at that frequency.
    wanted = tone(hz, rate_out, len(samples))
    assert np.abs(middle(samples - wanted)).max() < 2e-5


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_noise_agrees_with_soxr(rate_in: int, rate_out: int) -> None:
    n = rate_in // 10
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum[np.fft.rfftfreq(n, 1 / rate_in) > 0.85 * min(rate_in, rate_out) / 2] = 0
    noise = f32(0.1 * np.fft.irfft(spectrum, n))
    samples = resampled(noise, rate_in, rate_out)
    wanted = soxr.resample(noise, rate_in, rate_out, quality="VHQ")
    assert abs(len(samples) - len(wanted)) <= 1
    n = min(len(samples), len(wanted))
    assert db(rms(middle(samples[:n] - wanted[:n])) / rms(wanted)) < -75


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_pieces_join_without_a_seam(rate_in: int, rate_out: int) -> None:
    n = rate_in // 10
    samples = tone(440, rate_in, n)
    cuts = np.sort(rng.integers(0, n, 12))
    pieces = resampled(samples, rate_in, rate_out, cuts)
    assert np.abs(pieces - resampled(samples, rate_in, rate_out)).max() < 1e-5


def test_one_sample_at_a_time() -> None:
    samples = tone(440, 24_000, 700)
    single = resampled(samples, 24_000, 44_100, np.arange(1, 700))
    assert np.abs(single - resampled(samples, 24_000, 44_100)).max() < 1e-5


@pytest.mark.parametrize(("rate_in", "rate_out"), SOME)
def test_the_passband_is_flat(rate_in: int, rate_out: int) -> None:
    low = min(rate_in, rate_out) / 2
    for part in (0.01, 0.2, 0.5, 0.8, 0.9):
        samples = middle(resampled(tone(part * low, rate_in, rate_in), rate_in, rate_out))
        at = 2 * np.pi * part * low * np.arange(len(samples)) / rate_out
        wave = np.stack([np.sin(at), np.cos(at)], axis=1)
        found = np.linalg.lstsq(wave, samples.astype(np.float64), rcond=None)[0]
        assert abs(db(float(np.hypot(*found)))) < 0.1, f"at {part} of half the lower rate"
        # What is not the tone itself is images and aliases of it.
        assert db(rms(samples - wave @ found) / np.sqrt(0.5)) < -80, f"at {part}"


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in [*PAIRS] if pair[0] > pair[1]])
def test_what_the_lower_rate_cannot_hold_is_gone(rate_in: int, rate_out: int) -> None:
    for part in (1.0, 1.01, 1.1, 1.5, 2.0, 3.7):
        hz = part * rate_out / 2
        if hz < rate_in / 2:
            samples = resampled(tone(hz, rate_in, rate_in // 4, 1.0), rate_in, rate_out)
            assert db(rms(middle(samples)) / np.sqrt(0.5)) < -80, f"at {part} of half the rate"


def test_white_noise_has_no_images_above() -> None:
    samples = resampled(f32(rng.standard_normal(24_000)), 24_000, 96_000)
    power = np.abs(np.fft.rfft(middle(samples) * np.hanning(len(middle(samples))))) ** 2
    hz = np.fft.rfftfreq(len(middle(samples)), 1 / 96_000)
    assert 10 * np.log10(power[hz > 12_100].max() / power[hz < 10_000].mean()) < -80


@pytest.mark.parametrize(("rate_in", "rate_out"), SOME)
def test_no_more_is_held_back_than_stated(rate_in: int, rate_out: int) -> None:
    resampler = MlxResampler(rate_in, rate_out)
    stated = 60_000 / min(rate_in, rate_out)
    assert stated <= resampler.latency_ms < stated + 1000 / rate_in
    fed, given = 0, 0
    for n in (1, 7, 100, 2000, 333):
        fed += n
        given += resampler.feed(np.zeros(n, np.float32)).size
        held_ms = 1000 * (fed / rate_in - given / rate_out)
        assert held_ms <= resampler.latency_ms + 1e-6


def test_what_it_holds_and_gives_belongs_to_no_thread() -> None:
    samples = tone(440, 24_000, 500)
    resampler = MlxResampler(24_000, 48_000)

    def resample() -> list[mx.array]:
        pieces = [resampler.feed(samples[:10]), resampler.feed(samples[10:]), resampler.end()]
        mx.clear_streams()
        return pieces

    with ThreadPoolExecutor(1) as elsewhere:
        pieces = elsewhere.submit(resample).result()
    there = np.concatenate([np.array(piece) for piece in pieces])
    assert np.array_equal(there, resampled(samples, 24_000, 48_000, [10]))
    assert resampler.feed(samples).size > 0


def test_it_ends_and_starts_anew() -> None:
    resampler = MlxResampler(24_000, 48_000)
    assert resampler.end().shape == (0,)
    samples = tone(440, 24_000, 500)
    first = mx.concatenate([resampler.feed(samples), resampler.end()])
    assert resampler.end().shape == (0,)
    again = mx.concatenate([resampler.feed(mx.array(samples)), resampler.end()])
    assert first.shape == (1000,)
    assert mx.array_equal(first, again).item()


@pytest.mark.parametrize("n", [0, 1, 2, 59, 61])
def test_short_signals(n: int) -> None:
    assert len(resampled(np.ones(n, np.float32), 24_000, 44_100)) == -(-n * 441 // 240)
    assert len(resampled(np.ones(n, np.float32), 44_100, 24_000)) == -(-n * 240 // 441)


def test_equal_rates_give_the_samples() -> None:
    resampler = MlxResampler(24_000, 24_000)
    samples = tone(440, 24_000, 10)
    assert np.array_equal(np.array(resampler.feed(samples)), samples)
    assert resampler.end().shape == (0,)
    assert resampler.latency_ms == 0


@pytest.mark.parametrize("rates", [(0, 8000), (8000, 0), (8000.5, 8000)])
def test_bad_rates(rates: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"rate_(in|out) must be"):
        MlxResampler(*rates)


def test_rates_without_a_common_measure() -> None:
    with pytest.raises(ConfigError, match=r"44100 Hz to 47999 Hz needs \d+ MB of filter"):
        MlxResampler(44_100, 47_999)


@pytest.mark.parametrize(
    "samples", [np.zeros(3), np.zeros((2, 3), np.float32), mx.zeros(3, mx.float16), [0.0]]
)
def test_other_than_float32_samples_of_one_dimension(samples: Array) -> None:
    for take in (MlxResampler(8000, 16_000).feed, MlxResampler(8000, 8000).feed):
        with pytest.raises(AudioFormatError, match=r"wanted float32 samples of shape \(n,\), got"):
            take(samples)
