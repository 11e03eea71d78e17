"""`sources.microphone` where sound goes through CoreAudio: rates, buffers, flags and zeros."""

from __future__ import annotations

import re

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from reactivex import Subject
from sources.fake_machine import FakeMachine, FakePlatform, chunks, joined, others

from rxvoice._audio.live_resample import LiveResampler
from rxvoice.devices import Device, Transport
from rxvoice.events import AudioLost, Notice
from rxvoice.sources._formats import formats
from rxvoice.sources._losses import Losses
from rxvoice.sources._segment import CaptureOptions


def mac(rate: int = 48_000, name: str = "MacBook Pro Microphone", inputs: int = 1) -> FakeMachine:
    machine = FakeMachine(Device(0, name, inputs, 0, rate, True))
    machine.platform = FakePlatform("darwin")
    machine.hint = "allow Terminal"
    return machine


def options(block_ms: int = 32, channel: int | None = None) -> CaptureOptions:
    return CaptureOptions(16_000, block_ms, channel, 2_000, "drop_oldest")


def speech(rate: int, seconds: float) -> NDArray[np.float32]:
    """Tones that glide, so that a sample at a wrong place is a wrong sample."""
    at = np.arange(round(rate * seconds)) / rate
    return (0.4 * np.sin(2 * np.pi * (200 + 300 * at) * at)).astype(np.float32)


def plays(machine: FakeMachine, signal: NDArray[np.float32], frames: int) -> None:
    """Put the signal into the script, block by block."""
    for at in range(0, len(signal) - frames + 1, frames):
        block = signal[at : at + frames]
        machine.script.append(lambda block=block: machine.input.speak(block))


# The rate and the buffer


@pytest.mark.parametrize(
    ("rate", "block_ms", "frames"),
    [
        (48_000, 32, 1536),
        (44_100, 32, 1411),
        (24_000, 32, 768),
        (8_000, 32, 256),
        (48_000, 20, 960),
        (48_000, 100, 1200),  # four to a chunk, none longer than the loudspeaker's
        (192_000, 32, 3072),  # CoreAudio takes no more than 4096
    ],
)
def test_it_opens_at_the_devices_own_rate(rate: int, block_ms: int, frames: int) -> None:
    machine = mac(rate)
    machine.hear(machine.microphone(block_ms=block_ms))
    [opened] = machine.inputs
    assert (opened.form.rate, opened.form.frames) == (rate, frames)
    assert frames <= rate * 32 / 1000


def test_a_device_that_does_not_say_its_rate_is_asked_for_the_wanted_one() -> None:
    forms = formats(Device(0, "mute", 1, 0, 0, True), options(), FakePlatform("darwin"))
    assert {it.rate for it in forms} == {16_000}


