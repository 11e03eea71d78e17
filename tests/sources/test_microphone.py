"""`sources.microphone`, on a fake device: what comes out of what a device gives."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from sources.fake_machine import (
    FakeMachine,
    Flags,
    Info,
    chunks,
    joined,
    numbered,
    others,
)

from rxvoice import AudioChunk, Event, sources
from rxvoice._threads.loop import Loop
from rxvoice.devices import Device
from rxvoice.errors import ConfigError, MissingDependency, QueueFull
from rxvoice.events import AudioLost, DeviceLost, DeviceRestored, Notice
from rxvoice.sources._listener import Listener
from rxvoice.sources._ring import Ring


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


def test_every_sample_comes_out_with_its_index_and_its_time(machine: FakeMachine) -> None:
    machine.speaks(100)
    began = machine.time - machine.latency
    got = machine.hear(machine.microphone())
    assert others(got) == []
    np.testing.assert_array_equal(joined(got), numbered(0, 51_200))
    assert [it.start for it in chunks(got)] == list(range(0, 51_200, 512))
    times = [it.time for it in chunks(got)]
    np.testing.assert_allclose(times, began + 0.032 * np.arange(100), atol=1e-9)
    assert not any(it.samples.flags.writeable for it in chunks(got))
    assert {it.sample_rate for it in chunks(got)} == {16_000}


def test_it_opens_the_device_at_the_wanted_rate_and_closes_it(machine: FakeMachine) -> None:
    machine.speaks(1)
    machine.hear(machine.microphone(sample_rate=24_000, block_ms=20))
    [opened] = machine.inputs
    assert (opened.form.rate, opened.form.frames, opened.form.dtype) == (24_000, 480, "float32")
    assert opened.started
    assert opened.closed


@pytest.mark.parametrize("dtype", ["float32", "int16"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_scaled_and_then_mixed(dtype: str, channels: int) -> None:
    machine = FakeMachine(Device(0, "many", channels, 0, 48_000, True))
    machine.refuses = lambda _, form: form.dtype != dtype
    full = 32768 if dtype == "int16" else 1
    levels = np.linspace(-0.5, 1, channels + 1)[:channels]
    frames = np.tile(levels * full, (512, 1)).astype(dtype)
    machine.script.append(lambda: machine.input.speak(frames))
    got = machine.hear(machine.microphone())
    assert machine.input.form.channels == channels
    np.testing.assert_allclose(joined(got), np.full(512, levels.mean()), atol=1e-4)


def test_two_loud_channels_do_not_overflow_before_they_are_mixed() -> None:
    machine = FakeMachine(Device(0, "stereo", 2, 0, 48_000, True))
    machine.refuses = lambda _, form: form.dtype != "int16"
    frames = np.tile(np.array([32767, 32767], np.int16), (512, 1))
    machine.script.append(lambda: machine.input.speak(frames))
    np.testing.assert_allclose(joined(machine.hear(machine.microphone())), 32767 / 32768)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_one_channel_can_be_chosen(dtype: str) -> None:
    machine = FakeMachine(Device(0, "many", 4, 0, 48_000, True))
    machine.refuses = lambda _, form: form.dtype != dtype
    full = 32768 if dtype == "int16" else 1

    def speak() -> None:
        levels = np.array([0, 0.25, 0.5, 0.75])[: machine.input.form.channels]
        machine.input.speak(np.tile(levels * full, (512, 1)).astype(dtype))

    machine.script.append(speak)
    got = machine.hear(machine.microphone(channel=2))
    assert machine.input.form.channels == 3  # as few as will do
    np.testing.assert_array_equal(joined(got), np.full(512, 0.5, np.float32))


def test_of_a_device_that_takes_any_number_of_channels_two_are_opened() -> None:
    machine = FakeMachine(Device(0, "virtual", 32, 0, 48_000, True))
    machine.speaks(1)
    machine.hear(machine.microphone())
    assert machine.input.form.channels == 2


def test_a_channel_that_the_device_does_not_have_is_an_error(machine: FakeMachine) -> None:
    [error] = machine.hear(machine.microphone(channel=1))
    assert str(error) == "microphone channel must be from 0 to 0, of the device 'built-in', got 1"


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("block_ms", [10, 32])
def test_a_device_of_another_rate_is_resampled_and_keeps_time(rate: int, block_ms: int) -> None:
    machine = FakeMachine(Device(0, "odd", 1, 0, rate, True))
    machine.refuses = lambda _, form: form.rate != rate
    frames = rate * block_ms // 1000
    sine = (0.5 * np.sin(2 * np.pi * 440 * np.arange(frames * 60) / rate)).astype(np.float32)
    for at in range(0, len(sine), frames):
        block = sine[at : at + frames]
        machine.script.append(lambda block=block: machine.input.speak(block))
    began = machine.time - machine.latency
    got = machine.hear(machine.microphone(block_ms=block_ms))
    out = joined(got)
    assert {len(it.samples) for it in chunks(got)} == {16 * block_ms}
    assert len(out) > 16 * block_ms * 50
    np.testing.assert_allclose(out, soxr.resample(sine, rate, 16_000)[: len(out)], atol=2e-4)
    times = [it.time for it in chunks(got)]
    expected = began + block_ms / 1000 * np.arange(len(times))
    np.testing.assert_allclose(times, expected, atol=1e-4)


def test_resampling_at_full_scale_stays_in_range() -> None:
    machine = FakeMachine(Device(0, "loud", 1, 0, 48_000, True))
    machine.refuses = lambda _, form: form.rate != 48_000
    square = np.sign(np.sin(2 * np.pi * 300 * np.arange(1536 * 20) / 48_000) + 1e-9)
    for at in range(0, len(square), 1536):
        block = square[at : at + 1536].astype(np.float32)
        machine.script.append(lambda block=block: machine.input.speak(block))
    got = machine.hear(machine.microphone())
    assert np.abs(joined(got)).max() == 1
    assert others(got) == []  # it is the resampler's overshoot, not the microphone's


def test_borders_do_not_drift_where_a_block_is_no_whole_number_of_samples(
    machine: FakeMachine,
) -> None:
    machine.speaks(50)
    got = chunks(machine.hear(machine.microphone(sample_rate=22_050)))
    assert [it.start for it in got] == [i * 32 * 22_050 // 1000 for i in range(len(got))]
    assert len(got) >= 49


@pytest.mark.parametrize("peak", [1.5, -1.5, np.inf, np.nan])
def test_samples_out_of_range_are_limited_and_told_of_once(
    machine: FakeMachine, peak: float
) -> None:
    loud = np.full(512, 0.5, np.float32)
    loud[7] = peak
    machine.script.extend([lambda: machine.input.speak(loud)] * 3)
    got = machine.hear(machine.microphone())
    [notice] = others(got)
    assert isinstance(notice, Notice)
    assert "'built-in' is too loud" in notice.message
    assert "lower its gain" in notice.message
    assert np.abs(joined(got)).max() <= 1
    expected = 0.0 if np.isnan(peak) else np.sign(peak)
    assert joined(got)[7] == expected
    assert joined(got)[8] == 0.5


def test_zeros_from_the_beginning_say_what_permits_the_microphone(machine: FakeMachine) -> None:
    machine.hint = "allow it in the settings"
    machine.script.extend([lambda: machine.input.speak(np.zeros(512, np.float32))] * 80)
    [notice] = others(machine.hear(machine.microphone()))
    assert isinstance(notice, Notice)
    assert notice.message.endswith("gives nothing but zeros: allow it in the settings")
    machine.speaks(1)
    machine.script.extend([lambda: machine.input.speak(np.zeros(512, np.float32))] * 80)
    assert others(machine.hear(machine.microphone())) == []


# Losses


def stalled(machine: FakeMachine, blocks: int, **options: object) -> list[object]:
    """A subscriber that stalls in its second chunk while so many blocks come."""
    got: list[AudioChunk | Event | Exception] = []

    def hear(element: AudioChunk | Event) -> None:
        got.append(element)
        if len(got) == 2:
            for _ in range(blocks):
                machine.input.speak()

    machine.speaks(2)
    machine.script.extend([lambda: machine.input.speak()] * 3)
    source = machine.microphone(max_ms=320, **options)  # type: ignore[arg-type]
    machine.subscription = source.subscribe(hear, got.append)
    machine.run()
    return got


@pytest.mark.parametrize("blocks", [10, 11, 12, 25, 200])
@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
def test_a_subscriber_that_stalls_loses_exactly_what_is_counted(
    machine: FakeMachine, blocks: int, overflow: str
) -> None:
    got = stalled(machine, blocks, overflow=overflow)
    out = joined(got)
    assert len(out) == machine.input.spoken  # silence for the rest: the time stays true
    lost = max(0, blocks - 10) * 512
    truth = numbered(0, len(out))
    heard = out != 0
    np.testing.assert_array_equal(out[heard], truth[heard])
    assert np.count_nonzero(~heard) == lost
    told = others(got)
    if lost:
        [event] = told
        assert isinstance(event, AudioLost)
        assert (event.samples, event.total, event.cause) == (lost, lost, "full")
        assert "max_ms" in event.remedy
        first = 1024 if overflow == "drop_oldest" else 1024 + 10 * 512
        assert not out[first : first + lost].any()
        before = chunks(got[: got.index(event)])
        assert sum(len(it.samples) for it in before) == first  # told of where it happened
    else:
        assert told == []
    times = np.array([it.time for it in chunks(got)])
    np.testing.assert_allclose(np.diff(times), 0.032, atol=1e-9)


def test_a_full_buffer_is_an_error_where_that_is_asked_for(machine: FakeMachine) -> None:
    got = stalled(machine, 25, overflow="fail")
    *heard, event, error = got
    assert isinstance(event, AudioLost)
    assert isinstance(error, QueueFull)
    assert str(error).startswith(
        f"the microphone's buffer of 320 ms was full and {15 * 512} samples were lost"
    )
    np.testing.assert_array_equal(joined(heard), numbered(0, 12 * 512))
    assert machine.input.closed


def test_losses_are_told_at_first_and_then_every_five_seconds(machine: FakeMachine) -> None:
    for i in range(500):
        lost = 1600 if i % 25 == 24 else 0
        machine.script.append(lambda lost=lost: machine.input.speak(lost=lost, overflow=bool(lost)))
    got = machine.hear(machine.microphone())
    losses = [it for it in others(got) if isinstance(it, AudioLost)]
    assert losses == others(got)
    assert losses[0].samples == 1600
    assert sum(it.samples for it in losses) == losses[-1].total
    assert 3 <= len(losses) <= 5  # 18 s
    assert losses[-1].total >= 15 * 1600


def test_sound_that_the_system_lost_becomes_silence_of_its_length(machine: FakeMachine) -> None:
    machine.speaks(20)
    machine.script.append(lambda: machine.input.speak(overflow=True, lost=4000))
    machine.speaks(20)
    got = machine.hear(machine.microphone())
    [event] = others(got)
    assert isinstance(event, AudioLost)
    assert (event.samples, event.total, event.cause) == (4000, 4000, "device")
    expected = numbered(0, 41 * 512 + 4000)
    expected[20 * 512 : 20 * 512 + 4000] = 0
    np.testing.assert_array_equal(joined(got), expected[: len(joined(got))])
    assert len(expected) - len(joined(got)) < 512


def test_an_overflow_too_short_to_be_told_from_jitter_is_reported(machine: FakeMachine) -> None:
    machine.speaks(20)
    machine.script.append(lambda: machine.input.speak(overflow=True, adc=0.02))
    machine.speaks(5)
    got = machine.hear(machine.microphone())
    [event] = others(got)
    assert isinstance(event, AudioLost)
    assert (event.samples, event.cause) == (0, "device")
    np.testing.assert_array_equal(joined(got), numbered(0, 26 * 512))


def test_a_jump_of_the_clock_that_lasts_is_a_loss_without_a_flag(machine: FakeMachine) -> None:
    machine.speaks(20)
    machine.script.append(lambda: machine.input.speak(lost=8000))
    machine.speaks(60)
    got = machine.hear(machine.microphone())
    [event] = others(got)
    assert isinstance(event, AudioLost)
    assert (event.samples, event.cause) == (8000, "device")
    assert chunks(got)[-1].time == pytest.approx(machine.time - 0.01 - 0.032, abs=0.032)


def test_jitter_of_the_devices_clock_is_no_loss_and_is_smoothed(machine: FakeMachine) -> None:
    off = np.random.default_rng(1).uniform(-0.03, 0.0, 400)
    for adc in off:
        machine.script.append(lambda adc=float(adc): machine.input.speak(adc=adc))
    got = machine.hear(machine.microphone())
    assert others(got) == []
    steps = np.diff([it.time for it in chunks(got)])
    np.testing.assert_allclose(steps, 0.032, atol=1.5e-3)


def test_a_device_a_little_fast_is_followed(machine: FakeMachine) -> None:
    # 200 parts in a million; 400 blocks are 2.6 ms by then.
    for i in range(2000):
        machine.script.append(lambda i=i: machine.input.speak(adc=-i * 0.032 * 200e-6))
    got = machine.hear(machine.microphone())
    assert others(got) == []
    late = machine.time - machine.latency - 0.032 - 2000 * 0.032 * 200e-6
    assert chunks(got)[-1].time == pytest.approx(late, abs=1e-3)


def test_nothing_is_captured_after_it_came(machine: FakeMachine) -> None:
    came: list[float] = []
    machine.latency = 0.0
    for i in range(200):
        machine.script.append(lambda i=i: machine.input.speak(adc=0.04 * (i % 3)))
    source = machine.microphone().pipe(ops.do_action(lambda _: came.append(machine.time)))
    got = chunks(machine.hear(source))
    ends = [it.time + 0.032 for it in got if it.time is not None]
    assert len(ends) == 200
    assert all(end <= now + 1e-9 for end, now in zip(ends, came, strict=True))


def test_a_callback_that_python_holds_up_does_not_move_the_time(machine: FakeMachine) -> None:
    began = machine.time - machine.latency
    waits = np.random.default_rng(2).uniform(0, 0.02, 300)
    for wait in waits:
        machine.script.append(lambda wait=float(wait): machine.input.speak(held_up=wait))
    times = [it.time for it in chunks(machine.hear(machine.microphone()))]
    np.testing.assert_allclose(
        times[150:], (began + 0.032 * np.arange(300))[150:], rtol=0, atol=3e-3
    )


def test_a_first_block_that_came_late_does_not_put_the_others_into_the_future(
    machine: FakeMachine,
) -> None:
    machine.tells_time = False
    machine.script.append(lambda: machine.input.speak(held_up=0.03))
    machine.speaks(20)
    began = machine.time
    times = [it.time for it in chunks(machine.hear(machine.microphone()))]
    np.testing.assert_allclose(times[1:], (began + 0.032 * np.arange(21))[1:], rtol=0, atol=1e-6)


def test_a_sound_system_without_a_clock_is_timed_by_its_callbacks(machine: FakeMachine) -> None:
    machine.tells_time = False
    machine.speaks(50)
    began = machine.time
    got = chunks(machine.hear(machine.microphone()))
    np.testing.assert_allclose([it.time for it in got], began + 0.032 * np.arange(50), atol=1e-6)


# Devices that come and go


def test_a_silent_device_is_lost_and_silence_goes_on_in_its_place(machine: FakeMachine) -> None:
    began = machine.time - machine.latency
    machine.speaks(30)
    machine.script.append(lambda: setattr(machine, "refuses", lambda *_: True))
    machine.is_silent(1 + 125)  # 4 s
    got = machine.hear(machine.microphone())
    assert others(got) == [DeviceLost("microphone", "built-in", "no sound for 1 s")]
    assert machine.inputs[0].closed
    assert len(chunks(got)) > 130
    assert began + len(joined(got)) / 16_000 == pytest.approx(machine.time - 0.5, abs=0.07)
    np.testing.assert_array_equal(joined(got)[: 30 * 512], numbered(0, 30 * 512))
    assert not joined(got)[30 * 512 :].any()
    times = [it.time for it in chunks(got)]
    np.testing.assert_allclose(times, began + 0.032 * np.arange(len(times)), atol=1e-9)


def lose_and_restore(machine: FakeMachine, lose: Callable[[], object], after: int = 40) -> None:
    """Speak, lose the device, and speak again as soon as one is open."""
    machine.speaks(30)
    machine.script.append(lose)
    opened = len(machine.inputs) + 2

    def speak() -> None:
        if len(machine.inputs) >= opened:
            machine.input.speak()

    machine.script.extend([speak] * after)


def test_a_stream_that_the_system_ends_is_opened_again(machine: FakeMachine) -> None:
    lose_and_restore(machine, lambda: machine.input.ring.finish())
    began = machine.time - machine.latency
    got = machine.hear(machine.microphone())
    lost, restored = others(got)
    assert lost == DeviceLost("microphone", "built-in", "the sound system ended the stream")
    assert isinstance(restored, DeviceRestored)
    assert restored.device == "built-in"
    assert 450 <= restored.gone_ms <= 600
    out = joined(got)
    np.testing.assert_array_equal(out[: 30 * 512], numbered(0, 30 * 512))
    gap = np.flatnonzero(out[30 * 512 :])[0]
    assert gap == pytest.approx(restored.gone_ms * 16, abs=16)
    again = machine.input.spoken
    np.testing.assert_array_equal(
        out[30 * 512 + gap :], numbered(0, again)[: len(out) - 30 * 512 - gap]
    )
    assert [it.start for it in chunks(got)] == list(range(0, len(out), 512))
    end = began + (30 * 512 + gap + again) / 16_000
    assert end == pytest.approx(machine.time - machine.latency, abs=1e-3)


def test_where_the_device_is_gone_the_default_one_takes_its_place() -> None:
    headset = Device(1, "headset", 1, 0, 16_000, True)
    builtin = Device(0, "built-in", 2, 0, 44_100, False)
    machine = FakeMachine(headset, builtin)
    machine.refuses = lambda device, form: device is builtin and form.rate != 44_100

    def unplug() -> None:
        machine.devices.remove(headset)
        machine.input.ring.finish()

    lose_and_restore(machine, unplug)
    got = machine.hear(machine.microphone("headset"))
    lost, restored = others(got)
    assert isinstance(lost, DeviceLost)
    assert isinstance(restored, DeviceRestored)
    assert (lost.device, restored.device) == ("headset", "built-in")
    assert machine.input.form.rate == 44_100
    assert machine.input.form.channels == 2
    assert [it.start for it in chunks(got)] == [512 * i for i in range(len(chunks(got)))]


def test_between_tries_it_waits_longer_and_longer(machine: FakeMachine) -> None:
    machine.speaks(5)
    machine.script.append(lambda: setattr(machine, "refuses", lambda *_: True))
    machine.script.append(lambda: machine.input.ring.finish())
    machine.is_silent(3000)
    machine.hear(machine.microphone())
    waits = np.diff(machine.tries)
    assert waits[0] == pytest.approx(0.5, abs=0.05)
    assert waits[-1] == pytest.approx(5, abs=0.05)
    assert np.all(np.diff(waits) > -0.05)


def test_a_device_that_opens_again_but_stays_silent_is_lost_once(machine: FakeMachine) -> None:
    machine.speaks(5)
    machine.is_silent(2 + 16 + 6 + 16 + 6)
    got = machine.hear(machine.microphone())
    assert len(machine.inputs) >= 3
    assert [type(it) for it in others(got)] == [DeviceLost]


def test_looks_in_vain_with_sound_between_them_are_no_loss(machine: FakeMachine) -> None:
    for _ in range(4):
        machine.speaks(5)
        machine.is_silent(1)
    machine.speaks(5)
    got = machine.hear(machine.microphone())
    assert len(machine.inputs) == 1
    assert not [it for it in others(got) if isinstance(it, DeviceLost)]


def test_a_device_that_does_not_exist_is_an_error(machine: FakeMachine) -> None:
    [error] = machine.hear(machine.microphone("nope"))
    assert isinstance(error, ConfigError)
    assert machine.inputs == []


def test_a_device_that_does_not_open_is_an_error_with_what_to_do(machine: FakeMachine) -> None:
    machine.refuses = lambda *_: True
    machine.hint = "allow it in the settings"
    [error] = machine.hear(machine.microphone())
    assert str(error) == (
        "the microphone 'built-in' does not open: 16000 Hz, 1 x float32 refused; close what else "
        "uses it, or choose another: `rxvoice devices` lists them; allow it in the settings"
    )


def test_without_portaudio_the_error_says_what_to_install(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = MissingDependency("sudo apt-get install libportaudio2")

    def find(_: object) -> Device:
        raise missing

    monkeypatch.setattr(machine, "find", find)
    assert machine.hear(machine.microphone()) == [missing]


# Subscriptions


def test_unsubscribing_from_within_on_next_closes_the_device(machine: FakeMachine) -> None:
    machine.speaks(10)
    got = machine.hear(machine.microphone().pipe(ops.take(3)))
    assert len(got) == 3
    assert machine.input.closed


def test_unsubscribing_before_the_thread_has_begun_opens_nothing(machine: FakeMachine) -> None:
    got: list[object] = []
    machine.microphone().subscribe(got.append).dispose()
    machine.run()
    assert got == []
    assert machine.inputs == []


def test_unsubscribing_before_the_first_block_closes_the_device(machine: FakeMachine) -> None:
    assert machine.hear(machine.microphone()) == []
    assert machine.input.closed


def test_unsubscribing_between_tries_ends_them(machine: FakeMachine) -> None:
    machine.speaks(2)
    machine.script.append(lambda: setattr(machine, "refuses", lambda *_: True))
    machine.script.append(lambda: machine.input.ring.finish())
    machine.is_silent(3)
    machine.hear(machine.microphone())
    assert machine.tries == []


def test_unsubscribing_while_it_opens_does_not_leave_it_open(machine: FakeMachine) -> None:
    machine.refuses = lambda *_: bool(machine.subscription and machine.subscription.dispose())
    machine.hear(machine.microphone())
    assert all(it.closed for it in machine.inputs)


def test_a_subscriber_that_raises_does_not_leave_the_device_open(machine: FakeMachine) -> None:
    def bad(_: object) -> None:
        raise ZeroDivisionError("the subscriber's")

    machine.speaks(2)
    machine.microphone().subscribe(bad)
    with pytest.raises(ZeroDivisionError, match="the subscriber's"):
        machine.run()
    assert machine.input.closed


def test_one_that_raises_on_a_scheduler_does_not_either(machine: FakeMachine) -> None:
    turns = Turns()

    def bad(_: object) -> None:
        raise ZeroDivisionError("the subscriber's")

    def run() -> None:
        with pytest.raises(ZeroDivisionError, match="the subscriber's"):
            turns.run()
        assert machine.input.closed

    machine.speaks(1)
    machine.script.append(run)
    machine.microphone().subscribe(bad, scheduler=turns)  # type: ignore[arg-type]
    machine.run()
    assert not machine.script


def test_two_subscribers_share_one_device(machine: FakeMachine) -> None:
    machine.speaks(10)
    shared = machine.microphone().pipe(ops.share())
    one: list[object] = []
    two: list[object] = []
    subscriptions = [shared.subscribe(one.append), shared.subscribe(two.append)]
    machine.subscription = subscriptions[0]
    machine.script.append(subscriptions[1].dispose)
    machine.run()
    assert len(machine.inputs) == 1
    assert len(one) == 10
    assert one == two
    assert machine.input.closed


def test_each_subscription_has_a_device_and_a_count_of_its_own(machine: FakeMachine) -> None:
    source = machine.microphone()
    for _ in range(2):
        machine.speaks(3)
        got = machine.hear(source)
        assert [it.start for it in chunks(got)] == [0, 512, 1024]
    assert len(machine.inputs) == 2


class Turns:
    """A scheduler that runs what it is given when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[..., object]] = []
        self.most = 0

    def schedule(self, action: Callable[..., object], state: object = None) -> None:
        self.waiting.append(action)
        self.most = max(self.most, len(self.waiting))

    def run(self) -> None:
        while self.waiting:
            self.waiting.pop(0)(self, None)


