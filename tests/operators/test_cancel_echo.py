from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from echo_kit import RATE, Array, Clock, Loudspeaker, db, room, say
from reactivex import Subject

from rxvoice import echo, events, offline
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk
from rxvoice.errors import AudioFormatError, ConfigError, MissingDependency
from rxvoice.events import Notice
from rxvoice.stage_error import StageError
from rxvoice.testing.check import check_operator
from rxvoice.testing.fakes import failing

ASSISTANT = (
    "The moon is about three hundred and eighty four thousand kilometres away. "
    "It goes round once in twenty seven days, and always shows us the same side. "
)
PERSON = "Wait, stop, I would like to ask something else instead."

rng = np.random.default_rng(7)


def noise(n: int, level: float = 0.1) -> Array:
    return (rng.standard_normal(n) * level).astype(np.float32)


def silence(time: float, n: int, rate: int) -> Array:
    return np.zeros(n, np.float32)


def blocks(samples: Array, size: int, rate: int = RATE) -> list[AudioChunk]:
    starts = range(0, len(samples), size)
    return [AudioChunk(samples[at : at + size], rate, at) for at in starts]


def run(chunks: list[Any], reference: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    source: Subject[Any] = Subject()
    seen: list[Any] = []
    end: list[Any] = []
    source.pipe(vox.cancel_echo(reference, **options)).subscribe(
        seen.append, end.append, lambda: end.append("completed")
    )
    for chunk in chunks:
        source.on_next(chunk)
    source.on_completed()
    return seen, end


def joined(chunks: list[AudioChunk]) -> Array:
    return np.concatenate([chunk.samples for chunk in chunks])


def test_passes_the_battery() -> None:
    check_operator(
        lambda: vox.cancel_echo(silence),
        elements=blocks(noise(4 * 512), 512),
        failing=lambda error: vox.cancel_echo(failing(silence, error=error), max_failures=1),
        name="cancel_echo",
    )


# The echo


@pytest.fixture(scope="module")
def played() -> Array:
    return np.concatenate([say(ASSISTANT), say(ASSISTANT, "en-us+f3")])


@pytest.mark.parametrize("delay_ms", [20, 120, 300])
def test_the_echo_is_gone_after_a_second(played: Array, delay_ms: float) -> None:
    heard = room(played, delay_ms=delay_ms) + noise(len(played), 1e-4)
    seen, _ = run(blocks(heard, 512), echo.recorded(played, RATE))
    left = joined(seen)
    assert db(heard[2 * RATE :]) - db(left[2 * RATE :]) > 20


def through_a_tap(played: Array, heard: Array, *, jitter: float = 0.0, step: int = 1) -> Array:
    """Played by a sink of 24 kHz, heard by a microphone whose times jitter."""
    clock = Clock(50.0)
    sink = Loudspeaker(clock, step=step)
    tap = echo.tap(sink, clock=clock)
    tap.set_sample_rate(RATE)
    tap.write_samples(played)
    source: Subject[Any] = Subject()
    seen: list[AudioChunk] = []
    source.pipe(vox.cancel_echo(tap)).subscribe(seen.append)
    for chunk in blocks(heard, 512):
        captured = 50 + chunk.start / RATE + rng.uniform(-jitter, jitter)
        clock.now = 50 + (chunk.start + 512) / RATE + 0.02
        source.on_next(
            AudioChunk(chunk.samples, RATE, chunk.start, time=captured, partial=chunk.partial)
        )
    source.on_completed()
    return joined(seen)


def test_by_the_sinks_own_clock(played: Array) -> None:
    heard = room(played) + noise(len(played), 1e-4)
    left = through_a_tap(played, heard)
    assert db(heard[2 * RATE :]) - db(left[2 * RATE :]) > 20


def test_by_clocks_that_jitter(played: Array) -> None:
    # A position told in steps of 20 ms, capture times up to 3 ms off.
    heard = room(played) + noise(len(played), 1e-4)
    left = through_a_tap(played, heard, jitter=0.003, step=320)
    assert db(heard[2 * RATE :]) - db(left[2 * RATE :]) > 20


def speech_share(samples: Array, where: slice) -> float:
    detector = offline.silero()
    judged = []
    for at in range(0, len(samples) - 511, 512):
        judged.append(detector.probability(samples[at : at + 512]) > 0.35)
    return float(np.mean(judged[slice(where.start // 512, where.stop // 512)]))


def test_a_person_over_the_echo_is_still_heard_and_the_echo_is_not(played: Array) -> None:
    person = np.zeros(len(played), np.float32)
    said = say(PERSON, "en-us+m3", 0.5)
    at = len(played) // 2
    person[at : at + len(said)] = said
    heard = room(played) + person + noise(len(played), 1e-4)
    seen, _ = run(blocks(heard, 512), echo.recorded(played, RATE))
    left = joined(seen)
    alone, over = slice(2 * RATE, at - 512), slice(at, at + len(said))
    assert speech_share(heard, alone) > 0.7
    assert speech_share(left, alone) < 0.02
    assert speech_share(left, over) > 0.8 * speech_share(person, over)


# The samples


@pytest.mark.parametrize("rate", [8_000, 16_000, 32_000, 48_000])
@pytest.mark.parametrize("options", [{}, {"noise_suppression": True}, {"gain_control": True}])
def test_what_comes_out_is_where_it_was(rate: int, options: dict[str, bool]) -> None:
    # A voice, for noise would be suppressed; only its lower part passes a filter bank unshifted.
    import soxr

    voice = soxr.resample(say(PERSON, "en-us+m3", 0.3), RATE, rate).astype(np.float32)
    seen, _ = run(blocks(voice, rate // 50, rate), silence, high_pass=False, **options)
    out = joined(seen)
    assert len(out) == len(voice)
    size = 1 << (2 * len(voice)).bit_length()
    both = np.fft.rfft(out, size) * np.conj(np.fft.rfft(voice, size))
    lag = int(np.argmax(np.fft.irfft(both, size)))
    lag = lag - size if lag > size // 2 else lag
    # Of the filter banks for higher rates, each voice is shifted a little differently.
    assert abs(lag) <= (rate // 4000 if rate > RATE else 0)


@pytest.mark.parametrize("size", [1, 7, 160, 512, 1000, 5000])
def test_blocks_come_out_as_they_came_in(size: int) -> None:
    sound = noise(2500 if size == 1 else 12_345)
    whole, _ = run(blocks(sound, len(sound)), silence)
    chunks = blocks(sound, size)
    seen, end = run(chunks, silence)
    assert end == ["completed"]
    assert [(c.start, len(c.samples)) for c in seen] == [(c.start, len(c.samples)) for c in chunks]
    np.testing.assert_array_equal(joined(seen), whole[0].samples)


def test_all_else_of_a_chunk_stays() -> None:
    given = [
        AudioChunk(noise(512), start=0, time=7.0, speech=True, probability=0.5),
        AudioChunk(noise(100), start=512, time=7.032, partial=True),
    ]
    seen, _ = run(given, silence)
    for came, gave in zip(seen, given, strict=True):
        assert came == AudioChunk(
            came.samples, 16_000, gave.start, gave.speech, gave.probability,
            partial=gave.partial, time=gave.time,
        )  # fmt: skip
        assert not came.samples.flags.writeable


def test_a_chunk_comes_with_the_next_one() -> None:
    source: Subject[Any] = Subject()
    seen: list[AudioChunk] = []
    source.pipe(vox.cancel_echo(silence)).subscribe(seen.append)
    came = []
    for chunk in blocks(noise(4 * 512), 512):
        source.on_next(chunk)
        came.append(len(seen))
    assert came == [0, 1, 2, 3]


def test_events_pass_at_once() -> None:
    event = events.Idle(10)
    seen, _ = run([*blocks(noise(512), 512), event], silence)
    assert seen[0] is event
    assert len(seen) == 2


def test_the_reference_is_asked_for_each_capture_time() -> None:
    asked: list[tuple[float, int, int]] = []

    def at(time: float, n: int, rate: int) -> Array:
        asked.append((round(time, 6), n, rate))
        return np.zeros(n, np.float32)

    def chunk(time: float | None) -> AudioChunk:
        return AudioChunk(noise(160), time=time)

    run([chunk(None), chunk(None)], at, ahead_ms=0)
    assert asked == [(0.0, 160, RATE), (0.01, 160, RATE)]
    asked.clear()
    # Two that jitter, then a gap.
    run([chunk(9.0), chunk(9.014), chunk(9.02), chunk(9.5), chunk(9.51)], at)
    assert [time for time, _, _ in asked] == [9.04, 9.05, 9.06, 9.54, 9.55]


# Errors


def test_bad_audio() -> None:
    ok, bad = AudioChunk(noise(160)), AudioChunk(np.zeros(160))  # type: ignore[arg-type]
    _, (error,) = run([ok, bad, ok], silence)
    assert isinstance(error, AudioFormatError)
    _, (error,) = run([AudioChunk(noise(160), 44_100)], silence)
    assert str(error) == (
        "cancel_echo wanted audio at 8000, 16000, 32000, 48000 Hz, got 44100 Hz: resample it "
        "first, with resample(16_000)"
    )
    _, (error,) = run([ok, AudioChunk(noise(160), 8000)], silence)
    assert str(error) == (
        "cancel_echo wanted audio at 16000 Hz, as it began, got a chunk at 8000 Hz: resample it "
        "first"
    )


def test_a_reference_that_gives_too_little() -> None:
    _, (error,) = run([AudioChunk(noise(160))], lambda *_: noise(10), max_failures=1)
    assert isinstance(error, StageError)
    assert str(error) == (
        "cancel_echo failed: ConfigError: the reference must give 160 samples as asked, got 10"
    )


@pytest.mark.parametrize("bad", [None, OSError("gone"), noise(3), np.full(160, np.nan, np.float32)])
def test_a_bad_answer_counts_as_silence_and_is_told(bad: Any) -> None:
    asked = iter("b.bb.")

    def reference(time: float, n: int, rate: int) -> Any:
        if next(asked) == ".":
            return silence(time, n, rate)
        if isinstance(bad, Exception):
            raise bad
        return bad

    heard = [AudioChunk(noise(160), start=160 * n) for n in range(5)]
    seen, end = run(heard, reference, max_failures=3)
    calm, _ = run(heard, silence)
    notices = [it for it in seen if isinstance(it, Notice)]
    assert [it for it in seen if it not in notices] == calm
    assert len(notices) == 3
    assert notices[0].message.endswith(
        "the loudspeaker counts as silent (failure 1; 1 in a row, at 3 the conversation ends)"
    )
    assert end == ["completed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ahead_ms": -1}, "cancel_echo ahead_ms must be at least 0 ms, got -1"),
        ({"ahead_ms": 1.5}, "cancel_echo ahead_ms must be a whole number of ms, got 1.5"),
        (
            {"max_failures": 0},
            "cancel_echo max_failures must be at least 1 failures, got 0",
        ),
        ({"ahead_ms": 301}, "cancel_echo ahead_ms must be from 0 to 300 (ms), got 301"),
    ],
)
def test_bad_arguments(options: Any, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        vox.cancel_echo(silence, **options)
    assert str(raised.value) == message


def test_no_reference() -> None:
    with pytest.raises(ConfigError, match=r"wanted an object with at\(\.\.\.\) or a callable"):
        vox.cancel_echo(3)  # type: ignore[arg-type]


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit.rtc", None)
    with pytest.raises(MissingDependency) as raised:
        vox.cancel_echo(silence)
    assert str(raised.value) == (
        "cancel_echo() needs the package livekit: pip install 'rxvoice[echo]'"
    )


def test_a_library_that_fails_is_an_error_of_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def process(*_: object) -> None:
        raise RuntimeError("no")

    canceller = sys.modules["rxvoice.operators.cancel_echo"]._Canceller
    monkeypatch.setattr(canceller, "process", process)
    seen, (error,) = run([AudioChunk(noise(160))], silence)
    assert seen == []
    assert str(error) == "cancel_echo failed: RuntimeError: no"


@pytest.mark.parametrize("option", ["", "noise_suppression", "high_pass", "gain_control"])
def test_the_library_is_told_what_the_app_wants(
    monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    told: list[dict[str, bool]] = []
    delays: list[int] = []

    class Library:
        def __init__(self, **options: bool) -> None:
            told.append(options)

        def process_reverse_stream(self, frame: object) -> None: ...
        def process_stream(self, frame: object) -> None: ...
        def set_stream_delay_ms(self, ms: int) -> None:
            delays.append(ms)

    monkeypatch.setattr(sys.modules["rxvoice.operators.cancel_echo"], "_library", lambda: Library)
    changed = {option: option != "high_pass"} if option else {}
    run([AudioChunk(noise(160))], silence, ahead_ms=70, **changed)
    wanted = {"noise_suppression": False, "high_pass": True, "gain_control": False} | changed
    wanted["auto_gain_control"] = wanted.pop("gain_control")
    wanted["high_pass_filter"] = wanted.pop("high_pass")
    assert told == [{"echo_cancellation": True} | wanted]
    assert set(delays) == {70}


@pytest.mark.parametrize("method", ["time", "end"])
def test_a_ctrl_c_in_the_library_reaches_the_producer(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["rxvoice.operators.cancel_echo"]._Canceller, method, stop)
    source: Subject[Any] = Subject()
    end: list[Any] = []
    source.pipe(vox.cancel_echo(silence)).subscribe(end.append, end.append)
    if method == "end":
        source.on_next(AudioChunk(noise(160)))
    with pytest.raises(KeyboardInterrupt):
        source.on_completed() if method == "end" else source.on_next(AudioChunk(noise(160)))
    assert str(end[-1]).startswith("cancel_echo failed: KeyboardInterrupt")


def test_a_chunk_comes_out_with_its_last_sample() -> None:
    # Of the first 160 samples that went in, 32 come out, which the library holds back the longest.
    seen: list[Any] = []
    source: Subject[Any] = Subject()
    source.pipe(vox.cancel_echo(silence)).subscribe(seen.append)
    for chunk in blocks(noise(160), 32):
        source.on_next(chunk)
    assert [chunk.start for chunk in seen] == [0]


def test_a_clock_that_runs_away_is_followed() -> None:
    asked: list[float] = []

    def at(time: float, n: int, rate: int) -> Array:
        asked.append(time)
        return np.zeros(n, np.float32)

    late = [AudioChunk(noise(160), time=n * 0.01 + 0.04 * (n > 0)) for n in range(100)]
    run(late, at, ahead_ms=0)
    assert asked[1] == 0.01
    assert 0.99 < asked[-1] < 1.03


def test_its_defaults() -> None:
    defaults = vox.cancel_echo.__kwdefaults__
    assert (defaults["ahead_ms"], defaults["max_failures"]) == (40, 10)
    assert callable(vox.cancel_echo(silence, ahead_ms=300, max_failures=1))