def test_a_device_that_has_fewer_channels_than_it_said_is_opened_with_one() -> None:
    machine = mac(inputs=2)
    machine.refuses = lambda _, form: form.channels > 1
    machine.speaks(3)
    got = machine.hear(machine.microphone())
    assert others(got) == []
    assert machine.input.form.channels == 1


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100, 48_000, 96_000])
def test_the_sound_is_the_whole_signals_conversion_at_its_time(rate: int) -> None:
    machine = mac(rate)
    signal = speech(rate, 3)
    plays(machine, signal, rate * 32 // 1000)
    began = machine.time - machine.latency
    got = machine.hear(machine.microphone())
    out = joined(got)
    # The filter's delay stands in front, as silence before the first sample.
    lead = LiveResampler(rate, 16_000).delay
    assert not out[:lead].any()
    expected = soxr.resample(signal, rate, 16_000)[: len(out) - lead]
    np.testing.assert_allclose(out[lead:], expected, rtol=0, atol=1e-6)
    times = np.array([it.time for it in chunks(got)])
    starts = np.array([it.start for it in chunks(got)])
    np.testing.assert_allclose(times, began + (starts - lead) / 16_000, atol=1e-6)
    assert others(got) == []


@pytest.mark.parametrize("rate", [24_000, 48_000, 96_000])
def test_each_block_of_the_device_completes_a_chunk(rate: int) -> None:
    machine = mac(rate)
    count: list[int] = []

    def speak() -> None:
        count.append(len(heard))
        machine.input.speak()

    heard: list[object] = []
    machine.script.extend([speak] * 40)
    machine.subscription = machine.microphone().subscribe(heard.append)
    machine.run()
    assert count == list(range(40))  # none waits for the next block
    assert len(heard) == 40


def test_nothing_is_lost_where_the_stream_ends() -> None:
    machine = mac(44_100)
    signal = speech(44_100, 2)
    plays(machine, signal, 1411)
    fed = 1411 * (len(signal) // 1411)
    machine.script.append(lambda: machine.input.ring.finish())
    machine.is_silent(80)
    out = joined(machine.hear(machine.microphone()))
    expected = soxr.resample(signal[:fed], 44_100, 16_000)
    lead = 97
    np.testing.assert_allclose(out[lead : lead + len(expected)], expected, atol=1e-6)
    assert not out[lead + len(expected) :].any()


# Flags


def told_of(seconds: list[float]) -> list[AudioLost]:
    """What is told of flags without a loss, at such seconds."""
    losses = Losses(options(), exact=True)
    told = []
    for second in seconds:
        losses.flag(round(second * 16_000))
        told += losses.report(round(second * 16_000))
    return told


def test_a_flag_without_a_loss_is_told_of_only_if_it_keeps_coming() -> None:
    assert told_of([1, 30, 60]) == []
    assert told_of([5, 6]) == []
    [told] = told_of([5, 7, 9, 11, 13, 30, 31, 32])
    assert (told.samples, told.cause) == (0, "device")
    assert len(told_of([*range(1, 85, 2)])) == 2  # once a minute


def test_a_flag_of_the_sound_system_is_one_without_a_loss() -> None:
    machine = mac()
    machine.speaks(30)
    machine.script.extend([lambda: machine.input.speak(overflow=True)] * 2)
    machine.speaks(10)
    assert others(machine.hear(machine.microphone())) == []
    machine.script.extend([lambda: machine.input.speak(overflow=True)] * 5)
    [told] = others(machine.hear(machine.microphone()))
    assert isinstance(told, AudioLost)
    assert told.samples == 0


@pytest.mark.parametrize("later", [0, 1, 3])
def test_a_flag_with_a_loss_is_told_of_at_once_with_its_length(later: int) -> None:
    machine = mac()
    machine.speaks(60)
    for at in range(later + 1):
        lost = 1536 if at == later else 0  # one buffer
        machine.script.append(
            lambda at=at, lost=lost: machine.input.speak(overflow=at == 0, lost=lost)
        )
    machine.speaks(20)
    [told] = others(machine.hear(machine.microphone()))
    assert isinstance(told, AudioLost)
    assert told.samples == pytest.approx(1536, abs=48)


# Zeros


def zeros(machine: FakeMachine, seconds: float) -> None:
    frames = machine.devices[0].sample_rate * 32 // 1000
    silent = np.zeros((frames, machine.devices[0].inputs), np.float32)
    blocks = round(seconds / 0.032)
    machine.script.extend([lambda: machine.input.speak(silent)] * blocks)


def notices(machine: FakeMachine) -> list[str]:
    return [it.message for it in others(machine.hear(machine.microphone())) if type(it) is Notice]


def test_zeros_from_the_beginning_are_told_once_with_the_permission() -> None:
    machine = mac(16_000, "USB Microphone")
    zeros(machine, 30)
    assert notices(machine) == [
        "the microphone 'USB Microphone' gives nothing but zeros: allow Terminal"
    ]


def test_zeros_after_sound_are_told_after_ten_seconds_once_for_each_stretch() -> None:
    machine = mac(16_000, "USB Microphone")
    machine.speaks(10)
    zeros(machine, 9.9)
    machine.speaks(1)
    assert notices(machine) == []
    for _ in range(2):
        machine.speaks(1)
        zeros(machine, 15)
    told = notices(machine)
    assert len(told) == 2
    for it in told:
        assert it.startswith(
            "the microphone 'USB Microphone' has given nothing but zeros for 10 s: it may be muted"
        )
        assert "allow" not in it  # it has given sound


REMOTE = FakePlatform("darwin", remote=True)
LID = FakePlatform("darwin", lid=True)
PLAIN = FakePlatform("darwin")


@pytest.mark.parametrize(
    ("transport", "platform", "heard", "reason"),
    [
        ("built-in", REMOTE, False, "zeros: macOS gives no microphone to a program that was start"),
        ("built-in", LID, False, "zeros: the lid is closed"),
        ("built-in", LID, True, "for 10 s: the lid is closed"),
        (None, LID, True, "for 10 s: the lid is closed"),
        ("usb", LID, False, "zeros: allow Terminal$"),  # a lid does not close that
        ("bluetooth", PLAIN, True, "for 10 s: a phone or another computer may hold it"),
        ("bluetooth", PLAIN, False, "zeros: a phone .* may hold it: .*; or allow Terminal$"),
        ("virtual", PLAIN, True, "for 10 s: no program plays into this virtual device"),
        ("built-in", PLAIN, False, "zeros: allow Terminal$"),
        ("built-in", PLAIN, True, "for 10 s: it may be muted"),
        ("usb", REMOTE, True, "for 10 s: it may be muted"),  # sound came over ssh
    ],
)
def test_what_zeros_can_come_from_is_found_out(
    transport: Transport | None, platform: FakePlatform, heard: bool, reason: str
) -> None:
    machine = mac(16_000)
    machine.platform, machine.connected = platform, transport
    if heard:
        machine.speaks(1)
    zeros(machine, 11)
    [told] = notices(machine)
    assert re.search(reason, told)


def test_zeros_go_on_over_a_device_that_is_opened_again() -> None:
    machine = mac(16_000, "USB Microphone")
    machine.speaks(1)
    zeros(machine, 12)
    machine.script.append(lambda: machine.input.ring.finish())
    machine.is_silent(16)
    zeros(machine, 12)
    assert len(notices(machine)) == 1
    assert len(machine.inputs) == 2


def test_where_another_microphone_gave_sound_permission_is_there() -> None:
    machine = mac(16_000, "USB Microphone")
    other = Device(1, "Interface", 1, 0, 16_000)
    machine.devices.append(other)
    wanted = Subject[int | str | None]()
    machine.script.append(lambda: wanted.on_next("USB Microphone"))
    machine.speaks(3)
    machine.script.append(lambda: wanted.on_next("Interface"))
    zeros(machine, 3)
    got = machine.hear(machine.microphone(wanted))
    [told] = [it.message for it in others(got) if isinstance(it, Notice)]
    assert told.startswith("the microphone 'Interface' gives nothing but zeros: it may be muted")
