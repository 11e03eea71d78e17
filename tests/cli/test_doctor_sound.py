"""The checks of ``rxvoice doctor`` that look at the sound: each outcome, on fakes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from fake_coreaudio import Mac, MacDevice
from reactivex import Observable, Subject
from reactivex.disposable import Disposable

from rxvoice import sources
from rxvoice.chunks import AudioChunk
from rxvoice.cli._doctor import (
    loudspeaker,
    microphone,
    sound_devices,
    sound_system,
    tone,
)
from rxvoice.cli._doctor.finding import Asked, Finding
from rxvoice.cli._doctor.microphone import Heard, OpenMicrophone
from rxvoice.cli._doctor.tone import Echo
from rxvoice.devices import Device, listing
from rxvoice.errors import ConfigError, SinkStalled
from rxvoice.events import AudioLost, DeviceLost, Event, Notice

MIC = Device(0, "Built-in Microphone", 1, 0, 48_000, default_input=True)
SPEAKERS = Device(1, "Speakers", 0, 2, 44_100, default_output=True)
AIRPODS = Device(2, "Ada's AirPods", 1, 2, 24_000, default_input=True)
RATE = 16_000


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


class FakeSound(ModuleType):
    """The module sounddevice, with these devices."""

    __version__ = "0.5.6"
    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, *found: Device) -> None:
        super().__init__("sounddevice")
        self.found = found

    def get_portaudio_version(self) -> tuple[int, str]:
        return 1246720, "PortAudio V19.7.0-devel, revision abc"

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "Core Audio", "devices": [0]}, {"name": "OSS", "devices": []}]

    def query_devices(self, kind: str | None = None) -> Any:
        several = [
            {
                "name": it.name,
                "index": it.index,
                "hostapi": 0,
                "max_input_channels": it.inputs,
                "max_output_channels": it.outputs,
                "default_samplerate": float(it.sample_rate),
            }
            for it in self.found
        ]
        if kind is None:
            return several
        for it, one in zip(self.found, several, strict=True):
            if it.default_input if kind == "input" else it.default_output:
                return one
        raise ValueError("there is none")

    def check_input_settings(self, *, device: int, samplerate: int, channels: int) -> None:
        if samplerate > 44_100:
            raise self.PortAudioError

    check_output_settings = check_input_settings

    def _terminate(self) -> None: ...

    def _initialize(self) -> None: ...


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the machine have these devices, on this system."""

    def has(*found: Device, system: str = "darwin") -> None:
        monkeypatch.setattr(sys, "platform", system)
        numbered = [replace(it, index=index) for index, it in enumerate(found)]
        monkeypatch.setitem(sys.modules, "sounddevice", FakeSound(*numbered))

    return has


# PortAudio and the sound server


