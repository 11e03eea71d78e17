from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from echo_kit import RATE, Array, Clock, Loudspeaker, room, say

import rxvoice as rxv
from rxvoice import echo
from rxvoice import operators as vox
from rxvoice._audio.piecewise_signal import PiecewiseSignal
from rxvoice._audio.steady_offset import SteadyOffset
from rxvoice.echo._alike import correlations
from rxvoice.errors import AudioFormatError, ConfigError, SinkStalled

rng = np.random.default_rng(11)


def noise(n: int, level: float = 0.1) -> Array:
    return (rng.standard_normal(n) * level).astype(np.float32)


def impulse(at: int, n: int) -> Array:
    made = np.zeros(n, np.float32)
    made[at] = 1
    return made


def tapped(rate: int = RATE, **options: Any) -> tuple[Clock, Loudspeaker, echo.Tap]:
    clock = Clock(100.0)
    sink = Loudspeaker(clock, rate, **options)
    tap = echo.tap(sink, clock=clock)
    tap.set_sample_rate(rate)
    return clock, sink, tap


def listen(clock: Clock, tap: echo.Tap, seconds: float, block: int = 160) -> Array:
    """What the tap says was played in each block, asked when the block is over."""
    pieces = []
    for _ in range(round(seconds * RATE / block)):
        began = clock.now
        clock.now += block / RATE
        pieces.append(tap.at(began, block, RATE))
    return np.concatenate(pieces)


# What was played, and when


def test_an_impulse_is_where_it_was_played() -> None:
    clock, _, tap = tapped()
    clock.now += 0.5
    tap.write_samples(impulse(1234, 8000))
    began = clock.now
    clock.now += 0.25
    # Asked late, and from before it began.
    heard = tap.at(began - 0.1, 4000, RATE)
    assert np.flatnonzero(heard).tolist() == [1600 + 1234]
    assert heard[1600 + 1234] == 1


def test_what_will_be_played_is_known_too() -> None:
    clock, _, tap = tapped()
    tap.write_samples(impulse(1234, 8000))
    clock.now += 0.01
    listen(clock, tap, 0.01)
    assert np.flatnonzero(tap.at(clock.now, 8000, RATE)).tolist() == [1234 - 320]


@pytest.mark.parametrize("block", [160, 512, 333])
def test_block_by_block_it_is_the_signal(block: int) -> None:
    clock, _, tap = tapped()
    sound = noise(RATE)
    tap.write_samples(sound[:5000])
    tap.write_samples(sound[5000:])
    heard = listen(clock, tap, 1.2, block)
    np.testing.assert_array_equal(heard[block:RATE], sound[block:])
    assert not heard[RATE:].any()


@pytest.mark.parametrize("rate", [22_050, 24_000, 48_000, 8_000])
def test_at_another_rate_it_is_at_its_place(rate: int) -> None:
    clock, _, tap = tapped(rate)
    time = np.arange(rate) / rate
    tap.write_samples(np.sin(2 * np.pi * 440 * time).astype(np.float32))
    heard = listen(clock, tap, 0.9, 512)
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(heard)) / RATE)
    # A whole sample of 16 kHz off would be 0.17.
    assert np.abs(heard - wanted)[600:].max() < 0.09


