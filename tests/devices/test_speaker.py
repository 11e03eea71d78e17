"""`speaker` on a virtual loudspeaker, which is recorded."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
import soxr
from devices.virtual_audio import VirtualAudio

import rxvoice as rxv
from rxvoice import Samples, _platform, devices, events
from rxvoice.sinks import Speaker, _loudspeaker, _output_stream

pytestmark = pytest.mark.devices

SOON = 30.0
RATE = 48_000


@pytest.fixture(autouse=True)
def busy_machine(audio: VirtualAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound server keeps 100 ms: what is tested is not how busy the machine is."""
    monkeypatch.setenv("PULSE_LATENCY_MSEC", "100")


@pytest.fixture
def told() -> list[rxv.Event]:
    """What the loudspeaker told."""
    return []


def undisturbed(test: Callable[..., None]) -> Callable[..., None]:
    """Again, where the sound system was not served in time and the loudspeaker said so."""

    @wraps(test)
    def attempts(*, told: list[rxv.Event], tmp_path: Path, **fixtures: object) -> None:
        for attempt in range(4):
            told.clear()
            directory = tmp_path / str(attempt)
            directory.mkdir()
            try:
                test(told=told, tmp_path=directory, **fixtures)
            except AssertionError:
                if attempt == 3 or not any(isinstance(it, events.Underrun) for it in told):
                    raise
            else:
                return

    return attempts


@contextmanager
def loudspeaker(told: list[rxv.Event]) -> Iterator[Speaker]:
    with rxv.speaker() as sink:
        sink.events.subscribe(told.append)
        yield sink


def noise(seconds: float, rate: int, seed: int = 5) -> Samples:
    """Below 7 kHz, so that it is the same at every rate; never silent."""
    rng = np.random.default_rng(seed)
    white = rng.uniform(-0.5, 0.5, int(seconds * 14_000)).astype(np.float32)
    return soxr.resample(white, 14_000, rate).clip(-1, 1).astype(np.float32)


@contextmanager
def recorded(audio: VirtualAudio, path: Path) -> Iterator[Callable[[], Samples]]:
    """Records from before it is entered; call what it gives to end it."""
    child = audio.record(path, sample_rate=RATE)

    def end() -> Samples:
        sound = path.stat().st_size + RATE * 4 // 2  # what is still on its way
        grown(path, sound)
        child.terminate()
        child.wait()
        return np.fromfile(path, np.float32)

    grown(path, 1)
    try:
        yield end
    finally:
        child.kill()
        child.wait()


def grown(path: Path, size: int) -> None:
    for _ in range(int(SOON / 0.01)):
        if path.stat().st_size >= size:
            return
        threading.Event().wait(0.01)
    raise AssertionError("nothing is recorded")


def found(part: Samples, where: Samples) -> tuple[int, float]:
    """Where it is, and how well it correlates there."""
    size = 1 << (len(where) + len(part)).bit_length()
    product = np.fft.rfft(where, size) * np.conj(np.fft.rfft(part, size))
    at = int(np.argmax(np.fft.irfft(product, size)[: len(where) - len(part) + 1]))
    return at, float(np.corrcoef(where[at : at + len(part)], part)[0, 1])