@pytest.mark.parametrize("error", ["ImportError('no module')", "OSError('no libportaudio')"])
def test_without_portaudio_one_check_has_the_remedy_and_the_others_say_why(
    error: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text(f"raise {error}", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    found = only(sound_system.check())
    assert found.state == "problem"
    assert "install" in found.remedy
    for it in (sound_devices, microphone, loudspeaker, tone):
        skipped = only(it.check(Asked()))
        assert (skipped.state, skipped.told) == ("not checked", "sounddevice does not load")


def test_portaudio_tells_its_version_and_its_interfaces(machine: Callable[..., None]) -> None:
    machine(MIC)
    found = only(sound_system.check())
    assert found.told == "PortAudio V19.7.0-devel, sounddevice 0.5.6, by Core Audio"
    assert found.facts["interfaces"] == ["Core Audio"]


def test_on_linux_the_sound_server_is_told(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(MIC, system="linux")
    told = {"Server Name": "PulseAudio (on PipeWire 1.0.5)", "Server Version": "15.0.0"}
    monkeypatch.setattr(sound_system, "pactl", lambda: told)
    found = sound_system.check()[1]
    assert (found.state, found.told) == ("ok", "PulseAudio (on PipeWire 1.0.5) 15.0.0")


def test_without_a_sound_server_there_is_alsa_or_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    found = sound_system.sound_server("pactl is not installed", "")
    assert found.state == "ok"
    assert found.told == "none answers (pactl is not installed): PortAudio uses ALSA"
    found = sound_system.sound_server("connection refused", "there is no sound card")
    assert found.state == "problem"
    assert "`pulseaudio --start` starts PulseAudio" in found.remedy
    assert found.remedy.endswith("PortAudio uses ALSA, and there is no sound card")


def test_pactl_that_fails_hangs_or_is_missing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(what: object) -> None:
        def run(*_: object, **__: object) -> object:
            if isinstance(what, Exception):
                raise what
            return what

        monkeypatch.setattr(subprocess, "run", run)

    answers(subprocess.CompletedProcess([], 0, "Server Name: pulse\nHost Name: x\n", ""))
    told = sound_system.pactl()
    assert not isinstance(told, str)
    assert told["Server Name"] == "pulse"
    answers(subprocess.CompletedProcess([], 1, "", "Connection failure\n"))
    assert sound_system.pactl() == "Connection failure"
    answers(subprocess.TimeoutExpired("pactl", 3))
    assert sound_system.pactl() == "it does not answer within 3 s"
    answers(FileNotFoundError())
    assert sound_system.pactl() == "pactl is not installed"


def test_a_sound_card_that_the_user_may_not_open_wants_a_group(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sound_system, "_ALSA", tmp_path)
    assert sound_system.alsa() == "there is no sound card"
    (tmp_path / "pcmC0D0p").touch()
    assert sound_system.alsa() == ""
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "sudo usermod -aG audio $USER" in sound_system.alsa()


# Devices


def test_the_devices_are_listed_with_their_rates(machine: Callable[..., None]) -> None:
    machine(MIC, SPEAKERS, system="linux")
    found = sound_devices.check(Asked())
    assert [it.state for it in found] == ["ok"] * 3
    assert found[0].told == (
        "2 devices: 0 Built-in Microphone (1 in, 0 out, 48000 Hz), 1 Speakers (0 in, 2 out, 44100 "
        "Hz)"
    )
    assert found[1].told == (
        "the microphone is 'Built-in Microphone', 48000 Hz; it takes 16000, 24000, 44100 Hz"
    )
    assert found[2].told.startswith("the loudspeaker is 'Speakers', 44100 Hz; it takes 16000")


def test_a_mac_tells_the_rates_of_the_devices_only(machine: Callable[..., None]) -> None:
    machine(MIC, SPEAKERS)
    assert sound_devices.check(Asked())[1].told == (
        "the microphone is 'Built-in Microphone', 48000 Hz"
    )


def test_a_bluetooth_microphone_is_a_warning_and_names_nobody(
    machine: Callable[..., None],
) -> None:
    machine(AIRPODS, SPEAKERS)
    found = sound_devices.check(Asked())[1]
    assert found.state == "warning"
    assert found.remedy.startswith("a Bluetooth microphone sounds like a telephone")
    assert "keep the headset for output" in found.remedy
    assert "Ada" not in str(sound_devices.check(Asked()))


def test_on_a_mac_a_low_rate_means_bluetooth(machine: Callable[..., None]) -> None:
    headset = Device(0, "WH-1000XM5", 1, 0, 16_000, default_input=True)
    machine(headset, SPEAKERS)
    assert sound_devices.check(Asked())[1].state == "warning"
    machine(headset, SPEAKERS, system="linux")
    assert sound_devices.check(Asked())[1].state == "ok"


def test_a_missing_kind_of_device_is_a_problem(machine: Callable[..., None]) -> None:
    machine(SPEAKERS)
    found = sound_devices.check(Asked())
    assert (found[1].state, found[1].told) == ("problem", "there is no microphone")
    assert "Privacy & Security > Microphone" in found[1].remedy
    machine(MIC, system="linux")
    found = sound_devices.check(Asked())
    assert (found[2].state, found[2].told) == ("problem", "there is no loudspeaker")
    assert "pulseaudio --start" in found[2].remedy
    machine(system="linux")
    assert only(sound_devices.check(Asked())).told == "there is no microphone and no loudspeaker"


def test_a_device_that_the_user_asked_for_and_is_not_there_is_a_problem(
    machine: Callable[..., None],
) -> None:
    machine(MIC, SPEAKERS)
    found = sound_devices.check(Asked(microphone="USB"))[1]
    assert (found.state, found.told) == ("problem", "there is no microphone to use")
    assert "choose one of 0 'Built-in Microphone'" in found.remedy
    assert only(microphone.check(Asked(microphone="USB"))).state == "not checked"
    assert only(loudspeaker.check(Asked(speaker="USB"))).state == "not checked"
    assert only(tone.check(Asked(speaker="USB"))).state == "not checked"


# The microphone


def noise(rms: float, seconds: float = 1.8) -> Heard:
    samples = np.random.default_rng(0).normal(0, rms, int(seconds * RATE)).astype(np.float32)
    return Heard(np.clip(samples, -1, 1))


def test_a_microphone_with_sound_is_ok() -> None:
    found = only(microphone.judged("USB", noise(0.01)))
    assert found.state == "ok"
    assert found.told == "'USB' gives sound of -40 dB, at its loudest -40 dB"
    assert found.facts["zeros"] is False


def test_zeros_mean_permission_on_a_mac_and_mute_on_linux(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    heard = noise(0)
    heard.notices.append("the microphone 'USB' gives nothing but zeros: the lid is closed")
    found = only(microphone.judged("USB", heard))
    assert (found.told, found.remedy) == ("'USB' gives nothing but zeros", "the lid is closed")
    found = only(microphone.judged("USB", noise(0)))
    assert (found.state, found.told) == ("problem", "'USB' gives nothing but zeros")
    assert "Privacy & Security > Microphone" in found.remedy
    assert "a closed lid" in found.remedy
    monkeypatch.setattr(sys, "platform", "linux")
    found = only(microphone.judged("USB", noise(0)))
    assert found.remedy.startswith("unmute it: pactl set-source-mute")


def test_zeros_at_the_beginning_only_do_not_count() -> None:
    heard = noise(0.01)
    heard.samples[: int(0.3 * RATE)] = 0
    assert only(microphone.judged("USB", heard)).told.startswith("'USB' gives sound of -40 dB")


def test_faint_and_clipped_sound_are_warnings() -> None:
    faint = only(microphone.judged("USB", noise(1e-5)))
    assert (faint.state, faint.remedy[:32]) == ("warning", "that is hardly anything: say som")
    loud = only(microphone.judged("USB", noise(1.0)))
    assert (loud.state, loud.remedy[:14]) == ("warning", "it is too loud")


def test_a_microphone_that_fails_or_gives_nothing_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    heard = noise(0, 0)
    found = only(microphone.judged("USB", heard))
    assert (found.state, found.told) == ("problem", "'USB' opens, and no sound comes from it")
    heard.error = "Invalid device"
    found = only(microphone.judged("USB", heard))
    assert (found.state, found.told) == ("problem", "'USB' does not work: Invalid device")
    assert "pactl list short sources" in found.remedy
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Privacy & Security" in only(microphone.judged("USB", heard)).remedy


def test_lost_sound_and_notices_are_warnings_beside() -> None:
    heard = noise(0.01)
    heard.lost, heard.notices = 800, ["samples are out of range"]
    found = microphone.judged("USB", heard)
    assert [it.state for it in found] == ["ok", "warning", "warning"]
    assert found[1].told == "50 ms of the microphone's sound were lost"
    assert found[2].told == "samples are out of range"


def source(monkeypatch: pytest.MonkeyPatch, pipe: Observable[AudioChunk | Event]) -> None:
    """Let the microphone be this."""
    monkeypatch.setattr(sources, "microphone", lambda device, *, sample_rate: pipe)


def test_listening_collects_sound_and_events_until_it_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chunks = [AudioChunk(np.full(512, it, np.float32), RATE, time=7.0 + it) for it in (0.1, 0.2)]
    told = [AudioLost(30, 30, "device", ""), Notice("hm")]
    source(monkeypatch, rx.from_iterable([chunks[0], *told, chunks[1]]))
    listening = OpenMicrophone(None)
    assert listening.wait(0.06)
    heard = listening.end()
    assert heard.samples.tolist() == [*[chunks[0].samples[0]] * 512, *[chunks[1].samples[0]] * 512]
    assert (heard.began, heard.lost, heard.notices) == (7.1, 30, ["hm"])


@pytest.mark.parametrize(
    ("pipe", "error"),
    [
        (rx.throw(ConfigError("it does not open")), "it does not open"),
        (rx.of(DeviceLost("microphone", "USB", "gone")), "the device went away while it was open"),
    ],
)
def test_listening_ends_at_once_when_it_fails(
    pipe: Observable[Any], error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(monkeypatch, pipe)
    listening = OpenMicrophone(None)
    assert not listening.wait(600)
    assert listening.end().error == error


def test_listening_gives_up_when_nothing_comes_and_closes_the_microphone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[bool] = []
    source(monkeypatch, rx.create(lambda *_: Disposable(lambda: closed.append(True))))
    listening = OpenMicrophone(None)
    assert not listening.wait(0.01, patience=0)
    assert len(listening.end().samples) == 0
    assert closed == [True]


def test_on_a_mac_a_silent_microphone_is_given_time_to_say_why(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(MIC, SPEAKERS)
    zeros = [AudioChunk(np.zeros(RATE, np.float32), RATE) for _ in range(2)]
    notice = Notice("the microphone gives nothing but zeros: the lid is closed")
    late: Subject[AudioChunk | Event] = Subject()
    source(monkeypatch, rx.concat(rx.from_iterable(zeros), late))
    waited: list[float] = []

    def wait(self: OpenMicrophone, seconds: float) -> None:
        waited.append(seconds)
        late.on_next(notice)
        real(self, seconds)

    real = OpenMicrophone.wait_for_notice
    monkeypatch.setattr(OpenMicrophone, "wait_for_notice", wait)
    assert only(microphone.check(Asked())).remedy == "the lid is closed"
    assert waited == [3.0]


# The loudspeaker


def test_a_loudspeaker_that_plays_is_ok_and_a_late_one_a_warning() -> None:
    found = loudspeaker.judged("Desk", 48_000, 0.04)
    assert (found.state, found.told) == (
        "ok",
        "'Desk' plays, at 48000 Hz, 40 ms after it is given sound",
    )
    late = loudspeaker.judged("Desk", 48_000, 1.5)
    assert late.state == "warning"
    assert "Bluetooth does this when it wakes" in late.remedy


def test_a_loudspeaker_that_fails_is_a_problem(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stalled(_: object) -> tuple[int, float]:
        raise SinkStalled("it has been gone for 10 s")

    machine(SPEAKERS)
    monkeypatch.setattr(loudspeaker, "played", stalled)
    found = only(loudspeaker.check(Asked()))
    assert found.state == "problem"
    assert found.told == "'Speakers' does not work: it has been gone for 10 s"


# The tone


def captured(
    *delays_ms: float, gain: float = 0.1, room: float = 0.001
) -> tuple[Heard, list[float]]:
    """What a microphone captures of tones that leave the loudspeaker after 1 s, 3 s and so on."""
    samples = np.random.default_rng(1).normal(0, room, 6 * RATE).astype(np.float32)
    left = [100.0 + 1 + 2 * it for it in range(2)]
    for at, delay in zip(left, delays_ms, strict=False):
        start = round((at - 100 + delay / 1000) * RATE)
        it = tone.rising()
        samples[start : start + len(it)] += gain * it
    return Heard(samples, began=100.0), left


def test_the_tone_is_found_with_its_delay_and_its_level() -> None:
    echo = tone.found(*captured(120, 121))
    assert echo is not None
    assert echo.delays_ms == pytest.approx((120, 121), abs=0.2)
    assert echo.level_db == pytest.approx(-37.3, abs=0.5)
    assert echo.room_db == pytest.approx(-60, abs=0.5)


def test_a_tone_as_quiet_as_the_room_is_found() -> None:
    echo = tone.found(*captured(300, 300, gain=0.05, room=0.02))
    assert echo is not None
    assert echo.delays_ms == pytest.approx((300, 300), abs=0.5)


@pytest.mark.parametrize("delays", [(), (120,)])
def test_a_tone_that_is_not_heard_twice_is_not_found(delays: tuple[float, ...]) -> None:
    assert tone.found(*captured(*delays)) is None


def test_zeros_have_no_tone() -> None:
    assert tone.found(*captured(room=0)) is None


def test_the_tones_are_found_in_what_was_played_though_it_paused_between_them() -> None:
    played, it = np.zeros(5 * RATE, np.float32), tone.rising()
    for start in (9_000, 41_234):
        played[start : start + len(it)] += it
    assert tone._starts(played, it) == [9_000, 41_234]
    assert tone._starts(np.zeros(5 * RATE, np.float32), it) == []
    assert tone._starts(np.zeros(10, np.float32), it) == []


@pytest.mark.parametrize(
    ("echo", "state", "told"),
    [
        (Echo((90.0, 92.0), -30, -60), "ok", "hears 'Desk' after 90 and 92 ms, at -30 dB, 30 dB"),
        (Echo((90.0, 92.0), -30, -180), "ok", "at -30 dB: an echo that rxvoice talk recognises"),
        (Echo((90.0, 240.0), -30, -60), "warning", "after 90 and 240 ms"),
        (Echo((700.0, 700.0), -30, -60), "warning", "after 700 and 700 ms"),
        (None, "warning", "a tone on 'Desk' is not heard by 'USB'"),
    ],
)
def test_what_is_said_of_a_tone(echo: Echo | None, state: str, told: str) -> None:
    found = tone.judged("Desk", "USB", echo)
    assert found.state == state
    assert told in found.told
    assert bool(found.remedy) == (state != "ok")


def test_a_tone_that_cannot_be_played_or_heard_is_a_problem(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(MIC, SPEAKERS)

    def stalled(_: object) -> tuple[Heard, list[float]]:
        raise SinkStalled("gone")

    monkeypatch.setattr(tone, "played", stalled)
    assert only(tone.check(Asked())).told == "the tone could not be played: gone"
    monkeypatch.setattr(tone, "played", lambda _: (noise(0, 0), []))
    assert only(tone.check(Asked())).told.startswith("the microphone gave no sound")
    monkeypatch.setattr(tone, "played", lambda _: captured(100, 100))
    assert only(tone.check(Asked())).state == "ok"


def test_on_a_mac_a_headset_is_what_is_connected_by_bluetooth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Mac(
        MacDevice("Rosa", inputs=1, transport="blue"),
        MacDevice("Conference headset", inputs=1, rate=16_000, transport="usb "),
    ).install(monkeypatch)
    assert [sound_devices.is_headset(it) for it in listing()] == [True, False]
