"""The microphone on a real sound server: what was said is what comes out, whatever befalls it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from devices.virtual_audio import VirtualAudio
from numpy.typing import NDArray

from rxvoice import AudioChunk, Event, devices, sources
from rxvoice.cli.devices import devices as command
from rxvoice.errors import ConfigError
from rxvoice.events import AudioLost, DeviceLost, DeviceRestored
from rxvoice.sources._ring import Ring

pytestmark = pytest.mark.devices

DEMO = Path(__file__).parents[2] / "rxvoice" / "data" / "demo.wav"
PATIENCE = 30
"""Seconds, after which something does not come any more."""


@pytest.fixture(autouse=True)
def patient_player(audio: VirtualAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a player with 30 ms in hand leaves holes in what it plays."""
    monkeypatch.setitem(audio._environment, "PULSE_LATENCY_MSEC", "1000")


class Heard:
    """A subscriber that remembers, and for which a test can wait."""

    def __init__(self) -> None:
        self.elements: list[AudioChunk | Event] = []
        self._changed = threading.Condition()

    def __call__(self, element: AudioChunk | Event) -> None:
        with self._changed:
            self.elements.append(element)
            self._changed.notify_all()

    def until(self, satisfied: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(satisfied, PATIENCE), self.events

    def more(self, count: int) -> None:
        wanted = len(self.chunks) + count
        self.until(lambda: len(self.chunks) >= wanted)

    @property
    def chunks(self) -> list[AudioChunk]:
        return [it for it in self.elements if isinstance(it, AudioChunk)]

    @property
    def events(self) -> list[Event]:
        return [it for it in self.elements if isinstance(it, Event)]

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate([it.samples for it in self.chunks])


@contextmanager
def listening(**options: object) -> Iterator[Heard]:
    heard = Heard()
    errors: list[Exception] = []
    subscription = sources.microphone(**options).subscribe(heard, errors.append)  # type: ignore[arg-type]
    try:
        heard.more(3)
        yield heard
    finally:
        subscription.dispose()
    assert errors == []


@contextmanager
def saying(audio: VirtualAudio, level: float, seconds: int) -> Iterator[None]:
    """A constant is played into the microphone: it is never zero, so zeros are no sound."""
    samples = np.full(16_000 * seconds, level, np.float32)
    # Half a second of it fits into the pipe.
    thread = threading.Thread(target=lambda: audio.say(samples, 16_000))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def delay(heard: NDArray[np.float32], said: NDArray[np.float32]) -> int:
    """Where in what was heard begins what was said."""
    size = 1 << (len(heard) + len(said)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))


