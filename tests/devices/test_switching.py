"""Devices that are switched while they run, on PulseAudio, which PortAudio sees as two."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices.test_speaker import RATE, found, loudspeaker, noise, recorded, undisturbed, until
from devices.virtual_audio import VirtualAudio
from reactivex.subject import BehaviorSubject

import rxvoice as rxv
from rxvoice import devices
from rxvoice.devices import _hal
from rxvoice.devices._hal import NoHal
from rxvoice.events import DeviceChanged

pytestmark = pytest.mark.devices

SOON = 30.0


@pytest.fixture(autouse=True)
def busy_machine(audio: VirtualAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound server keeps 100 ms: what is tested is not how busy the machine is."""
    monkeypatch.setenv("PULSE_LATENCY_MSEC", "100")


@pytest.fixture(autouse=True)
def two_devices(audio: VirtualAudio) -> None:
    """PortAudio leaves out of its list what it cannot open at the moment that it looks."""
    for _ in range(5):
        if {"default", "pulse"} <= {it.name for it in devices.listing()}:
            return
        devices.refresh()
    pytest.fail(f"PortAudio lists only {[it.name for it in devices.listing()]}")


@pytest.fixture
def told() -> list[rxv.Event]:
    """What the loudspeaker told."""
    return []


@undisturbed
def test_the_loudspeaker_goes_on_where_it_was_heard_last(
    audio: VirtualAudio, tmp_path: Path, told: list[rxv.Event]
) -> None:
    sound = noise(1.5, RATE)
    with recorded(audio, tmp_path / "heard.raw") as end, loudspeaker(told) as sink:
        sink.set_sample_rate(RATE)
        sink.write_samples(sound)
        until(sink, RATE // 2)
        sink.use("pulse")
        assert sink.device == "pulse"
        sink.flush()
        assert sink.position == len(sound)
        heard = end()
    assert DeviceChanged("speaker", "pulse", "default") in told
    # All of the beginning and all of the end; what the first device was cut off in is heard twice.
    for part in (slice(0, RATE // 2 - RATE // 10), slice(RATE, len(sound))):
        _, alike = found(sound[part], heard)
        assert alike > 0.99
    silence = np.flatnonzero(np.abs(heard) > 0.01)
    assert (silence[-1] - silence[0]) / RATE < 1.5 + 1.0


def test_the_microphone_goes_on_with_the_next_device(audio: VirtualAudio) -> None:
    chosen: BehaviorSubject[str | None] = BehaviorSubject(None)
    got: list[Any] = []
    changed, enough = threading.Event(), threading.Event()

    def hear(it: rxv.AudioChunk | rxv.Event) -> None:
        got.append(it)
        if isinstance(it, DeviceChanged):
            changed.set()
        if changed.is_set() and len(got) > 60:
            enough.set()
        if len(got) == 20:
            chosen.on_next("pulse")

    with rxv.microphone(chosen).subscribe(hear):
        assert enough.wait(SOON)
    (event,) = [it for it in got if isinstance(it, rxv.Event)]
    assert event == DeviceChanged("microphone", "pulse", "default")
    chunks = [it for it in got if isinstance(it, rxv.AudioChunk)]
    assert [it.start for it in chunks] == [512 * i for i in range(len(chunks))]
    first, last = chunks[0], chunks[-1]
    assert last.time - first.time == pytest.approx(last.start / 16_000, abs=0.1)


class Counted(NoHal):
    """A system that tells of a device that came or went, once `count` is another number."""

    count = 0

    def present(self) -> object:
        return self.count


@undisturbed
def test_portaudio_looks_for_devices_while_both_sides_are_open(
    audio: VirtualAudio, tmp_path: Path, told: list[rxv.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    hal = Counted()
    monkeypatch.setattr(_hal, "_set", hal)
    sound = noise(1.5, RATE)
    got: list[Any] = []
    listens, enough = threading.Event(), threading.Semaphore(0)

    def hear(it: rxv.AudioChunk | rxv.Event) -> None:
        got.append(it)
        listens.set()
        enough.release()

    with (
        rxv.microphone().subscribe(hear),
        recorded(audio, tmp_path / "heard.raw") as end,
        loudspeaker(told) as sink,
    ):
        assert listens.wait(SOON)
        sink.set_sample_rate(RATE)
        sink.write_samples(sound)
        until(sink, RATE // 2)
        hal.count += 1
        assert devices.look_again()
        sink.flush()
        assert sink.position == len(sound)
        heard = end()
        for _ in range(20):
            assert enough.acquire(timeout=SOON)
    # All of the beginning and all of the end; what was cut off between them is heard twice.
    for part in (slice(0, RATE // 2 - RATE // 10), slice(RATE, len(sound))):
        _, alike = found(sound[part], heard)
        assert alike > 0.99
    assert not [it for it in told if not isinstance(it, rxv.events.Underrun)]
    assert all(isinstance(it, rxv.events.AudioLost) for it in got if isinstance(it, rxv.Event))
    chunks = [it for it in got if isinstance(it, rxv.AudioChunk)]
    assert [it.start for it in chunks] == [512 * i for i in range(len(chunks))]
    first, last = chunks[0], chunks[-1]
    assert last.time - first.time == pytest.approx(last.start / 16_000, abs=0.1)
