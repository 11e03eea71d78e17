"""`microphone` on a fake CoreAudio: devices that go, come back and change, beside a loudspeaker."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fake_coreaudio import HEADSET_RATE, Mac, MacDevice, PortAudioError
from fake_coreaudio.quick import quick
from reactivex.subject import BehaviorSubject
from sinks.test_speaker import SOON, Told, aside, ramp

import rxvoice as rxv
from rxvoice import AudioChunk, Event, devices, events
from rxvoice.devices import _streams, _watch
from rxvoice.sources._machine import RealMachine

SPEAKERS, MICROPHONE = "MacBook Pro Speakers", "MacBook Pro Microphone"


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    made = Mac(clock=lambda: time.monotonic() + made.passed)
    monkeypatch.setattr(RealMachine, "now", staticmethod(made.clock))
    made.install(monkeypatch)
    made.say = lambda count: np.full(count, 0.1, np.float32)
    quick(monkeypatch, watch_s=0.001)
    yield made
    made.release()
    assert made.crimes == []


class Ears:
    """A subscriber of a microphone."""

    def __init__(self, device: Any = None) -> None:
        self.chunks: list[AudioChunk] = []
        self._events: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.more = threading.Semaphore(0)
        self.life = rxv.microphone(device).subscribe(self._hear, self._events.put)

    def _hear(self, element: AudioChunk | Event) -> None:
        if isinstance(element, AudioChunk):
            self.chunks.append(element)
            self.more.release()
        else:
            self._events.put(element)

    def next(self) -> object:
        return self._events.get(timeout=SOON)

    def hear(self, chunks: int = 3) -> None:
        """Wait for so many more chunks."""
        while self.more.acquire(blocking=False):
            pass
        for _ in range(chunks):
            assert self.more.acquire(timeout=SOON)

    @property
    def is_without_gaps(self) -> bool:
        return [it.start for it in self.chunks] == [512 * i for i in range(len(self.chunks))]

    @property
    def nothing(self) -> bool:
        return self._events.empty()


@pytest.fixture
def ears(mac: Mac) -> Iterator[Ears]:
    with mac.running():
        made = Ears()
        made.hear()
        yield made
        made.life.dispose()
    assert not mac.open


def until(so: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if so():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came to that")


def usb() -> MacDevice:
    return MacDevice("USB", inputs=1, transport="usb ", rate=44_100)


def airpods(**sides: int) -> MacDevice:
    return MacDevice("AirPods", transport="blue", **sides)


def test_a_microphone_that_comes_back_is_used_again_beside_a_loudspeaker(mac: Mac) -> None:
    mac.plug(usb())
    with mac.running(), rxv.speaker() as speaker:
        told = Told(speaker.events)
        ears = Ears("usb")
        ears.hear()
        again = mac.unplug("USB")
        lost = ears.next()
        assert isinstance(lost, events.DeviceLost)
        assert lost.device == "USB"
        restored = ears.next()
        assert isinstance(restored, events.DeviceRestored)
        assert restored.device == MICROPHONE
        ears.hear()
        mac.plug(again)
        assert ears.next() == events.DeviceChanged("microphone", "USB", MICROPHONE)
        ears.hear()
        assert mac.last("input").device is again
        ears.life.dispose()
        assert ears.is_without_gaps
        assert told.nothing  # the loudspeaker was opened again, and nobody need know


def test_the_default_microphone_is_followed(mac: Mac, ears: Ears) -> None:
    mac.plug(usb())
    mac.choose("input", "USB")
    assert ears.next() == events.DeviceChanged("microphone", "USB", MICROPHONE)
    ears.hear()
    mac.unplug("USB")
    assert ears.next() == events.DeviceChanged("microphone", MICROPHONE, "USB")
    ears.hear()
    assert ears.is_without_gaps


def test_one_that_was_chosen_is_kept(mac: Mac) -> None:
    chosen: BehaviorSubject[str | None] = BehaviorSubject("MacBook")
    with mac.running():
        ears = Ears(chosen)
        ears.hear()
        mac.plug(usb())
        mac.choose("input", "USB")
        ears.hear()
        assert ears.nothing
        chosen.on_next(None)
        assert ears.next() == events.DeviceChanged("microphone", "USB", MICROPHONE)
        mac.choose("input", MICROPHONE)
        assert ears.next() == events.DeviceChanged("microphone", MICROPHONE, "USB")
        chosen.on_next("nope")
        notice = ears.next()
        assert isinstance(notice, events.Notice)
        mac.choose("input", "USB")  # it still follows
        assert ears.next() == events.DeviceChanged("microphone", "USB", MICROPHONE)
        ears.life.dispose()


def test_a_default_microphone_that_does_not_open_is_told_of_once_and_left_alone(
    mac: Mac, ears: Ears
) -> None:
    def refuse(device: MacDevice) -> None:
        if device.name == "USB":
            raise PortAudioError("Device unavailable")

    mac.opening = refuse
    mac.plug(usb())
    mac.choose("input", "USB")
    notice = ears.next()
    while isinstance(notice, events.AudioLost):
        notice = ears.next()
    assert isinstance(notice, events.Notice)
    assert notice.message == (
        f"the microphone stays {MICROPHONE!r}: the other device does not open"
    )
    ears.hear()
    mac.opening = lambda _: None
    mac.plug(MacDevice("Desk", inputs=1))
    mac.choose("input", "Desk")
    while isinstance(event := ears.next(), events.AudioLost):
        pass
    assert event == events.DeviceChanged("microphone", "Desk", MICROPHONE)
    assert ears.is_without_gaps


def takes_long(mac: Mac) -> None:
    """Let the next device take two seconds to open."""

    def wait(_: MacDevice) -> None:
        mac.passed += 2.0

    mac.opening = wait


def test_what_is_lost_while_portaudio_looks_is_silence_and_told_of(mac: Mac, ears: Ears) -> None:
    takes_long(mac)
    mac.plug(MacDevice("Headphones", outputs=2))
    assert devices.look_again()
    lost = ears.next()
    assert isinstance(lost, events.AudioLost)
    assert lost.cause == "device"
    assert lost.samples == lost.total == pytest.approx(2 * 16_000, abs=1_600)
    assert lost.remedy.startswith("there is nothing to do: a device came, went or changed")
    ears.hear()
    assert ears.is_without_gaps
    assert ears.nothing


def test_a_rate_that_changes_under_it_opens_it_again(mac: Mac, ears: Ears) -> None:
    takes_long(mac)
    mac.change_rate(MICROPHONE, 24_000)
    assert isinstance(ears.next(), events.AudioLost)
    ears.hear()
    assert mac.last("input").keeps_pitch
    assert mac.last("input").samplerate == 24_000
    assert ears.is_without_gaps


def test_a_subscriber_can_leave_while_portaudio_looks(mac: Mac) -> None:
    waits, goes_on = mac.hold_looking()
    with mac.running():
        ears = Ears()
        ears.hear()
        mac.plug(usb())
        looking, _ = aside(devices.look_again)
        assert waits.wait(SOON)
        ears.life.dispose()
        goes_on.set()
        looking.join(SOON)
        until(lambda: not mac.open)
        until(lambda: not any(it.name == "rxvoice-microphone" for it in threading.enumerate()))
    assert len(mac.streams) == 1


def test_a_subscriber_can_leave_though_closing_hangs(
    mac: Mac, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_streams, "_HANGS_S", 0.01)
    with mac.running():
        ears = Ears()
        ears.hear()
    mac.deadlocks = True  # and nothing runs, so that the stream does not stop by itself
    ears.life.dispose()
    assert f"closing the microphone {MICROPHONE!r} hangs" in caplog.text


def test_a_headset_as_microphone_is_told_of_and_its_loudspeaker_opened_again(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only the first block says that the headset has changed.
    monkeypatch.setattr(_watch, "_EVERY_S", 1_000.0)
    mac.plug(airpods(inputs=1))
    mac.plug(airpods(outputs=2))
    with rxv.speaker("AirPods") as speaker:
        told = Told(speaker.events)
        speaker.write_samples(ramp(1000))
        first = mac.last("output")
        with mac.running():
            ears = Ears("AirPods")
            notice = ears.next()
            assert isinstance(notice, events.Notice)
            assert notice.message.startswith("the microphone 'AirPods' is connected by Bluetooth: ")
            assert "use the microphone of the computer" in notice.message
            ears.hear()
            until(lambda: mac.last("output") is not first)
            until(lambda: mac.last("output").is_running)
            assert mac.last("output").rate_at_opening == HEADSET_RATE
            speaker.flush()
            assert speaker.position == 1000
            ears.life.dispose()
        assert told.nothing


def test_after_its_microphone_a_headset_plays_at_its_own_rate_again(mac: Mac) -> None:
    mac.plug(airpods(inputs=1))
    mac.plug(airpods(outputs=2))
    with mac.running():
        ears = Ears("AirPods")
        ears.hear()
        with rxv.speaker("AirPods") as speaker:
            assert speaker.sample_rate == HEADSET_RATE
            ears.life.dispose()
            until(lambda: speaker.sample_rate == 48_000)
            assert mac.last("output").keeps_pitch


def test_both_sides_of_one_device_that_goes_and_comes_back(mac: Mac) -> None:
    mac.plug(MacDevice("Box", inputs=1, outputs=2, transport="usb "))
    mac.choose("input", "Box")
    mac.choose("output", "Box")
    with mac.running(), rxv.speaker(start_buffer_ms=0) as speaker:
        told = Told(speaker.events)
        ears = Ears()
        ears.hear()
        speaker.write_samples(ramp(24_000))
        until(lambda: speaker.position > 0)
        again = mac.unplug("Box")
        assert told.next() == events.DeviceChanged("speaker", SPEAKERS, "Box")
        assert ears.next() == events.DeviceChanged("microphone", MICROPHONE, "Box")
        mac.plug(again)
        mac.choose("input", "Box")
        mac.choose("output", "Box")
        seen = [told.next()]
        assert seen == [events.DeviceChanged("speaker", "Box", SPEAKERS)]
        while not isinstance(event := ears.next(), events.DeviceChanged):
            assert isinstance(event, events.AudioLost)  # of the new list
        assert event.device == "Box"
        ears.hear()
        speaker.flush()
        assert speaker.position == 24_000
        box = [it for it in mac.open if it.device is again]
        assert {it.kind for it in box} == {"input", "output"}
        assert all(it.device.buffer <= it.slice for it in box)
        ears.life.dispose()
        assert ears.is_without_gaps
    out = np.concatenate([it.heard for it in mac.streams if it.kind == "output"])
    assert out[out != 0].tolist() == ramp(24_000).tolist()