def test_on_a_scheduler_one_turn_waits_at_a_time_and_nothing_is_lost(
    machine: FakeMachine,
) -> None:
    turns = Turns()
    got: list[AudioChunk | Event | Exception] = []

    def speak_and_run() -> None:
        for _ in range(5):  # more than one turn delivers
            machine.input.speak()
        turns.run()

    machine.script.extend([speak_and_run] * 10)
    machine.script.extend([turns.run] * 40)
    machine.subscription = machine.microphone().subscribe(
        got.append,
        scheduler=turns,  # type: ignore[arg-type]
    )
    machine.run()
    assert turns.most == 1
    np.testing.assert_array_equal(joined(got)[: 50 * 512], numbered(0, 50 * 512))


def test_a_block_after_the_last_look_of_a_turn_is_not_forgotten(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns()
    got: list[object] = []
    hand_over = Listener._hand_over

    listeners: list[Listener] = []

    def late(self: Listener) -> bool:
        more = hand_over(self)
        if not listeners:
            # Now, and the thread is woken while it still believes that a turn is to come.
            listeners.append(self)
            machine.input.speak()
            assert self._wake.acquire(blocking=False)
        return more

    def run() -> None:
        turns.run()
        assert not listeners[0]._wake.locked()  # it is woken again

    monkeypatch.setattr(Listener, "_hand_over", late)
    machine.speaks(1)
    machine.script.append(run)
    machine.script.append(turns.run)
    machine.subscription = machine.microphone().subscribe(
        got.append,
        scheduler=turns,  # type: ignore[arg-type]
    )
    machine.run()
    assert len(got) == 2


def test_a_scheduler_that_never_runs_holds_no_more_than_the_buffer(machine: FakeMachine) -> None:
    turns = Turns()
    got: list[object] = []
    machine.speaks(300)
    machine.subscription = machine.microphone(max_ms=320).subscribe(
        got.append,
        scheduler=turns,  # type: ignore[arg-type]
    )
    machine.run()
    assert len(turns.waiting) == 1
    turns.run()
    assert got == []


class RealTime(FakeMachine):
    """The fake device, on real threads."""

    def wait(self, wake: threading.Lock, seconds: float) -> bool:
        return wake.acquire(timeout=60)

    def start(self, run: Callable[[], None]) -> None:
        self.opened = threading.Event()
        thread = threading.Thread(target=run, name="rxvoice-microphone", daemon=True)
        self.threads = [thread.join]
        thread.start()

    def open(self, device: Device, form: object, ring: Ring) -> object:  # type: ignore[override]
        opened = super().open(device, form, ring)  # type: ignore[arg-type]
        self.opened.set()
        return opened


@pytest.mark.parametrize("scheduled", [False, True])
def test_everything_is_delivered_on_one_thread(scheduled: bool) -> None:
    machine = RealTime()
    names: set[str] = set()
    got: list[AudioChunk | Event | Exception] = []
    complete = threading.Event()

    def hear(element: AudioChunk | Event) -> None:
        names.add(threading.current_thread().name)
        got.append(element)
        if len(got) == 200:
            complete.set()

    def factory(target: Callable[..., object], *_: object, **__: object) -> threading.Thread:
        return threading.Thread(target=target, name="conversation", daemon=True)

    loop = EventLoopScheduler(thread_factory=factory) if scheduled else None
    subscription = machine.microphone(max_ms=10_000).subscribe(hear, scheduler=loop)
    assert machine.opened.wait(60)
    for _ in range(200):
        machine.input.speak()
    assert complete.wait(60)
    subscription.dispose()
    assert machine.input.closed
    machine.run()
    np.testing.assert_array_equal(joined(got), numbered(0, 200 * 512))
    assert names == {"conversation" if scheduled else "rxvoice-microphone"}
    if loop is not None:
        loop.dispose()


def test_unsubscribing_from_another_thread_ends_it_at_once() -> None:
    machine = RealTime()
    inside, go_on = threading.Event(), threading.Event()
    got: list[object] = []

    def hear(element: object) -> None:
        got.append(element)
        inside.set()
        assert go_on.wait(60)

    subscription = machine.microphone().subscribe(hear)
    assert machine.opened.wait(60)
    for _ in range(5):
        machine.input.speak()
    assert inside.wait(60)
    subscription.dispose()  # does not wait for the subscriber
    assert machine.input.closed
    go_on.set()
    machine.run()
    assert len(got) == 1


@pytest.mark.parametrize("waits", [True, False], ids=["an action waits", "none waits"])
def test_a_loop_that_has_ended_closes_the_device(machine: FakeMachine, waits: bool) -> None:
    """As that of `live`, where a turn that the app listens to keeps the microphone."""
    loop = Loop("test")
    busy, go_on, delivered = threading.Event(), threading.Event(), threading.Event()

    def hold_up() -> None:
        loop.schedule(lambda *_: (busy.set(), go_on.wait(20)))
        assert busy.wait(60)

    def end() -> None:
        loop.dispose()
        go_on.set()
        assert loop.join(60)

    machine.speaks(2)
    machine.script.append(lambda: delivered.wait(20))
    machine.script.append(hold_up if waits else end)
    machine.speaks(3)
    machine.script.append(end)
    machine.speaks(4)
    source = machine.microphone()
    machine.subscription = source.subscribe(lambda _: delivered.set(), scheduler=loop)
    machine.run()
    assert machine.input.closed
    assert machine.script, "it listened on"


def test_a_scheduler_that_is_gone_closes_the_device() -> None:
    machine = RealTime()
    loop = EventLoopScheduler()
    loop.dispose()
    machine.microphone().subscribe(print, scheduler=loop)
    machine.run()
    assert machine.input.closed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": True}, "microphone device must be None for the default device, an index"),
        ({"device": -1}, "microphone device must be None for the default device, an index"),
        ({"device": " "}, "microphone device must be None for the default device, an index"),
        ({"sample_rate": 0}, "microphone sample_rate must be at least 1 Hz, got 0"),
        ({"block_ms": 0}, "microphone block_ms must be at least 1 ms, got 0"),
        ({"channel": -1}, r"microphone channel must be at least 0 \(a channel's index\), got -1"),
        ({"max_ms": 63}, r"microphone max_ms must be at least 64 ms \(two blocks\), got 63"),
        ({"overflow": "block"}, "microphone overflow must be one of 'drop_oldest', 'drop_newest'"),
    ],
)
def test_a_bad_argument_raises_at_once(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sources.microphone(**arguments)  # type: ignore[arg-type]


# The callback


def ring(*, slots: int = 8, frames: int = 512, keep_oldest: bool = False) -> Ring:
    wake = threading.Lock()
    wake.acquire()
    return Ring(
        slots=slots,
        frames=frames,
        frame_bytes=4,
        keep_oldest=keep_oldest,
        wake=wake,
        clock=lambda: 0.0,
    )


@pytest.mark.parametrize("keep_oldest", [False, True])
def test_callbacks_leave_no_object_behind(keep_oldest: bool) -> None:
    kept = ring(keep_oldest=keep_oldest)
    data = memoryview(np.zeros(512, np.float32)).cast("B")
    time, status = Info(1.5, 2.5), Flags()

    def call(times: int) -> None:
        for _ in range(times):
            kept.callback(data, 512, time, status)

    call(1000)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before, blocks = tracemalloc.take_snapshot(), sys.getallocatedblocks()
        collected = gc.get_count()[0]
        call(20_000)
        assert gc.get_count()[0] - collected < 50  # nothing for the collector to look through
        assert sys.getallocatedblocks() - blocks < 500
        grown = tracemalloc.take_snapshot().compare_to(before, "filename")
    finally:
        tracemalloc.stop()
        gc.enable()
    here = [it for it in grown if it.traceback[0].filename.endswith("_ring.py")]
    assert sum(it.size_diff for it in here) < 1024


def test_the_callback_takes_no_lock_and_never_raises() -> None:
    kept = ring()
    block = np.ones(512, np.float32).tobytes()
    for data in (block, block[:100], block + block, b""):
        kept.callback(data, len(data) // 4, Info(0, 0), Flags(True))
    assert [len(it.data) for it in iter(kept.take, None)] == [2048, 100, 2048, 0]
    assert kept.captured == 512 + 25 + 1024


def test_what_is_overwritten_while_it_is_read_is_thrown_away() -> None:
    kept = ring(slots=3)
    blocks: list[NDArray[np.float32]] = [np.full(512, i, np.float32) for i in range(12)]

    def write(count: int) -> None:
        for _ in range(count):
            block = blocks[kept.captured // 512]
            kept.callback(block.tobytes(), 512, Info(0, 0), Flags())

    class Slow:
        """A slot during whose copy the device goes on."""

        def __init__(self, view: memoryview) -> None:
            self.view, self.slow = view, True

        def __getitem__(self, at: slice) -> memoryview:
            if self.slow:
                self.slow = False
                write(4)
            return self.view[at]

        def __setitem__(self, at: slice, data: bytes) -> None:
            self.view[at] = data

    write(2)
    kept._views[0] = Slow(kept._views[0])  # type: ignore[call-overload]
    taken = list(iter(kept.take, None))
    for it in taken:
        np.testing.assert_array_equal(np.frombuffer(it.data, np.float32), it.start / 512)
    assert [it.start // 512 for it in taken] == [3, 4, 5]


def test_a_flag_of_a_block_that_was_dropped_is_kept_for_the_next() -> None:
    kept = ring(slots=2, keep_oldest=True)
    block = np.ones(512, np.float32).tobytes()
    for overflow in (False, False, True):
        kept.callback(block, 512, Info(0, 0), Flags(overflow))
    assert [it.overflow for it in iter(kept.take, None)] == [False, False]
    kept.callback(block, 512, Info(0, 0), Flags())
    [after] = iter(kept.take, None)
    assert after.overflow
    assert after.start == 3 * 512


def test_a_writer_and_a_reader_on_two_threads_account_for_every_sample() -> None:
    kept = ring(slots=4, frames=64)
    count = 20_000

    def write() -> None:
        for i in range(count):
            kept.callback(np.full(64, i, np.float32).tobytes(), 64, Info(0, 0), Flags())

    writer = threading.Thread(target=write)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    last = -1
    taken = 0
    try:
        writer.start()
        while writer.is_alive() or not kept.is_empty:
            if (block := kept.take()) is not None:
                values = np.frombuffer(block.data, np.float32)
                assert (values == block.start // 64).all()
                assert block.start > last
                last = block.start
                taken += 1
    finally:
        sys.setswitchinterval(before)
        writer.join()
    assert 0 < taken <= count
    assert last == (count - 1) * 64
    assert kept.captured == count * 64
