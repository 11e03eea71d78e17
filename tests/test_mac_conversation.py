"""A conversation on a fake CoreAudio, while devices come and go."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from converse_kit import answered
from fake_coreaudio import Mac, MacDevice
from fake_coreaudio.quick import quick
from interruption_kit import Talk
from reactivex import Subject

import rxvoice as rxv
from rxvoice import Turn, devices, events
from rxvoice.sinks import _loudspeaker

REPLY = "One two. Three four. Five six seven eight nine ten."
"""Ten samples a letter, at 1000 Hz. A block of the device is 32 of them."""


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mac]:
    made = Mac(MacDevice("Mic", inputs=1), MacDevice("Speakers", outputs=2))
    made.install(monkeypatch)
    made.say = lambda count: np.full(count, 0.1, np.float32)
    quick(monkeypatch, watch_s=0.002)
    yield made
    assert made.crimes == []


def until(so: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if so():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came to that")


def interrupted(mac: Mac, blocks: int, *, looks: bool) -> tuple[object, ...]:
    """Interrupt a reply when so many blocks of it were heard.

    Args:
        mac: whose loudspeaker says it.
        blocks: how many.
        looks: whether PortAudio looks for devices when the last of them was taken and not heard.

    Returns:
        What was told to be heard, the history, and how many samples were heard.
    """
    llm, got = Talk(REPLY), list[Any]()
    source, stop = Subject[Any](), Subject[Any]()
    with rxv.speaker(start_buffer_ms=0) as sink:
        source.pipe(answered(sink, llm, interrupts=stop)).subscribe(got.append)
        source.on_next(Turn.of(np.zeros(512, np.float32), id=1))
        stream = mac.last("output")
        stream.io(blocks - 1)
        if looks:
            stream.delay = 1000.0
            stream.io()
            assert sink.position == 32 * (blocks - 1)
            mac.plug(MacDevice("Headphones", outputs=2))
            assert devices.look_again()
            until(lambda: mac.last("output") is not stream and mac.last("output").is_running)
        mac.last("output").io()
        stop.on_next(None)
        until(lambda: any(isinstance(it, events.Interrupted) for it in got))
        heard = [it.heard for it in got if isinstance(it, events.Interrupted)]
        mac.last("output").io()
        return heard, llm.history, sink.position, sink.written


@pytest.mark.parametrize("blocks", [1, 3, 7])
def test_what_was_heard_of_a_reply_is_as_true_as_if_portaudio_had_not_looked(
    mac: Mac, blocks: int
) -> None:
    undisturbed = interrupted(mac, blocks, looks=False)
    assert undisturbed[2] == 32 * blocks + 5  # and a fade
    assert interrupted(mac, blocks, looks=True) == undisturbed


@pytest.mark.parametrize("seed", range(4))
def test_no_sample_is_lost_or_counted_twice_whatever_comes_and_goes(
    mac: Mac, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(_loudspeaker, "_REST_S", 0.02)
    rng = random.Random(seed)
    away = [
        [MacDevice("USB", inputs=1, outputs=2, transport="usb ")],
        [
            MacDevice("AirPods", inputs=1, transport="blue"),
            MacDevice("AirPods", outputs=2, transport="blue"),
        ],
    ]
    here: list[str] = []
    got, written, cleared = list[Any](), 0, 0
    with mac.running(0.0005), rxv.speaker(start_buffer_ms=0) as sink:
        life = rxv.microphone().subscribe(got.append, got.append)
        sink.set_sample_rate(48_000)
        for _ in range(40):
            match rng.choice(["write"] * 3 + ["plug", "unplug", "choose", "rate", "look", "clear"]):
                case "write":
                    count = rng.randrange(1, 6_000)
                    sink.write_samples(np.full(count, 0.25, np.float32))
                    written += count
                case "plug" if away:
                    both = away.pop(rng.randrange(len(away)))
                    here.append(both[0].name)
                    for it in both:
                        mac.plug(it)
                case "unplug" if here:
                    name = here.pop(rng.randrange(len(here)))
                    mac.dies_silently = rng.random() < 0.5
                    old = [it for it in mac.devices if it.name == name]
                    mac.unplug(name)
                    away.append(
                        [
                            MacDevice(it.name, it.inputs, it.outputs, 48_000, it.transport)
                            for it in old
                        ]
                    )
                case "choose":
                    kind = rng.choice(["input", "output"])
                    mac.choose(
                        kind, rng.choice([it for it in mac.devices if getattr(it, f"{kind}s")])
                    )
                case "rate":
                    mac.change_rate("Speakers", rng.choice([44_100, 48_000]))
                case "look":
                    devices.look_again()
                case "clear":
                    cleared += len(sink.clear())
            threading.Event().wait(rng.random() / 200)
        sink.flush()
        assert sink.position == sink.written == written - cleared
        life.dispose()
    until(lambda: not devices.is_open())
    assert not [it for it in got if isinstance(it, Exception)]
    starts = [it.start for it in got if isinstance(it, rxv.AudioChunk)]
    assert starts == [512 * i for i in range(len(starts))]


ENDS = """
import atexit
from fake_coreaudio import Mac
import pytest
mac = Mac()
mac.install(pytest.MonkeyPatch())
atexit.register(lambda: print([it.closed for it in mac.streams], mac.crimes))  # as sounddevice does
import rxvoice as rxv
running = mac.running()
running.__enter__()
speaker = rxv.speaker()
rxv.microphone().subscribe(lambda _: None)
while len(mac.streams) < 2 or not all(it.calls for it in mac.streams):
    pass
mac.deadlocks = True
"""


@pytest.mark.slow
def test_a_program_that_stops_nothing_ends_all_the_same() -> None:
    here = Path(__file__).parent
    ended = subprocess.run(
        [sys.executable, "-c", ENDS],
        cwd=here.parent,
        env={"PYTHONPATH": f"{here.parent}:{here}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[True, True] []\n", "")
