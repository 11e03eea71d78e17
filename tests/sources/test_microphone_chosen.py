"""`sources.microphone` whose device is chosen while it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject
from reactivex.subject import BehaviorSubject
from sources.fake_machine import FakeMachine, chunks, joined, numbered, others
from sources.test_microphone import Turns

from rxvoice.devices import Device
from rxvoice.errors import ConfigError
from rxvoice.events import DeviceChanged, DeviceLost, DeviceRestored, Notice

BUILTIN = Device(0, "built-in", 1, 0, 48_000, True)
USB = Device(1, "usb", 1, 0, 16_000)
STEREO = Device(2, "stereo", 2, 0, 44_100)

Chosen = BehaviorSubject[int | str | None]


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine(BUILTIN, USB, STEREO)


def choose(machine: FakeMachine, chosen: Any, *devices: Any) -> None:
    """Put a choice into the script, and blocks of it after it."""
    for device in devices:
        machine.script.append(lambda device=device: chosen.on_next(device))
        machine.speaks(20)


def test_the_stream_goes_on_with_the_next_device_and_no_sample_of_it_is_lost(
    machine: FakeMachine,
) -> None:
    chosen: Chosen = BehaviorSubject(None)
    machine.speaks(10)
    choose(machine, chosen, "usb")
    began = machine.time - machine.latency
    got = machine.hear(machine.microphone(chosen))
    first, second = machine.inputs
    assert (first.device, second.device) == (BUILTIN, USB)
    assert first.closed
    assert others(got) == [DeviceChanged("microphone", "usb", "built-in")]
    out = joined(got)
    np.testing.assert_array_equal(out[: first.spoken], numbered(0, first.spoken))
    gap = np.flatnonzero(out[first.spoken :])[0]
    np.testing.assert_array_equal(
        out[first.spoken + gap :], numbered(0, second.spoken)[: len(out) - first.spoken - gap]
    )
    # Positions have no hole, and each sample is where its time is.
    assert [it.start for it in chunks(got)] == list(range(0, len(out), 512))
    times = [it.time for it in chunks(got)]
    assert np.all(np.diff(times) > 0)
    np.testing.assert_allclose(times, began + 0.032 * np.arange(len(times)), atol=2e-3)


def test_another_rate_and_more_channels(machine: FakeMachine) -> None:
    machine.refuses = lambda device, form: device is STEREO and form.rate != 44_100
    chosen: Chosen = BehaviorSubject("usb")
    machine.speaks(10)
    choose(machine, chosen, "stereo", "usb")
    got = machine.hear(machine.microphone(chosen))
    assert [it.device for it in machine.inputs] == [USB, STEREO, USB]
    assert machine.inputs[1].form.rate == 44_100
    assert others(got) == [
        DeviceChanged("microphone", "stereo", "usb"),
        DeviceChanged("microphone", "usb", "stereo"),
    ]
    assert {it.sample_rate for it in chunks(got)} == {16_000}
    assert [it.start for it in chunks(got)] == [512 * i for i in range(len(chunks(got)))]


def test_it_waits_for_the_first_choice(machine: FakeMachine) -> None:
    chosen: Subject[int | str | None] = Subject()
    machine.is_silent(3)
    machine.script.append(lambda: chosen.on_next("usb"))
    machine.speaks(3)
    got = machine.hear(machine.microphone(chosen))
    assert [it.device for it in machine.inputs] == [USB]
    assert len(chunks(got)) == 3
    assert chunks(got)[0].start == 0


def test_the_same_device_again_changes_nothing(machine: FakeMachine) -> None:
    chosen: Chosen = BehaviorSubject("usb")
    machine.speaks(3)
    choose(machine, chosen, "usb", 1)
    got = machine.hear(machine.microphone(chosen))
    assert len(machine.inputs) == 1
    assert others(got) == []
    np.testing.assert_array_equal(joined(got), numbered(0, 43 * 512))


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("nope", "there is no microphone 'nope'"),
        (1.5, "microphone device must be None for the default device"),
        ("", "microphone device must be None for the default device"),
    ],
)
def test_one_that_is_not_there_is_told_and_loses_nothing(
    machine: FakeMachine, device: Any, message: str
) -> None:
    chosen: Chosen = BehaviorSubject("usb")
    machine.speaks(3)
    choose(machine, chosen, device)
    got = machine.hear(machine.microphone(chosen))
    (notice,) = others(got)
    assert isinstance(notice, Notice)
    assert notice.message.startswith(f"the microphone stays 'usb': {message}")
    assert isinstance(notice.detail, ConfigError)
    assert notice.stage == "microphone"
    np.testing.assert_array_equal(joined(got), numbered(0, 23 * 512))


def test_a_channel_that_the_next_device_has_not(machine: FakeMachine) -> None:
    chosen: Chosen = BehaviorSubject("stereo")
    machine.speaks(3)
    choose(machine, chosen, "usb")
    got = machine.hear(machine.microphone(chosen, channel=1))
    (notice,) = others(got)
    assert isinstance(notice, Notice)
    assert "microphone channel must be from 0 to 0, of the device 'usb', got 1" in notice.message
    assert len(machine.inputs) == 1


def test_one_that_does_not_open_is_told_and_the_one_before_comes_back(
    machine: FakeMachine,
) -> None:
    machine.refuses = lambda device, _: device is USB
    chosen: Chosen = BehaviorSubject("built-in")
    machine.speaks(10)
    choose(machine, chosen, "usb")
    got = machine.hear(machine.microphone(chosen))
    assert [it.device for it in machine.inputs] == [BUILTIN, BUILTIN]
    kinds = [type(it) for it in others(got)]
    assert sorted(kinds, key=str) == sorted([DeviceLost, DeviceRestored, Notice], key=str)
    (notice,) = [it for it in others(got) if isinstance(it, Notice)]
    assert "the microphone 'usb' does not open" in notice.message
    assert [it.start for it in chunks(got)] == [512 * i for i in range(len(chunks(got)))]
    assert len(chunks(got)) >= 30


def test_another_is_chosen_while_the_first_is_gone(machine: FakeMachine) -> None:
    chosen: Chosen = BehaviorSubject("usb")
    machine.speaks(10)

    def unplug() -> None:
        machine.refuses = lambda device, _: device is not STEREO
        machine.input.ring.finish()

    machine.script.append(unplug)
    machine.is_silent(4)
    choose(machine, chosen, "stereo")
    got = machine.hear(machine.microphone(chosen))
    assert [it.device for it in machine.inputs] == [USB, STEREO]
    lost, restored = others(got)
    assert lost == DeviceLost("microphone", "usb", "the sound system ended the stream")
    assert isinstance(restored, DeviceRestored)
    assert restored.device == "stereo"


def test_the_one_that_was_chosen_is_the_one_that_is_looked_for(machine: FakeMachine) -> None:
    chosen: Chosen = BehaviorSubject(None)
    machine.speaks(5)
    choose(machine, chosen, "usb")
    machine.script.append(lambda: machine.input.ring.finish())
    machine.is_silent(30)
    machine.hear(machine.microphone(chosen))
    assert [it.device for it in machine.inputs] == [BUILTIN, USB, USB]


def test_of_several_at_once_the_last_counts(machine: FakeMachine) -> None:
    chosen: Chosen = BehaviorSubject(None)
    machine.speaks(5)

    def waver() -> None:
        for device in ("usb", "nope", "stereo"):
            chosen.on_next(device)

    machine.script.append(waver)
    machine.speaks(5)
    got = machine.hear(machine.microphone(chosen))
    assert [it.device for it in machine.inputs] == [BUILTIN, STEREO]
    assert others(got) == [DeviceChanged("microphone", "stereo", "built-in")]


def test_the_first_that_is_not_there_is_an_error(machine: FakeMachine) -> None:
    (error,) = machine.hear(machine.microphone(rx.of("nope")))
    assert isinstance(error, ConfigError)
    assert machine.inputs == []


def test_no_choice_at_all_is_an_error(machine: FakeMachine) -> None:
    (error,) = machine.hear(machine.microphone(rx.empty()))
    assert str(error) == "microphone was given an observable of devices that named none"


def test_what_the_observable_fails_with_is_the_stream_s_error(machine: FakeMachine) -> None:
    chosen: Chosen = BehaviorSubject("usb")
    machine.speaks(3)
    boom = RuntimeError("x")
    machine.script.append(lambda: chosen.on_error(boom))
    machine.speaks(3)
    got = machine.hear(machine.microphone(chosen))
    assert got[-1] is boom
    assert others(got) == [boom]
    assert machine.input.closed


def test_the_end_of_choices_is_no_end_of_sound(machine: FakeMachine) -> None:
    machine.speaks(5)
    got = machine.hear(machine.microphone(rx.of("usb")))
    assert len(chunks(got)) == 5


def test_after_the_subscription_nobody_listens_to_choices(machine: FakeMachine) -> None:
    chosen: Chosen = BehaviorSubject("usb")
    machine.speaks(2)
    machine.hear(machine.microphone(chosen))
    assert not chosen.observers


def test_on_a_scheduler_it_is_the_same(machine: FakeMachine) -> None:
    got: list[Any] = []
    turns = Turns()
    chosen: Chosen = BehaviorSubject(None)

    def speak_and_run() -> None:
        machine.input.speak()
        turns.run()

    machine.script.extend([speak_and_run] * 5)
    machine.script.append(lambda: chosen.on_next("usb"))
    machine.script.extend([speak_and_run] * 5)
    machine.script.append(lambda: chosen.on_error(RuntimeError("x")))
    source = machine.microphone(chosen)
    machine.subscription = source.subscribe(
        got.append,
        got.append,
        scheduler=turns,  # type: ignore[arg-type]
    )
    machine.run()
    turns.run()
    assert [it.device for it in machine.inputs] == [BUILTIN, USB]
    assert [type(it) for it in others(got)] == [DeviceChanged, RuntimeError]
    assert len(joined(got)) >= 10 * 512
