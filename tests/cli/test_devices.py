"""``rxvoice devices``, without a sound card."""

from __future__ import annotations

import argparse

import pytest

from rxvoice.cli import devices as module
from rxvoice.cli.devices import add_devices, devices
from rxvoice.devices import Device
from rxvoice.errors import ConfigError

MIC = Device(0, "Built-in Mic", 1, 0, 48_000, default_input=True)
SPEAKERS = Device(1, "Speakers", 0, 2, 44_100, default_output=True)


@pytest.fixture(autouse=True)
def no_sound_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "refresh", lambda: True)
    monkeypatch.setattr(module, "permission", lambda: "allow it")


def test_both_kinds_are_listed_with_their_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usb = Device(2, "USB", 2, 2, 16_000)
    monkeypatch.setattr(module, "listing", lambda: [MIC, SPEAKERS, usb])
    assert devices() == 0
    assert capsys.readouterr().out.splitlines() == [
        "Microphones",
        "*   0  Built-in Mic  1 channel    48000 Hz",
        "    2  USB           2 channels   16000 Hz",
        "",
        "Loudspeakers",
        "*   1  Speakers  2 channels   44100 Hz",
        "    2  USB       2 channels   16000 Hz",
    ]


def test_without_a_microphone_it_says_so_and_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "listing", lambda: [SPEAKERS])
    assert devices(level=True) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("Microphones\n  none\n")
    assert shown.endswith("\nallow it\n")


def test_its_options() -> None:
    top = argparse.ArgumentParser()
    add_devices(top.add_subparsers(dest="command"))
    options = top.parse_args(["devices", "--level", "--seconds", "2.5"])
    assert (options.level, options.seconds) == (True, 2.5)


def test_seconds_want_a_level_and_are_positive() -> None:
    with pytest.raises(ConfigError, match="--seconds says how long --level lasts: give both"):
        devices(seconds=1)
    with pytest.raises(ConfigError, match="--seconds must be more than 0 s, got -1"):
        devices(level=True, seconds=-1)