def test_rates_that_change_follow_each_other() -> None:
    clock, sink, tap = tapped(RATE)
    tap.write_samples(noise(RATE // 2))
    began = clock.now
    listen(clock, tap, 0.5)
    tap.set_sample_rate(8000)
    second = np.sin(2 * np.pi * 300 * np.arange(4000) / 8000).astype(np.float32)
    tap.write_samples(second)
    listen(clock, tap, 0.5)
    assert sink.calls == [RATE, 8000]
    heard = tap.at(began + 0.6, 4000, RATE)
    wanted = np.sin(2 * np.pi * 300 * (0.1 + np.arange(4000) / RATE))
    assert np.abs(heard - wanted).max() < 0.13


def test_a_pause_is_silence_and_then_it_goes_on() -> None:
    clock, sink, tap = tapped()
    sound = noise(RATE)
    tap.write_samples(sound)
    listen(clock, tap, 0.2)
    tap.pause()
    silent = listen(clock, tap, 0.3)
    assert not silent.any()
    began = clock.now
    tap.resume()
    listen(clock, tap, 0.2)
    np.testing.assert_array_equal(tap.at(began, 3000, RATE), sound[3200:6200])
    assert sink.calls[1:] == ["pause", "resume"]


def test_what_is_cleared_is_never_heard() -> None:
    clock, sink, tap = tapped()
    first, second = noise(RATE), noise(RATE)
    tap.write_samples(first)
    listen(clock, tap, 0.25)
    assert len(tap.clear()) == RATE - 4000
    assert not listen(clock, tap, 0.5).any()
    began = clock.now
    tap.write_samples(second)
    listen(clock, tap, 0.5)
    np.testing.assert_array_equal(tap.at(began, 7000, RATE), second[:7000])
    np.testing.assert_array_equal(tap.at(began - 0.75, 4000, RATE), first[:4000])
    assert sink.calls[1:] == ["clear"]


class CountingLoudspeaker(Loudspeaker):
    """One that says how much was written to it."""

    @property
    def written(self) -> int:
        return self.taken


@pytest.mark.parametrize("kind", [Loudspeaker, CountingLoudspeaker])
def test_a_sink_that_has_played_before_is_told_from_now_on(kind: type[Loudspeaker]) -> None:
    clock = Clock(100.0)
    sink = kind(clock, RATE)
    sink.write_samples(noise(1600))
    clock.now += 0.5
    tap = echo.tap(sink, sample_rate=RATE, clock=clock)
    sound = noise(3200)
    tap.write_samples(sound)
    began = clock.now
    listen(clock, tap, 0.3)
    np.testing.assert_array_equal(tap.at(began, 3200, RATE), sound)


@pytest.mark.parametrize("cleared", [False, True])
def test_what_a_sink_still_has_to_play_comes_before_what_the_tap_writes(cleared: bool) -> None:
    clock = Clock(100.0)
    sink = CountingLoudspeaker(clock, RATE)
    sink.write_samples(noise(1600))
    clock.now += 0.05
    tap = echo.tap(sink, sample_rate=RATE, clock=clock)
    sound = noise(3200)
    if cleared:
        tap.write_samples(noise(3200))
        assert len(tap.clear()) == 800 + 3200
    tap.write_samples(sound)
    began = clock.now + (0 if cleared else 0.05)
    listen(clock, tap, 0.3)
    np.testing.assert_array_equal(tap.at(began, 3200, RATE), sound)
    assert not tap.at(clock.now - 1.0, round((began - clock.now + 1.0) * RATE), RATE).any()


def test_an_underrun_is_silence() -> None:
    clock, _, tap = tapped()
    first, second = noise(3200), noise(3200)
    tap.write_samples(first)
    heard = listen(clock, tap, 0.5)
    tap.write_samples(second)
    heard = np.concatenate([heard, listen(clock, tap, 0.3)])
    np.testing.assert_array_equal(heard[160:3200], first[160:])
    assert not heard[3200:8000].any()
    np.testing.assert_array_equal(heard[8160:11200], second[160:])


def test_a_position_told_in_steps_gives_one_unbroken_signal() -> None:
    # By 21 ms; what is told must neither jump nor drift away.
    clock, _, tap = tapped(step=341)
    sound = noise(3 * RATE)
    tap.write_samples(sound)
    heard = listen(clock, tap, 3.0)
    heard = heard[1600:-1600]
    lag = int(np.argmax(np.correlate(sound, heard[:4000], "valid"))) - 1600
    assert abs(lag) <= 400
    # Slips of a sample at most: each block is the signal, a sample further or less at its end.
    at = 1600 + lag
    for block in np.split(heard, len(heard) // 160):
        found = [s for s in (-1, 0, 1) if np.array_equal(sound[at + s : at + s + 160], block)]
        assert found
        at += 160 + found[0]


def test_the_sink_may_tell_by_itself() -> None:
    clock, sink, tap = tapped()
    sound = noise(RATE)
    tap.write_samples(sound)
    began = clock.now
    for _ in range(5):
        clock.now += 0.05
        sink.played.on_next(sink.position)
    sink.pause()  # not by the tap
    for _ in range(3):
        clock.now += 0.1
        sink.played.on_next(sink.position)
    heard = tap.at(began, 8000, RATE)
    np.testing.assert_array_equal(heard[:4000], sound[:4000])
    assert not heard[4000:].any()


def test_it_forgets_and_keeps_what_is_to_come() -> None:
    clock, _, tap = tapped()
    sound = noise(20 * RATE)
    for piece in np.split(sound, 100):
        tap.write_samples(piece)
    listen(clock, tap, 12, 512)
    np.testing.assert_array_equal(tap.at(clock.now - 4, 1000, RATE), sound[8 * RATE :][:1000])
    np.testing.assert_array_equal(tap.at(clock.now + 4, 1000, RATE), sound[16 * RATE :][:1000])
    assert not tap.at(clock.now - 11, 1000, RATE).any()


def test_what_the_sink_does_not_take_is_not_played() -> None:
    clock, sink, tap = tapped()
    sound = noise(4800)
    take = sink.write_samples
    sink.write_samples = lambda samples: take(samples[:1600])  # type: ignore[method-assign]
    written = 0
    while written < len(sound):
        written += tap.write_samples(sound[written:])
    np.testing.assert_array_equal(listen(clock, tap, 0.3)[160:], sound[160:])


def test_what_another_thread_clears_while_it_waits_is_never_heard() -> None:
    clock, sink, tap = tapped()
    take = sink.write_samples

    def cleared_meanwhile(samples: Array) -> int:
        taken = take(samples)
        assert len(tap.clear()) == 3200 - 800 + 1600
        return taken

    first, last = noise(3200), noise(1600)
    tap.write_samples(first)
    listen(clock, tap, 0.05)
    sink.write_samples = cleared_meanwhile  # type: ignore[method-assign]
    tap.write_samples(noise(1600))
    sink.write_samples = take  # type: ignore[method-assign]
    assert not listen(clock, tap, 0.3).any()
    began = clock.now
    tap.write_samples(last)
    listen(clock, tap, 0.1)
    np.testing.assert_array_equal(tap.at(began, 1600, RATE), last)


def test_a_sink_that_stalls_has_played_nothing() -> None:
    clock, sink, tap = tapped()

    def stalled(samples: Array) -> int:
        raise SinkStalled("gone")

    sink.write_samples = stalled  # type: ignore[method-assign]
    with pytest.raises(SinkStalled, match="gone"):
        tap.write_samples(noise(1600))
    sink.__class__.write_samples(sink, np.zeros(1600, np.float32))
    assert not listen(clock, tap, 0.1).any()


def test_samples_are_copied() -> None:
    clock, _, tap = tapped()
    sound = noise(1600)
    given = sound.copy()
    tap.write_samples(given)
    given[:] = 0
    clock.now += 0.1
    np.testing.assert_array_equal(tap.at(clock.now - 0.1, 1600, RATE), sound)


def test_nothing_before_the_first_sample() -> None:
    clock, _, tap = tapped()
    assert not tap.at(clock.now - 1, 16_000, RATE).any()
    assert len(tap.at(clock.now, 0, RATE)) == 0


def test_a_tap_is_the_sink_for_all_else() -> None:
    clock, sink, tap = tapped(24_000)
    assert tap.sink is sink
    assert tap.played is sink.played
    assert tap.write_samples(noise(2400)) == 2400
    clock.now += 0.05
    assert tap.position == sink.position == 1200
    assert tap.is_running
    tap.flush()
    tap.stop()
    assert sink.calls == [24_000, "flush", "stop"]
    assert not sink.played.observers
    assert not hasattr(tap, "duck")
    assert not hasattr(tap, "queued_ms")


def test_a_tap_takes_speech_as_its_sink_does() -> None:
    _, sink, tap = tapped()
    with tap:
        tap.on_next(_speech(noise(2400), 24_000))
        tap.on_completed()
    assert sink.taken == 2400
    assert sink.calls == [RATE, 24_000, "flush", "stop", "stop"]


def _speech(samples: Array, rate: int) -> rxv.Speech:
    reply = rxv.Reply(rxv.Transcript(rxv.Turn.of(np.zeros(512, np.float32)), "Hi."))
    return rxv.Speech(reply, samples, rate)


def test_a_sink_without_a_position() -> None:
    with pytest.raises(ConfigError, match="a sink that knows its position, such as"):
        echo.tap(rxv.sinks.memory())
    with pytest.raises(ConfigError, match=r"tap seconds must be at least 0\.1 s, got 0"):
        echo.tap(Loudspeaker(Clock()), seconds=0)


# The two helpers


def test_jitter_does_not_move_a_steady_clock() -> None:
    steady = SteadyOffset(5.0)
    for jitter in rng.uniform(-0.004, 0.004, 500):
        steady.read(5.0 + jitter)
    assert steady.value == 5.0


def test_drift_moves_it_by_one_sample_at_a_time() -> None:
    steady = SteadyOffset(5.0)
    before = steady.value
    for n in range(2000):
        steady.read(5 + n * 1e-5)
        assert abs(steady.value - before) < 1.01 / 16_000
        before = steady.value
    assert abs(steady.value - 5.02) < 0.005


def test_pieces_are_one_signal_at_any_rate() -> None:
    whole, parts = PiecewiseSignal(24_000), PiecewiseSignal(24_000)
    sound = noise(24_000)
    whole.append(sound)
    for piece in np.array_split(sound, 17):
        parts.append(piece)
    np.testing.assert_array_equal(whole.at(0.2, 5000, RATE), parts.at(0.2, 5000, RATE))
    joined = np.concatenate([whole.at(n * 512 / RATE, 512, RATE) for n in range(30)])
    # The filter's reach on either side is that of the resampler: 120 dB.
    np.testing.assert_allclose(joined, whole.at(0, 30 * 512, RATE), atol=1e-5)


# Correlation


def by_delay(mic: Array, played: Array, delays: list[int]) -> list[float]:
    """The formula, one delay after the other; `played` ends `0` samples before the question."""
    found = []
    for delay in delays:
        end = len(played) - delay
        a = mic.astype(np.float64) - mic.mean(dtype=np.float64)
        b = played[end - len(mic) : end].astype(np.float64)
        b = b - b.mean()
        norm = np.linalg.norm(a) * np.linalg.norm(b)
        found.append(abs(float(a @ b)) / norm if norm > 1e-8 else 0.0)
    return found


def envelope(samples: Array) -> Array:
    return np.convolve(np.abs(samples), np.ones(16, np.float32) / 16, "same").astype(np.float32)


@pytest.mark.parametrize("n", [512, 2048, 777])
def test_all_delays_at_once_are_as_one_by_one(n: int) -> None:
    played = say("The moon is far away, and always shows us the same side.")[8000:18_000]
    mic = room(played)[-n:] + noise(n, 0.01)
    raw, env = correlations(mic, played)
    delays = list(range(len(played) - n + 1))
    np.testing.assert_allclose(raw[::-1], by_delay(mic, played, delays), atol=2e-4)
    wanted = by_delay(envelope(mic), envelope(played), delays)
    np.testing.assert_allclose(env[::-1], wanted, atol=2e-4)


def test_it_is_what_mlx_audio_gives() -> None:
    from mlx_audio.sts.audio_player import AudioPlayer

    played = say("The moon is far away, and always shows us the same side.")[8000:28_000]
    player = AudioPlayer(sample_rate=RATE)
    player._append_output_history(0.0, played)
    end_ms = len(played) * 1000 / RATE
    clock = Clock(end_ms / 1000)
    measure = echo.correlation(
        echo.recorded(played, RATE),
        delay_min_ms=250,
        delay_max_ms=500,
        step_ms=32,
        window_ms=0,
        clock=clock,
    ).measure
    for delay in (250, 282, 314, 474, 300):
        mic = room(played, delay_ms=delay)[-512:] + noise(512, 0.001)
        theirs = player.echo_correlation(
            mic,
            input_sample_rate=RATE,
            input_end_ms=end_ms,
            min_delay_ms=250,
            max_delay_ms=500,
            step_ms=32,
        )
        ours = measure(mic)
        # Their envelope lacks a neighbour or two at each edge of the piece.
        assert max(ours.raw, ours.envelope) == pytest.approx(theirs["correlation"], abs=0.02)
        if theirs["method"] == "raw":
            assert ours.delay_ms == theirs["delay_ms"]


def asking(reference: Array, mic: Array, size: int = 512, **options: Any) -> list[bool]:
    """What it says of each chunk of the microphone."""
    clock = Clock()
    judge = echo.correlation(echo.recorded(reference, RATE), clock=clock, **options)
    said = []
    for start in range(0, len(mic) - size + 1, size):
        clock.now = (start + size) / RATE
        said.append(judge.is_echo(mic[start : start + size]))
    return said


ASSISTANT = "Long ago people thought that the dark places on the moon were seas."
PERSON = "Wait, stop, I would like to ask something else instead."


def loud(samples: Array, size: int = 512, above: float = 0.02) -> Any:
    chunks = samples[: len(samples) // size * size].reshape(-1, size)
    return np.sqrt(np.mean(chunks**2, axis=1)) > above


@pytest.mark.parametrize("delay_ms", [20, 120, 350])
def test_the_echo_is_told_from_a_person(delay_ms: float) -> None:
    assistant, person = say(ASSISTANT), say(PERSON, "en-us+m3")
    n = min(len(assistant), len(person)) // 512 * 512
    assistant, person = assistant[:n], person[:n]
    heard = room(assistant, delay_ms=delay_ms)
    own = np.array(asking(assistant, heard + noise(n, 0.001)))
    assert own[loud(heard, above=0.01)].mean() > 0.95
    theirs = np.array(asking(assistant, person + heard))
    assert theirs[loud(person, above=0.05)].mean() < 0.15


def test_the_usual_delay_is_learnt_and_learnt_anew() -> None:
    played = noise(6 * RATE)
    near, far = (np.roll(played, ms * RATE // 1000) / 4 for ms in (60, 300))
    heard = np.concatenate([near[: 2 * RATE], far[2 * RATE :]])
    clock = Clock()
    judge = echo.correlation(echo.recorded(played, RATE), clock=clock)
    matches = []
    for start in range(8000, 3 * RATE, 512):
        clock.now = (start + 512) / RATE
        matches.append(judge.measure(heard[start : start + 512]))
    # The eighth match brings it; after the change, in which a window holds both, eight again.
    assert [m.usual is None for m in matches[:9]] == [True] * 7 + [False] * 2
    change = (2 * RATE - 8000) // 512
    unlike = [n for n, m in enumerate(matches) if m.usual is not None and m.usual < 0.45]
    assert change < unlike[0]
    assert unlike[-1] <= change + 17
    # A match at the usual delay is an echo also where it is weak; one elsewhere is none.
    clock.now += 1
    at = round((clock.now - 0.3) * RATE)
    weak = 0.5 * played[at - 512 : at] + noise(512, 0.07)
    assert judge.is_echo(weak)
    clock.now += 1
    at = round((clock.now - 0.06) * RATE)
    assert judge.is_echo(played[at - 512 : at].copy()) is False


def test_the_capture_time_counts_where_it_is_told() -> None:
    played = noise(RATE)
    clock = Clock(77.0)
    judge = echo.correlation(echo.recorded(played, RATE), clock=clock)
    at = RATE - 1600
    own = played[at - 512 : at].copy()
    assert judge.is_echo(own) is False
    assert judge.is_echo(own, time=(RATE - 512) / RATE) is True
    assert judge.measure(own, time=(RATE - 512) / RATE + 0.2).delay_ms == 300


def test_in_steps_of_32_ms_the_echo_is_missed() -> None:
    assistant = say(ASSISTANT)
    heard = room(assistant, delay_ms=340)
    own = np.array(asking(assistant, heard, delay_min_ms=250, step_ms=32))
    assert own[loud(heard, above=0.01)].mean() < 0.5


def test_nothing_was_played() -> None:
    judge = echo.correlation(echo.recorded(np.zeros(0, np.float32), RATE), clock=Clock(5.0))
    assert judge.measure(noise(512)) == echo.Match(0.0, 0.0, None)
    assert judge.is_echo(noise(512)) is False


def test_only_while_it_plays_a_voice_interrupts() -> None:
    played = noise(RATE)
    judge = echo.correlation(echo.recorded(played, RATE), clock=Clock(1.0), window_ms=0)
    own = played[RATE - 512 - 1600 : RATE - 1600]
    assert judge.detect(own, True) is False
    assert judge.detect(noise(512), True) is True
    assert judge.detect(noise(512), False) is False
    assert judge.measure(own).delay_ms == 100


def test_it_is_a_detector_for_barge_in() -> None:
    played = noise(RATE)
    clock = Clock(1.0)
    judge = echo.correlation(echo.recorded(played, RATE), clock=clock, window_ms=0)
    source = rxv.sources.array(np.concatenate([played[-512:], noise(512)]), RATE, block_ms=32)
    seen: list[Any] = []
    source.pipe(
        vox.chunk(512),
        vox.vad(lambda _: True),
        vox.barge_in(judge, playing=lambda: True),
    ).subscribe(seen.append)
    assert [chunk.barge_in for chunk in seen] == [False, True]


def test_chunks_are_joined_only_where_they_follow() -> None:
    asked: list[int] = []

    def at(time: float, n: int, rate: int) -> Array:
        asked.append(n - round(0.5 * rate))
        return np.zeros(n, np.float32)

    clock = Clock()
    judge = echo.correlation(at, clock=clock, window_ms=96)
    for now in (0.032, 0.064, 0.1, 0.13, 0.162, 0.226, 0.258):
        clock.now = now
        judge.is_echo(noise(512))
    assert asked == [512, 1024, 1536, 1536, 1536, 512, 1024]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delay_min_ms": -1}, "correlation delay_min_ms must be at least 0 ms, got -1"),
        (
            {"delay_min_ms": 300, "delay_max_ms": 200},
            "correlation delay_max_ms must be at least 300 ms, got 200",
        ),
        ({"step_ms": 0}, "correlation step_ms must be at least 0.01 ms, got 0"),
        ({"window_ms": -1}, "correlation window_ms must be at least 0 ms, got -1"),
        ({"threshold": 2}, "correlation threshold must be from 0 to 1 (correlation), got 2"),
        (
            {"usual_threshold": -1},
            "correlation usual_threshold must be from 0 to 1 (correlation), got -1",
        ),
        ({"backend": "gpu"}, "correlation backend must be 'numpy' or 'mlx', got 'gpu'"),
    ],
)
def test_bad_arguments(options: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        echo.correlation(echo.recorded(noise(10), RATE), **options)
    assert str(raised.value) == message


def test_bad_audio() -> None:
    judge = echo.correlation(echo.recorded(noise(10), RATE))
    ask: Callable[[Any], object] = judge.is_echo
    with pytest.raises(AudioFormatError, match="wanted float32 samples"):
        ask(np.zeros(512))
    with pytest.raises(AudioFormatError, match="wanted mono samples"):
        echo.recorded(np.zeros((2, 2), np.float32), RATE)
