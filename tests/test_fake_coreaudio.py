"""The fake CoreAudio does what it says of CoreAudio."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from fake_coreaudio import HEADSET_RATE, Mac, MacDevice, PortAudioError

SPEAKERS, MICROPHONE = "MacBook Pro Speakers", "MacBook Pro Microphone"


def output(mac: Mac, device: int, **options: Any) -> Any:
    settings: dict[str, Any] = {
        "samplerate": 48_000,
        "blocksize": 480,
        "channels": 1,
        "dtype": "float32",
        "callback": lambda out, *_: np.frombuffer(out, np.float32).fill(0.5),
    }
    return mac.sound.RawOutputStream(device=device, **{**settings, **options})


def listened(mac: Mac, device: int = 0, **options: Any) -> tuple[Any, list[Any]]:
    got: list[Any] = []
    settings: dict[str, Any] = {
        "samplerate": 48_000,
        "blocksize": 480,
        "channels": 1,
        "dtype": "float32",
        "callback": lambda data, *_: got.append(np.frombuffer(data, np.float32)),
    }
    stream = mac.sound.RawInputStream(device=device, **{**settings, **options})
    stream.start()
    return stream, got


def names(mac: Mac) -> list[str]:
    return [it["name"] for it in mac.sound.query_devices()]


def test_the_list_is_that_of_the_last_initialization() -> None:
    mac = Mac()
    mac.plug(MacDevice("AirPods", outputs=2, transport="blue"))
    mac.choose("output", "AirPods")
    assert names(mac) == [MICROPHONE, SPEAKERS]
    assert mac.sound.query_devices(kind="output")["name"] == SPEAKERS
    mac.sound._terminate()
    mac.sound._initialize()
    assert names(mac) == [MICROPHONE, SPEAKERS, "AirPods"]
    assert mac.sound.query_devices(kind="output")["name"] == "AirPods"


def test_one_that_went_stays_listed_and_does_not_open_not_even_plugged_in_again() -> None:
    mac = Mac()
    ended: list[int] = []
    stream = output(mac, 1, finished_callback=lambda: ended.append(1))
    stream.start()
    device = mac.unplug(SPEAKERS)
    assert ended == [1]
    assert names(mac) == [MICROPHONE, SPEAKERS]
    stream.close()
    for _ in range(2):
        with pytest.raises(PortAudioError, match="9986"):
            output(mac, 1)
        if not device.plugged:
            mac.plug(device)
    mac.sound._terminate()
    mac.sound._initialize()
    output(mac, 1)
    assert mac.crimes == []


def test_terminating_closes_streams_and_to_use_them_then_is_a_crime() -> None:
    mac = Mac()
    stream = output(mac, 1)
    stream.start()
    mac.sound._terminate()
    assert stream.closed
    with pytest.raises(PortAudioError):
        stream.close()
    assert mac.crimes == ["Pa_CloseStream of a stream that Pa_Terminate has closed"]


def test_closing_a_stream_that_runs_hangs_and_one_that_has_aborted_does_not() -> None:
    mac = Mac()
    mac.deadlocks = True
    ended: list[int] = []

    def abort(*_: object) -> None:
        raise mac.sound.CallbackAbort

    stream = output(mac, 1, callback=abort, finished_callback=lambda: ended.append(1))
    stream.start()
    stream.io()
    assert ended == [1]
    stream.close()
    assert stream.closed
    running = output(mac, 1)
    running.start()
    thread = threading.Thread(target=running.close)
    thread.start()
    thread.join(0.01)
    assert thread.is_alive()
    mac.release()
    thread.join(60)
    assert running.closed


def test_any_rate_opens_and_a_rate_that_changes_later_changes_the_pitch() -> None:
    mac = Mac()
    stream, got = listened(mac, samplerate=16_000, blocksize=512)
    assert mac.devices[0].buffer == 512  # of the device's frames
    stream.say = lambda frames: np.arange(frames, dtype=np.float32)
    stream.io(3)
    assert [len(it) for it in got] == [512]
    mac.change_rate(MICROPHONE, 24_000)
    assert not stream.keeps_pitch
    stream.io(3)
    assert [len(it) for it in got] == [512, 512]  # 64 ms of it were 32 ms before


def test_a_device_has_one_buffer_and_the_last_stream_sets_it() -> None:
    mac = Mac(MacDevice("USB", inputs=1, outputs=2, transport="usb "))
    out = output(mac, 0)
    out.start()
    out.io()
    assert len(out.heard) == 480
    stream, _ = listened(mac, blocksize=1536)
    out.io(5)
    assert len(out.heard) == 480  # silence
    stream.close()
    output(mac, 0, blocksize=480)
    out.io()
    assert len(out.heard) == 960
    assert mac.crimes == []


def test_a_headset_whose_microphone_is_used_falls_to_the_rate_of_a_telephone() -> None:
    mac = Mac(
        MacDevice("AirPods", inputs=1, transport="blue"),
        MacDevice("AirPods", outputs=2, transport="blue"),
    )
    out = output(mac, 1)
    out.start()
    stream, _ = listened(mac)
    assert [it.rate for it in mac.devices] == [HEADSET_RATE] * 2
    assert not out.keeps_pitch
    stream.close()
    assert [it.rate for it in mac.devices] == [48_000] * 2


def test_its_devices_run_on_a_thread() -> None:
    mac = Mac()
    out = output(mac, 1)
    out.start()
    enough = threading.Event()
    stream, _ = listened(mac, callback=lambda *_: enough.set())
    with mac.running():
        assert enough.wait(60)
    assert stream.calls