@pytest.mark.parametrize("sample_rate", [16_000, 44_100, 48_000])
def test_speech_comes_out_as_it_was_said(audio: VirtualAudio, sample_rate: int) -> None:
    speech, rate = soundfile.read(DEMO, dtype="float32", frames=40_000)
    with listening(sample_rate=sample_rate) as heard:
        audio.say(speech, rate).wait(PATIENCE)
        heard.more(20)
    expected = soxr.resample(speech, rate, sample_rate)
    out = heard.samples
    at = delay(out, expected)
    part = out[at : at + len(expected)]
    assert len(part) == len(expected)
    assert np.corrcoef(part, expected)[0, 1] > 0.99
    # The whole of it at one delay: each piece by itself is where it should be, with no gap.
    for piece in range(0, len(expected) - sample_rate // 2, sample_rate // 2):
        said = expected[piece : piece + sample_rate // 2]
        if said.std() > 0.01:
            again = part[piece : piece + sample_rate // 2]
            assert np.corrcoef(again, said)[0, 1] > 0.99
    assert heard.events == []
    assert [it.start for it in heard.chunks[1:]] == list(
        np.cumsum([len(it.samples) for it in heard.chunks])[:-1]
    )
    first, last = heard.chunks[0], heard.chunks[-1]
    assert first.time is not None
    assert last.time is not None
    assert last.time - first.time == pytest.approx(last.start / sample_rate, abs=0.06)


def test_when_the_sound_server_dies_the_microphone_waits_for_it(audio: VirtualAudio) -> None:
    with listening() as heard:
        audio.stop()
        try:
            heard.until(lambda: any(isinstance(it, DeviceLost) for it in heard.events))
            heard.more(5)  # silence goes on meanwhile
        finally:
            audio.start()
        heard.until(lambda: any(isinstance(it, DeviceRestored) for it in heard.events))
        tone = 0.25 + 0 * np.arange(16_000, dtype=np.float32)
        audio.say(tone, 16_000)
        heard.until(lambda: bool(np.abs(heard.chunks[-1].samples).max() > 0.2))
    lost, restored = heard.events
    assert isinstance(lost, DeviceLost)
    assert isinstance(restored, DeviceRestored)
    assert lost.kind == restored.kind == "microphone"
    first, last = heard.chunks[0], heard.chunks[-1]
    assert first.time is not None
    assert last.time is not None
    assert last.time - first.time == pytest.approx(last.start / 16_000, abs=0.1)
    assert not devices.is_open()


def test_a_source_that_stalls_without_a_word_is_noticed(audio: VirtualAudio) -> None:
    def suspend(how: str) -> None:
        subprocess.run(
            ["pactl", "suspend-source", "mic_in", how], env=audio._environment, check=True
        )

    with listening() as heard:
        suspend("1")
        try:
            heard.until(lambda: any(isinstance(it, DeviceLost) for it in heard.events))
        finally:
            suspend("0")
        heard.until(lambda: any(isinstance(it, DeviceRestored) for it in heard.events))
    [lost, restored] = heard.events
    assert isinstance(lost, DeviceLost)
    assert lost.reason == "no sound for 1 s"
    assert isinstance(restored, DeviceRestored)
    assert restored.gone_ms > 900


def test_what_a_stalled_subscriber_misses_is_counted_exactly(audio: VirtualAudio) -> None:
    elements: list[AudioChunk | Event] = []
    stalled, go_on, enough = threading.Event(), threading.Event(), threading.Event()

    def hear(element: AudioChunk | Event) -> None:
        elements.append(element)
        last = [it for it in elements[-5:] if isinstance(it, AudioChunk) and it.samples.all()]
        if not stalled.is_set() and len(last) == 5:
            stalled.set()
            assert go_on.wait(PATIENCE)
        elif go_on.is_set() and isinstance(element, AudioChunk) and element.samples.all():
            enough.set()

    with (
        saying(audio, 0.3, 4),
        listening() as clock,
    ):  # the other microphone says how long it stalls
        subscription = sources.microphone(max_ms=320).subscribe(hear)
        try:
            assert stalled.wait(PATIENCE)
            clock.more(30)
            go_on.set()
            assert enough.wait(PATIENCE)
        finally:
            go_on.set()
            subscription.dispose()
    chunks = [it for it in elements if isinstance(it, AudioChunk)]
    [lost] = [it for it in elements if isinstance(it, Event)]
    assert isinstance(lost, AudioLost)
    assert lost.cause == "full"
    assert 15 * 512 <= lost.samples <= 25 * 512
    out = np.concatenate([it.samples for it in chunks])
    # The sound server itself may leave a short hole where its player begins.
    runs = np.diff(np.flatnonzero(out)) - 1
    assert runs.max() == lost.samples == lost.total
    assert len(out) == chunks[-1].start + 512
    first, last = chunks[0], chunks[-1]
    assert first.time is not None
    assert last.time is not None
    assert last.time - first.time == pytest.approx(last.start / 16_000, abs=0.08)


def test_the_callback_takes_a_fraction_of_its_block_beside_a_busy_thread(
    audio: VirtualAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[int] = []
    callback = Ring.callback

    def measured(self: Ring, *arguments: object) -> None:
        begin = time.thread_time_ns()
        callback(self, *arguments)  # type: ignore[arg-type]
        spent.append(time.thread_time_ns() - begin)

    monkeypatch.setattr(Ring, "callback", measured)
    stop = threading.Event()

    def hold_the_gil() -> None:
        while not stop.is_set():
            sum(range(10_000))

    busy = threading.Thread(target=hold_the_gil)
    with listening(block_ms=10) as heard:
        busy.start()
        try:
            spent.clear()
            heard.more(100)
        finally:
            stop.set()
            busy.join()
    # Processor time of its own thread: what others take of the machine is not the callback's.
    assert np.percentile(spent, 99) < 1_000_000  # ns, a tenth of the block


def test_two_microphones_in_a_row_and_at_once(audio: VirtualAudio) -> None:
    with listening() as one, listening() as two:
        one.more(5)
        two.more(5)
    with listening() as three:
        three.more(5)
    assert one.events == two.events == three.events == []
    assert not devices.is_open()


def test_a_device_is_found_by_a_part_of_its_name(audio: VirtualAudio) -> None:
    assert devices.find("PUL", "microphone").name == "pulse"
    assert devices.find(None, "speaker").default_output
    with listening(device="pulse") as heard:
        heard.more(2)
    with pytest.raises(ConfigError) as raised:
        devices.find("no such", "microphone")
    assert "there is no microphone device 'no such': choose one of 0 'pulse'" in str(raised.value)


def test_an_unknown_device_ends_the_subscription_with_those_there_are(audio: VirtualAudio) -> None:
    errors: list[Exception] = []
    ended = threading.Event()

    def fail(error: Exception) -> None:
        errors.append(error)
        ended.set()

    sources.microphone("no such").subscribe(print, fail)
    assert ended.wait(PATIENCE)
    assert "choose one of 0 'pulse'" in str(errors[0])


def test_the_command_lists_devices_and_levels(
    audio: VirtualAudio, capsys: pytest.CaptureFixture[str]
) -> None:
    with saying(audio, 0.5, 3), listening() as heard:
        heard.until(lambda: bool(np.abs(heard.chunks[-1].samples).max() > 0.4))
        assert command(level=True, seconds=1) == 0
    shown = capsys.readouterr().out
    assert "Microphones\n    0  pulse" in shown
    assert "*   1  default" in shown
    assert re.search("-[56] dB  default", shown)


def test_the_interpreter_exits_while_it_listens(audio: VirtualAudio) -> None:
    program = (
        "import threading\n"
        "from rxvoice import sources\n"
        "came = threading.Event()\n"
        "sources.microphone().subscribe(lambda it: (came.set(), print(type(it).__name__)))\n"
        "came.wait(30)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0
    assert "AudioChunk" in ran.stdout
    assert "DeviceLost" not in ran.stdout
    assert ran.stderr == ""
