"""``rxvoice devices``, without a sound card."""

from __future__ import annotations

import argparse
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import operators as ops

from rxvoice import sources
from rxvoice.chunks import AudioChunk
from rxvoice.cli import devices as module
from rxvoice.cli.devices import add_devices, devices
from rxvoice.devices import Device
from rxvoice.errors import ConfigError
from rxvoice.events import AudioLost

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


class Clock:
    """Time that passes while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    it = Clock()
    monkeypatch.setattr(module, "time", it)
    monkeypatch.setattr(module, "threading", SimpleNamespace(Event=lambda: it))
    return it


def levels(monkeypatch: pytest.MonkeyPatch, **microphones: rx.Observable[Any]) -> list[str]:
    """Give each microphone this sound; returns those that were closed."""
    closed: list[str] = []
    monkeypatch.setattr(
        module,
        "listing",
        lambda: [Device(n, name, 1, 0, 16_000) for n, name in enumerate(microphones)] + [SPEAKERS],
    )
    monkeypatch.setattr(
        sources,
        "microphone",
        lambda index: [*microphones.values()][index].pipe(
            ops.finally_action(lambda: closed.append([*microphones][index]))
        ),
    )
    return closed


def at(level: float) -> rx.Observable[Any]:
    """A microphone that gives a chunk, an event, and no end."""
    loud = AudioChunk(np.full(512, level, np.float32), 16_000, 0)
    return rx.of(loud, AudioLost(10, 10, "device", "")).pipe(ops.concat(rx.never()))


def test_the_level_of_each_microphone_is_shown_every_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    gone: rx.Observable[Any] = rx.throw(ConfigError("it is not there"))
    closed = levels(monkeypatch, half=at(-0.5), none=at(0), gone=gone)
    assert devices(level=True, seconds=1.5) == 0
    shown = capsys.readouterr().out.partition("Levels, in decibels below full scale\n")[2]
    silent = f"[{'':30}] silence "
    assert shown.splitlines() == [
        f"    0  [{'#' * 27:30}]    -6 dB  half",
        f"    1  {silent}  none",
        "    2  it is not there",
        f"    0  {silent}  half",  # nothing since
        f"    1  {silent}  none",
        "    2  it is not there",
    ]
    assert clock.waits == [1.0, 0.5]
    assert sorted(closed) == ["gone", "half", "none"]


def test_a_terminal_draws_the_levels_over_and_ctrl_c_ends_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    closed = levels(monkeypatch, one=at(1), two=at(0))

    def wait(seconds: float) -> None:
        clock.waits.append(seconds)
        if len(clock.waits) == 3:
            raise KeyboardInterrupt

    clock.wait = wait  # type: ignore[method-assign]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert devices(level=True) == 0
    shown = capsys.readouterr().out.partition("Levels, in decibels below full scale\n")[2]
    silent = f"[{'':30}] silence "
    assert shown.splitlines() == [
        f"    0  [{'#' * 30}]     0 dB  one\x1b[K",
        f"    1  {silent}  two\x1b[K",
        f"\x1b[2A    0  {silent}  one\x1b[K",
        f"    1  {silent}  two\x1b[K",
    ]
    assert clock.waits == [0.1] * 3
    assert sorted(closed) == ["one", "two"]
