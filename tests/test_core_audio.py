"""What CoreAudio is asked by ctypes, on a fake whose functions are pointers to C."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_coreaudio import Mac, MacDevice

from rxvoice import devices
from rxvoice._platform import Platform
from rxvoice.devices import HalDevice, _hal


def airpods(**sides: int) -> MacDevice:
    return MacDevice("Anna’s AirPods", transport="blue", rate=24_000, **sides)


def test_it_tells_each_device_as_it_is_now() -> None:
    mac = Mac()
    hal = mac.hal.ask
    before = hal.present()
    assert before == (41, 42)
    mac.plug(airpods(inputs=1))
    out = mac.plug(airpods(outputs=2))
    assert hal.present() == (41, 42, 43, 44)
    name = "Anna’s AirPods"
    assert hal.device(name, "speaker") == HalDevice(44, name, 24_000, "bluetooth")
    assert hal.device(name, "microphone") == HalDevice(43, name, 24_000, "bluetooth")
    mac.change_rate(name, 48_000)
    found = hal.device(name, "speaker")
    assert found is not None
    assert found.sample_rate == 48_000
    again = mac.unplug(out.name)
    assert hal.device(name, "speaker") is None
    mac.plug(again)
    assert hal.present() != (41, 42, 43, 44)
    assert mac.hal.unreleased == 0


def test_it_tells_the_default_devices() -> None:
    mac = Mac()
    hal = mac.hal.ask
    default = hal.default("microphone")
    assert default == HalDevice(41, "MacBook Pro Microphone", 48_000, "built-in")
    mac.plug(airpods(outputs=2))
    mac.choose("output", "Anna’s AirPods")
    default = hal.default("speaker")
    assert default is not None
    assert default.name == "Anna’s AirPods"
    mac.choose("output", None)
    assert hal.default("speaker") is None
    assert mac.hal.unreleased == 0


@pytest.mark.parametrize(
    ("transport", "told"),
    [
        ("bltn", "built-in"),
        ("blue", "bluetooth"),
        ("blea", "bluetooth"),
        ("usb ", "usb"),
        ("virt", "virtual"),
        ("grup", "virtual"),
        ("hdmi", "other"),
    ],
)
def test_it_tells_how_a_device_is_connected(transport: str, told: str) -> None:
    mac = Mac(MacDevice("it", outputs=2, transport=transport))
    found = mac.hal.ask.device("it", "speaker")
    assert found is not None
    assert found.transport == told


def test_a_list_on_a_mac_has_the_rates_and_defaults_of_this_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mac = Mac(
        MacDevice("Speakers", outputs=2), MacDevice("USB", inputs=1, outputs=2, transport="usb ")
    )
    mac.install(monkeypatch)
    assert devices.find(None, "speaker").name == "Speakers"
    mac.choose("output", "USB")
    mac.change_rate("USB", 96_000)
    found = devices.find(None, "speaker")
    assert (found.name, found.sample_rate) == ("USB", 96_000)
    assert mac.sound.initializations == 1
    mac.sound.default.device = [-1, 0]  # the app's choice counts more
    assert devices.find(None, "speaker").name == "Speakers"


def test_names_are_found_as_they_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    mac = Mac(MacDevice("Anna’s\u00a0AirPods\u202fPro", outputs=2))
    mac.install(monkeypatch)
    assert devices.find("anna's airpods pro", "speaker").index == 0


def test_off_a_mac_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxvoice._platform._set", Platform("win32"))
    hal = devices.hal()
    told = hal.present(), hal.device("x", "speaker"), hal.default("speaker"), hal.knows
    assert told == (None, None, None, False)


def test_on_linux_the_cards_tell_that_something_came_or_went(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("rxvoice._platform._set", Platform("linux"))
    cards = tmp_path / "cards"
    monkeypatch.setattr(_hal, "_CARDS", cards)
    assert devices.hal().present() is None
    cards.write_text(" 0 [PCH]: HDA-Intel\n")
    before = devices.hal().present()
    cards.write_text(" 0 [PCH]: HDA-Intel\n 1 [USB]: USB-Audio\n")
    assert before is not None
    assert devices.hal().present() not in (None, before)
