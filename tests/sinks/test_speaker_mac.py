"""`speaker` on a fake CoreAudio: devices that go, come back and change."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fake_coreaudio import Mac, MacDevice, PortAudioError
from sinks.test_speaker import SOON, Told, aside, ramp

from rxvoice import devices, events
from rxvoice.devices import _streams, _watch
from rxvoice.errors import SinkStalled
from rxvoice.sinks import Speaker, _loudspeaker
from rxvoice.sinks import speaker as make
from rxvoice.sinks._output_stream import OutputStream

SPEAKERS = "MacBook Pro Speakers"
BLOCK = 48_000 * 32 // 1000
speaker_module = sys.modules["rxvoice.sinks.speaker"]


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    made = Mac()
    made.install(monkeypatch)
    monkeypatch.setattr(_streams, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(_loudspeaker, "_WAITS_S", (0.001,))
    monkeypatch.setattr(_watch, "_EVERY_S", 0.001)
    yield made
    made.release()
    assert made.crimes == []


@pytest.fixture
def sink(mac: Mac) -> Iterator[Speaker]:
    with make(start_buffer_ms=0) as speaker:
        yield speaker


def headphones(**options: object) -> MacDevice:
    return MacDevice("Headphones", outputs=2, **options)  # type: ignore[arg-type]


def on(mac: Mac, name: str) -> None:
    """Wait until it plays there."""
    until(lambda: bool(mac.open) and mac.last("output").device.name == name and playing(mac))


def playing(mac: Mac) -> bool:
    return mac.last("output").is_running


def until(so: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if so():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came to that")


def heard(mac: Mac) -> list[float]:
    """All that was heard, on any device, without the silence around it."""
    out = itertools.chain.from_iterable(it.heard for it in mac.streams if it.kind == "output")
    return [it for it in out if it]


def test_its_blocks_are_the_devices_buffer(mac: Mac, sink: Speaker) -> None:
    stream = mac.last("output")
    assert stream.options["blocksize"] == stream.device.buffer == BLOCK
    mac.devices[1].latency = 300
    sink.write_samples(ramp(BLOCK))
    stream.io()
    assert stream.heard == ramp(BLOCK).tolist()


def test_without_headphones_it_goes_on_with_the_next_default_device(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac.plug(headphones())
    mac.choose("output", "Headphones")
    with make(start_buffer_ms=0) as sink:
        told = Told(sink.events)
        sink.write_samples(ramp(3 * BLOCK))
        mac.last("output").io()
        assert sink.position == BLOCK
        mac.unplug("Headphones")
        assert told.next() == events.DeviceChanged("speaker", SPEAKERS, "Headphones")
        on(mac, SPEAKERS)
        mac.last("output").io(3)
        assert sink.position == 3 * BLOCK
        assert heard(mac) == ramp(3 * BLOCK).tolist()
    assert told.next() == "completed"


@pytest.mark.parametrize("silently", [False, True])
def test_a_lone_loudspeaker_that_comes_back_is_found(mac: Mac, silently: bool) -> None:
    mac.dies_silently = silently
    with make(start_buffer_ms=0) as sink:
        told = Told(sink.events)
        sink.write_samples(ramp(3 * BLOCK))
        mac.last("output").io()
        again = mac.unplug(SPEAKERS)
        lost = told.next()
        assert isinstance(lost, events.DeviceLost)
        assert lost.device == SPEAKERS
        mac.plug(again)  # its number is another one, so its old entry in the list does not open
        on(mac, SPEAKERS)
        mac.last("output").io(3)
        assert isinstance(told.next(), events.DeviceRestored)
        assert heard(mac) == ramp(3 * BLOCK).tolist()
    assert mac.sound.initializations > 1


def test_the_default_device_is_followed_while_it_plays(mac: Mac, sink: Speaker) -> None:
    told = Told(sink.events)
    sink.write_samples(ramp(4 * BLOCK))
    mac.last("output").io()
    mac.plug(headphones(rate=48_000))
    assert told.nothing
    mac.choose("output", "Headphones")
    assert told.next() == events.DeviceChanged("speaker", "Headphones", SPEAKERS)
    on(mac, "Headphones")
    assert sink.device == "Headphones"
    mac.last("output").io()
    mac.choose("output", SPEAKERS)
    assert told.next() == events.DeviceChanged("speaker", SPEAKERS, "Headphones")
    on(mac, SPEAKERS)
    mac.last("output").io(2)
    assert heard(mac) == ramp(4 * BLOCK).tolist()
    assert sink.position == 4 * BLOCK


def test_a_device_that_was_chosen_is_kept_and_taken_again_when_it_is_back(mac: Mac) -> None:
    mac.plug(headphones())
    with make("head", start_buffer_ms=0) as sink:
        told = Told(sink.events)
        mac.choose("output", SPEAKERS)
        again = mac.unplug("Headphones")
        assert isinstance(told.next(), events.DeviceLost)
        on(mac, SPEAKERS)
        mac.last("output").io()
        restored = told.next()
        assert isinstance(restored, events.DeviceRestored)
        assert restored.device == SPEAKERS
        mac.plug(again)
        assert told.next() == events.DeviceChanged("speaker", "Headphones", SPEAKERS)
        assert sink.device == "Headphones"


def test_after_use_of_the_default_device_it_is_followed(mac: Mac) -> None:
    mac.plug(headphones())
    with make("head") as sink:
        told = Told(sink.events)
        sink.use(None)
        assert told.next() == events.DeviceChanged("speaker", SPEAKERS, "Headphones")
        mac.choose("output", "Headphones")
        assert told.next() == events.DeviceChanged("speaker", "Headphones", SPEAKERS)
        sink.use("head")  # the same device, and from here on it stays
        mac.choose("output", SPEAKERS)
        until(lambda: sink._thread.device._wanted is not None)
        sink.write_samples(ramp(10))
        assert sink.device == "Headphones"
        assert told.nothing


def test_a_device_that_comes_is_used_while_the_loudspeaker_plays(mac: Mac, sink: Speaker) -> None:
    sink.write_samples(ramp(3 * BLOCK))
    mac.last("output").io()
    mac.plug(headphones())
    sink.use("headphones")
    mac.last("output").io(2)
    assert mac.last("output").device.name == "Headphones"
    assert heard(mac) == ramp(3 * BLOCK).tolist()


def test_a_rate_that_changes_under_it_opens_it_again(mac: Mac, sink: Speaker) -> None:
    told = Told(sink.events)
    sink.set_sample_rate(48_000)
    sink.write_samples(ramp(2 * BLOCK))
    first = mac.last("output")
    first.io()
    mac.change_rate(SPEAKERS, 24_000)
    until(lambda: mac.last("output") is not first and playing(mac))
    assert mac.last("output").keeps_pitch
    assert sink.sample_rate == 24_000
    assert sink.position == BLOCK
    with mac.running():
        until(lambda: sink.position == 2 * BLOCK)
    assert told.nothing


def test_while_portaudio_looks_for_devices_nothing_is_lost(mac: Mac, sink: Speaker) -> None:
    """The blocks that CoreAudio had taken and not played are played again."""
    told = Told(sink.events)
    sink.write_samples(ramp(4 * BLOCK))
    stream = mac.last("output")
    stream.delay = 1000.0  # what it takes is heard much later
    stream.io(2)
    assert sink.position == 0
    mac.plug(headphones())
    assert devices.look_again()
    until(lambda: mac.last("output") is not stream and playing(mac))
    mac.last("output").io(5)
    out = [it for it in mac.last("output").heard if it]
    assert out == ramp(4 * BLOCK).tolist()
    assert sink.position == 4 * BLOCK
    assert told.nothing


def test_what_is_cleared_while_it_looks_is_exactly_what_was_not_heard(
    mac: Mac, sink: Speaker
) -> None:
    sink.write_samples(ramp(4 * BLOCK))
    mac.last("output").io()
    waits, goes_on = mac.hold_looking()
    mac.plug(headphones())
    looking, _ = aside(devices.look_again)
    assert waits.wait(SOON)
    assert sink.position == BLOCK
    assert sink.clear().tolist() == ramp(3 * BLOCK, BLOCK + 1).tolist()
    sink.write_samples(ramp(BLOCK, 7))
    goes_on.set()
    looking.join(SOON)
    on(mac, SPEAKERS)
    mac.last("output").io(2)
    assert [it for it in mac.last("output").heard if it] == ramp(BLOCK, 7).tolist()
    assert sink.position == 2 * BLOCK


def test_it_can_be_stopped_while_portaudio_looks(mac: Mac, sink: Speaker) -> None:
    waits, goes_on = mac.hold_looking()
    mac.plug(headphones())
    looking, _ = aside(devices.look_again)
    assert waits.wait(SOON)
    stopping, _ = aside(sink.stop)
    goes_on.set()
    for thread in (looking, stopping):
        thread.join(SOON)
        assert not thread.is_alive()
    until(lambda: not mac.open)


def test_it_can_be_stopped_though_closing_hangs(
    mac: Mac, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_streams, "_HANGS_S", 0.01)
    sink = make()
    mac.deadlocks = True
    sink.stop()
    assert f"closing the speaker {SPEAKERS!r} hangs" in caplog.text
    with pytest.raises(SinkStalled, match="has been stopped"):
        sink.write_samples(ramp(1))


def test_where_no_device_comes_back_a_write_says_so(
    mac: Mac, sink: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker_module, "_GONE_MS", 20)
    sink.write_samples(ramp(48_000 * 5))
    mac.unplug(SPEAKERS)
    with pytest.raises(SinkStalled, match="has been gone for 0 s, and there is no other"):
        sink.write_samples(ramp(1))
    assert mac.sound.initializations <= 3  # it looked only when something had changed


# Rest


@pytest.fixture
def tired(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> Iterator[Speaker]:
    """A loudspeaker that releases its device at once."""
    monkeypatch.setattr(_loudspeaker, "_REST_S", 0.005)
    with make(start_buffer_ms=0) as speaker:
        yield speaker


def test_without_sound_it_releases_the_device_and_loses_no_sample_after_that(
    mac: Mac, tired: Speaker
) -> None:
    told = Told(tired.events)
    for reply in range(3):
        until(lambda: not mac.open)
        assert not tired.is_running
        tired.write_samples(ramp(2 * BLOCK, 1 + reply))
        until(lambda: bool(mac.open) and playing(mac))
        mac.last("output").io(3)
        assert [it for it in mac.last("output").heard if it] == ramp(2 * BLOCK, 1 + reply).tolist()
        assert tired.position == 2 * BLOCK * (reply + 1)
    assert told.nothing


def test_paused_it_rests_and_goes_on_with_the_next_sample(mac: Mac, tired: Speaker) -> None:
    tired.write_samples(np.full(4 * BLOCK, 0.5, np.float32))
    until(lambda: bool(mac.open) and playing(mac))
    mac.last("output").io()
    tired.pause()
    mac.last("output").io()
    before = tired.position
    until(lambda: not mac.open)
    assert tired.position == before
    tired.resume()
    until(lambda: bool(mac.open) and playing(mac))
    mac.last("output").io(4)
    assert tired.position == 4 * BLOCK


def test_the_default_device_of_this_moment_wakes_up(mac: Mac, tired: Speaker) -> None:
    told = Told(tired.events)
    until(lambda: not mac.open)
    mac.plug(headphones())
    mac.choose("output", "Headphones")
    assert told.nothing
    tired.write_samples(ramp(BLOCK))
    on(mac, "Headphones")
    assert told.next() == events.DeviceChanged("speaker", "Headphones", SPEAKERS)
    mac.last("output").io(2)
    assert heard(mac) == ramp(BLOCK).tolist()


def test_a_device_that_does_not_wake_up_is_told_of_and_tried_again(
    mac: Mac, tired: Speaker
) -> None:
    told = Told(tired.events)
    until(lambda: not mac.open)

    def refuse(_: MacDevice) -> None:
        raise PortAudioError("Device unavailable")

    mac.opening = refuse
    tired.write_samples(ramp(BLOCK))
    lost = told.next()
    assert isinstance(lost, events.DeviceLost)
    assert lost.reason == "it does not open again: Device unavailable"
    mac.opening = lambda _: None
    on(mac, SPEAKERS)
    mac.last("output").io(2)
    assert isinstance(told.next(), events.DeviceRestored)
    assert heard(mac) == ramp(BLOCK).tolist()
    assert tired.position == BLOCK


def test_it_can_be_used_and_stopped_while_it_rests(mac: Mac, tired: Speaker) -> None:
    mac.plug(headphones())
    until(lambda: not mac.open)
    tired.use("headphones")
    assert tired.device == "Headphones"
    until(lambda: not mac.open)
    tired.stop()


def test_a_short_reply_after_a_rest_is_played_at_once_when_it_is_over(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_loudspeaker, "_REST_S", 0.005)
    with make(start_buffer_ms=4_000) as sink:
        until(lambda: not mac.open)
        sink.set_sample_rate(1_000)  # the resampler holds back all of it until the end
        sink.write_samples(np.full(30, 0.5, np.float32))
        sink.end_reply()
        until(lambda: bool(mac.open) and playing(mac))
        mac.last("output").io(2)
        assert len(heard(mac)) == pytest.approx(30 * 48, abs=2)
        assert sink.position == 30


def refuse_headphones(mac: Mac) -> None:
    def refuse(device: MacDevice) -> None:
        if device.name == "Headphones":
            raise PortAudioError("Device unavailable")

    mac.opening = refuse


def test_a_default_device_that_does_not_open_is_told_of_once_and_left_alone(
    mac: Mac, sink: Speaker
) -> None:
    told = Told(sink.events)
    refuse_headphones(mac)
    sink.write_samples(ramp(3 * BLOCK))
    mac.last("output").io()
    mac.plug(headphones())
    mac.choose("output", "Headphones")
    notice = told.next()
    assert isinstance(notice, events.Notice)
    assert notice.message == (
        f"the speaker stays {SPEAKERS!r}: the other device does not open: Device unavailable"
    )
    on(mac, SPEAKERS)
    mac.last("output").io(2)
    assert heard(mac) == ramp(3 * BLOCK).tolist()
    mac.plug(MacDevice("Screen", outputs=2))
    mac.choose("output", "Screen")
    assert told.next() == events.DeviceChanged("speaker", "Screen", SPEAKERS)


def test_a_device_whose_place_in_the_list_is_old_opens_beside_another_stream(mac: Mac) -> None:
    mac.plug(headphones())
    with make() as sink:
        told = Told(sink.events)
        mac.plug(mac.unplug("Headphones"))  # listed still, under a number that is gone
        with make("headphones") as second:
            assert mac.last("output").device.plugged
            assert second.device == "Headphones"
        mac.plug(mac.unplug("Headphones"))
        sink.use("headphones")
        assert told.next() == events.DeviceChanged("speaker", "Headphones", SPEAKERS)


def test_the_device_that_it_is_on_is_no_other_one_after_the_list_was_made_anew(mac: Mac) -> None:
    mac.plug(headphones())
    with make("headphones") as sink:
        told = Told(sink.events)
        first = mac.last("output")
        mac.unplug("MacBook Pro Microphone")
        assert devices.look_again()
        until(lambda: mac.last("output") is not first and playing(mac))
        count = len(mac.streams)
        sink.use("headphones")
        assert len(mac.streams) == count
    assert told.next() == "completed"


def test_a_stream_that_is_let_go_while_it_is_looked_at_is_not_lost(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac.plug(headphones())
    looked = OutputStream.was_let_go.fget
    assert looked is not None
    given_back: list[OutputStream] = []

    def just_before(stream: OutputStream) -> bool:
        was_let_go: bool = looked(stream)
        if not given_back:
            given_back.append(stream)
            stream._stream.hand_back()
            until(lambda: stream.ended)
        return was_let_go

    with make(start_buffer_ms=0) as sink:
        told = Told(sink.events)
        monkeypatch.setattr(OutputStream, "was_let_go", property(just_before))
        until(lambda: bool(given_back) and bool(mac.open) and playing(mac))
        sink.use("headphones")
        assert told.next() == events.DeviceChanged("speaker", "Headphones", SPEAKERS)