def until(sink: Speaker, position: int) -> None:
    """Wait until that much has been heard."""
    there = threading.Event()
    watch = sink.played.subscribe(lambda heard: there.set() if heard >= position else None)
    assert sink.position >= position or there.wait(SOON)
    watch.dispose()


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
@undisturbed
def test_what_comes_out_is_what_went_in(
    audio: VirtualAudio, tmp_path: Path, told: list[rxv.Event], rate: int
) -> None:
    voice = noise(1.2, rate)
    with recorded(audio, tmp_path / "out") as end, loudspeaker(told) as sink:
        sink.set_sample_rate(rate)
        for at in range(0, len(voice), rate // 10):
            sink.write_samples(voice[at : at + rate // 10])
        sink.flush()
        assert sink.position == len(voice)
        heard = end()
    wanted = voice if rate == RATE else soxr.resample(voice, rate, RATE)
    at, alike = found(wanted, heard)
    assert alike > 0.999
    assert np.abs(heard[at : at + len(wanted)] - wanted).max() < 0.01
    assert not heard[:at].any()
    assert not heard[at + len(wanted) + 8 :].any()


@undisturbed
def test_a_pause_skips_nothing_and_repeats_nothing(
    audio: VirtualAudio, tmp_path: Path, told: list[rxv.Event]
) -> None:
    voice = noise(1.5, RATE)
    with recorded(audio, tmp_path / "out") as end, loudspeaker(told) as sink:
        sink.write_samples(voice)
        until(sink, RATE // 2)
        sink.pause()
        # Until the device has played what it had been given, and for a while.
        grown(tmp_path / "out", (tmp_path / "out").stat().st_size + RATE * 4 // 2)
        held = sink.position
        assert not sink.is_running
        sink.resume()
        sink.flush()
        heard = end()
    fade = RATE // 200
    first, alike = found(voice[: held - fade], heard)
    assert alike > 0.999
    second, alike = found(voice[held + fade :], heard)
    assert alike > 0.999
    gap = second - (held + fade) - first
    assert gap > RATE // 5
    assert not heard[first + held : first + held + gap].any()
    whole = np.concatenate([heard[first : first + held], heard[first + held + gap :]])
    different = np.flatnonzero(np.abs(whole[: len(voice)] - voice) > 0.01)
    assert len(different)
    assert held - fade <= different[0]
    assert different[-1] < held + fade


@undisturbed
def test_what_is_cleared_is_not_heard(
    audio: VirtualAudio, tmp_path: Path, told: list[rxv.Event]
) -> None:
    voice, after = noise(2, RATE), noise(0.4, RATE, seed=6)
    with recorded(audio, tmp_path / "out") as end, loudspeaker(told) as sink:
        sink.write_samples(voice)
        until(sink, RATE // 2)
        unheard = sink.clear()
        sink.flush()
        kept = len(voice) - len(unheard)
        assert sink.position == kept
        assert np.array_equal(unheard, voice[kept:])
        sink.write_samples(after)
        sink.flush()
        assert sink.position == kept + len(after)
        heard = end()
    fade = RATE // 200
    at, alike = found(voice[: kept - fade], heard)
    assert alike > 0.999
    next_at, alike = found(after, heard)
    assert alike > 0.999
    assert np.abs(heard[at + kept - fade : at + kept]).max() > 0
    assert not heard[at + kept : next_at].any()


@undisturbed
def test_after_a_rest_it_plays_on(
    audio: VirtualAudio, tmp_path: Path, told: list[rxv.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Mac, where streams also stop by themselves before they are closed."""
    monkeypatch.setattr(_platform, "_set", _platform.Platform("darwin"))
    # CoreAudio's small buffer is too small for a busy PulseAudio.
    monkeypatch.setattr(_output_stream, "platform", lambda: _platform.Platform("linux"))
    monkeypatch.setattr(_loudspeaker, "_REST_S", 0.05)
    voices = [noise(0.4, RATE, seed=seed) for seed in (7, 8, 9)]
    with recorded(audio, tmp_path / "out") as end, loudspeaker(told) as sink:
        sink.set_sample_rate(RATE)
        for voice in voices:
            grown(tmp_path / "out", (tmp_path / "out").stat().st_size + RATE * 4 // 2)
            assert not devices.is_open()
            sink.write_samples(voice)
            sink.end_reply()
            sink.flush()
        assert sink.position == sum(map(len, voices))
        heard = end()
    assert [it for it in told if not isinstance(it, events.Underrun)] == []
    at = 0
    for voice in voices:
        # ALSA may run out of sound when a stream begins on a busy machine, and drop what it holds.
        start, alike = found(voice[RATE // 10 :], heard[at:])
        assert alike > 0.99
        at += start + len(voice) - RATE // 10


def test_played_follows_the_sound(audio: VirtualAudio) -> None:
    voice = noise(0.6, 24_000)
    told: list[int] = []
    over = threading.Event()
    with rxv.speaker() as sink:
        sink.played.subscribe(told.append, on_completed=over.set)
        sink.set_sample_rate(24_000)
        sink.write_samples(voice)
        sink.flush()
    assert over.wait(SOON)
    assert told == sorted(set(told))
    assert 0 < told[0] < len(voice)
    assert told[-1] == len(voice)
    assert len(told) > 10


@pytest.mark.slow
def test_after_the_sound_server_has_gone_it_goes_on_with_the_next(
    audio: VirtualAudio, tmp_path: Path
) -> None:
    voice = noise(2, RATE)
    lost, restored = threading.Event(), threading.Event()
    told: list[rxv.Event] = []

    def note(event: rxv.Event) -> None:
        told.append(event)
        if isinstance(event, events.DeviceLost):
            lost.set()
        if isinstance(event, events.DeviceRestored):
            restored.set()

    with rxv.speaker() as sink:
        sink.events.subscribe(note)
        sink.write_samples(voice)
        until(sink, RATE // 2)
        audio.stop()
        assert lost.wait(SOON)
        at_loss = sink.position
        audio.start()
        with recorded(audio, tmp_path / "out") as end:
            assert restored.wait(SOON)
            sink.flush()
            assert sink.position == len(voice)
            heard = end()
    assert at_loss < RATE
    assert [type(event).__name__ for event in told[:2]] == ["DeviceLost", "DeviceRestored"]
    _, alike = found(voice[-RATE // 2 :], heard)
    assert alike > 0.999


@pytest.mark.slow
def test_a_device_that_falls_asleep_is_noticed(audio: VirtualAudio) -> None:
    def suspend(how: str) -> None:
        environment = {**os.environ, **audio.environment}
        subprocess.run(["pactl", "suspend-sink", "speaker", how], env=environment, check=True)

    voice = noise(2, RATE)
    lost, restored = threading.Event(), threading.Event()

    def note(event: rxv.Event) -> None:
        if isinstance(event, events.DeviceLost):
            lost.set()
        if isinstance(event, events.DeviceRestored):
            restored.set()

    with rxv.speaker() as sink:
        sink.events.subscribe(note)
        sink.write_samples(voice)
        until(sink, RATE // 2)
        suspend("1")
        try:
            assert lost.wait(SOON)
        finally:
            suspend("0")
        assert restored.wait(SOON)
        sink.flush()
        assert sink.position == len(voice)
