"""Streams that close in time, and a new list of devices, on a fake CoreAudio."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest
from fake_coreaudio import Mac, MacDevice

from rxvoice import devices
from rxvoice.devices import Kind, _hal, _streams
from rxvoice.errors import ConfigError

SPEAKERS, MICROPHONE = "MacBook Pro Speakers", "MacBook Pro Microphone"


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    made = Mac()
    made.install(monkeypatch)
    yield made
    made.release()
    monkeypatch.setattr(_streams, "_PATIENCE_S", 0.0)
    _streams.close_all()
    assert made.crimes == []


class Owner:
    """Who has a stream, and is told of it."""

    def __init__(self, kind: Kind, device: devices.Device | None = None) -> None:
        self.told: list[str] = []
        self.finished = threading.Event()
        options = {"channels": 1, "dtype": "float32", "blocksize": 480, "samplerate": 48_000}
        self.stream = devices.open_stream(
            device or devices.find(None, kind),
            kind,
            callback=lambda *_: self.told.append("called"),
            finished=self._finish,
            let_go=lambda: self.told.append("let go"),
            latency=0,
            **options,
        )
        self.stream.start()

    def _finish(self) -> None:
        self.told.append("finished")
        self.finished.set()


# Closing


def test_a_stream_stops_by_itself_before_it_is_closed(mac: Mac) -> None:
    mac.deadlocks = True  # to close one that runs would hang
    owner = Owner("speaker")
    with mac.running():
        owner.stream.close()
    assert mac.last("output").closed
    assert mac.hanging == 0
    assert owner.told.count("finished") == 1
    assert not devices.is_open()


def test_one_that_is_not_called_any_more_is_closed_after_a_while(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streams, "_PATIENCE_S", 0.01)
    owner = Owner("speaker")
    owner.stream.close()
    assert mac.last("output").closed
    assert owner.told == ["finished"]


def test_closing_that_hangs_ends_all_the_same(
    mac: Mac, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_streams, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(_streams, "_HANGS_S", 0.01)
    owner, other = Owner("speaker"), Owner("microphone")
    mac.deadlocks = True
    with caplog.at_level(logging.WARNING, "rxvoice"):
        owner.stream.close()
        owner.stream.close()
    assert caplog.text.count(f"closing the speaker {SPEAKERS!r} hangs") == 1
    # To ask CoreAudio or PortAudio would hang as well, so nothing is asked.
    assert devices.hal().present() is None
    assert not devices.look_again()
    assert not devices.refresh()
    with pytest.raises(OSError, match="the sound system hangs: start the program again"):
        Owner("speaker", owner.stream.device)
    mac.release()
    assert owner.finished.wait(60)
    assert not _hal.stuck
    other.stream.close()
    assert not devices.is_open()


def test_what_waits_for_closing_can_be_interrupted(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner("speaker")
    mac.deadlocks = True
    entered = threading.Event()

    def ctrl_c(_: float | None = None) -> bool:
        entered.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(owner.stream._closed, "wait", ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        owner.stream.close()
    assert entered.is_set()
    assert not devices.is_open()
    mac.release()
    assert owner.finished.wait(60)


def test_a_stream_that_is_closed_tells_no_time_and_does_not_start(mac: Mac) -> None:
    owner = Owner("speaker")
    assert owner.stream.time > 0
    with mac.running():
        owner.stream.close()
    with pytest.raises(OSError, match=f"the stream of {SPEAKERS!r} is closed"):
        owner.stream.time  # noqa: B018
    with pytest.raises(OSError, match="is closed"):
        owner.stream.start()


# A new list


def test_all_streams_are_given_back_before_portaudio_looks_again(mac: Mac) -> None:
    owners = [Owner("speaker"), Owner("microphone")]
    mac.plug(MacDevice("AirPods", outputs=2))
    with mac.running():
        assert devices.look_again()
    for owner in owners:
        told = [it for it in owner.told if it != "called"]
        assert told == ["let go", "finished"]
        assert owner.stream.was_let_go
    assert mac.sound.initializations == 2
    assert devices.find("airpods", "speaker").index == 2


def test_where_nothing_came_or_went_no_stream_is_disturbed(mac: Mac) -> None:
    owner = Owner("speaker")
    assert not devices.look_again()
    mac.choose("input", None)
    mac.change_rate(SPEAKERS, 44_100)
    assert not devices.look_again()
    assert owner.told == []
    assert mac.sound.initializations == 1
    with mac.running():
        owner.stream.close()


def test_a_device_that_came_is_found_though_a_stream_is_open(mac: Mac) -> None:
    owner = Owner("microphone")
    mac.plug(MacDevice("AirPods", outputs=2))
    with mac.running():
        assert devices.find("airpods", "speaker").name == "AirPods"
    assert owner.stream.was_let_go
    with pytest.raises(ConfigError, match="no speaker device 'nope': choose one of 1 "):
        devices.find("nope", "speaker")
    assert mac.sound.initializations == 2  # a name that is wrong disturbs nobody


def test_before_opening_it_looks_again_if_nothing_is_open(mac: Mac) -> None:
    assert devices.find(None, "speaker").name == SPEAKERS
    mac.plug(MacDevice("AirPods", outputs=2))
    mac.choose("output", "AirPods")
    assert devices.find(None, "speaker").name == "AirPods"


def test_a_second_loudspeaker_opens_the_default_device_of_this_moment(mac: Mac) -> None:
    Owner("microphone")
    mac.plug(MacDevice("AirPods", outputs=2))
    mac.choose("output", "AirPods")
    with mac.running():
        assert devices.find(None, "speaker").name == "AirPods"


def test_a_device_found_before_the_list_was_made_anew_is_opened_where_it_is_now(mac: Mac) -> None:
    found = devices.find(None, "speaker")
    assert found.index == 1
    mac.unplug(MICROPHONE)
    assert devices.refresh()
    owner = Owner("speaker", found)
    assert owner.stream.device.index == 0
    assert mac.last("output").device.name == SPEAKERS
    with mac.running():
        owner.stream.close()
    mac.unplug(SPEAKERS)
    devices.refresh()
    with pytest.raises(OSError, match=f"{SPEAKERS!r} has gone"):
        Owner("speaker", found)


def test_two_who_look_at_once_look_once(mac: Mac) -> None:
    Owner("speaker")
    mac.plug(MacDevice("AirPods", outputs=2))
    looked: list[bool] = []
    with mac.running():
        both = [
            threading.Thread(target=lambda: looked.append(devices.look_again())) for _ in range(2)
        ]
        for it in both:
            it.start()
        for it in both:
            it.join(60)
    assert sorted(looked) == [False, True]
    assert mac.sound.initializations == 2


def test_where_portaudio_does_not_come_back_it_is_tried_again(
    mac: Mac, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac.plug(MacDevice("AirPods", outputs=2))
    initialize = mac.sound._initialize

    def fails() -> None:
        raise mac.sound.PortAudioError("Error initializing PortAudio")

    monkeypatch.setattr(mac.sound, "_initialize", fails)
    with pytest.raises(mac.sound.PortAudioError, match="initializing"):
        devices.refresh()
    monkeypatch.setattr(mac.sound, "_initialize", initialize)
    assert devices.refresh()
    assert devices.find("airpods", "speaker").index == 2
