"""A conversation through the virtual devices for a quarter of an hour, in which much goes wrong.

``RXVOICE_SOAK_S`` says how long; a thorough run takes 900 s, any other one a few. Models cost
nothing here: devices, threads and queues are tested.
"""

from __future__ import annotations

import os
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from devices.virtual_audio import VirtualAudio
from machine.soak_books import CHUNK, MOST_MS, PREROLL_MS, RATE, SILENCE_MS, Memory, Oracle
from reactivex import Subject
from reactivex import operators as ops
from reactivex.scheduler import EventLoopScheduler
from thorough import THOROUGH

import rxvoice as rxv
from rxvoice import devices, events
from rxvoice import operators as vox
from rxvoice.chunks import AudioChunk

SECONDS = float(os.environ.get("RXVOICE_SOAK_S", "900" if THOROUGH else "4"))
PATIENCE_S = 20.0
VOICE_RATE = 24_000

pytestmark = [pytest.mark.devices, pytest.mark.timeout(SECONDS + 280)]


class World:
    """The conversation, and what is counted of it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.ticks: queue.Queue[int] = queue.Queue()
        self.told: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.oracle = Oracle()
        self.in_turns = self.samples = self.lost = 0
        self.open = 0
        self.app: Subject[Any] = Subject()
        self._models = threading.Lock()
        self._workers = [EventLoopScheduler() for _ in range(3)]

    def pipe(self, speaker: Any) -> Any:
        ear, writer, voice = self._workers
        return (
            rxv.microphone()
            .pipe(
                ops.do_action(self._hear),
                vox.chunk(CHUNK),
                vox.vad(lambda it: bool(np.abs(it).mean() > 0.02)),
                ops.do_action(self.oracle.hear),
                vox.preroll(PREROLL_MS),
                vox.turn_window(rxv.silence(SILENCE_MS), max_duration_ms=MOST_MS),
                ops.do_action(self._opened),
            )
            .pipe(
                vox.converse(
                    vox.transcribe(self._transcribe, worker=ear),
                    vox.respond(self._respond, worker=writer),
                    vox.synthesize(self._speak, worker=voice),
                    sink=speaker,
                    interrupts=self.app,
                    own_words=False,
                ),
                vox.metrics(sink=speaker),
            )
        )

    def close(self) -> None:
        for it in self._workers:
            it.dispose()

    # The models, which fail now and then

    def _fails(self, chance: float) -> None:
        with self._models:
            if self.dice.random() < chance:
                raise OSError("a model")

    def _transcribe(self, audio: Any) -> str:
        self._fails(0.05)
        return "hello there" if len(audio) > RATE // 2 else ""

    def _respond(self, text: str) -> Iterator[str]:
        self.open += 1
        try:
            for n in range(6):
                self._fails(0.01)
                yield f"Sentence {n}. "
        finally:
            self.open -= 1

    def _speak(self, text: str) -> Iterator[Any]:
        self._fails(0.01)
        for _ in range(4):
            yield np.full(VOICE_RATE // 8, 0.1, np.float32)

    # What comes

    def _hear(self, element: object) -> None:
        if isinstance(element, AudioChunk):
            if element.start != self.samples:
                self.wrong.append(f"a chunk at {element.start}, not at {self.samples}")
            self.samples = element.start + len(element.samples)
            self.ticks.put(len(element.samples))

    def _opened(self, turn: object) -> None:
        if isinstance(turn, rxv.Turn):
            turn.subscribe(on_completed=lambda: self._compare(turn))

    def _compare(self, turn: rxv.Turn) -> None:
        wanted = self.oracle.turns.popleft() if self.oracle.turns else None
        self.in_turns += len(turn.audio)
        if wanted is None or not np.array_equal(turn.audio, wanted):
            self.wrong.append(f"turn {turn.id} has other samples")

    def take(self, element: object) -> None:
        self.told[type(element).__name__] += 1
        if isinstance(element, events.AudioLost):
            self.lost += element.samples

    def fail(self, error: Exception) -> None:
        self.wrong.append(f"it ended with {error!r}")
        self.ticks.put(0)

    def pass_time(self, seconds: float) -> None:
        """Wait until so much of the microphone has come. There is silence where there is none."""
        left = seconds * RATE
        while left > 0 and not self.wrong:
            left -= self.ticks.get(timeout=PATIENCE_S)


def act(world: World, audio: VirtualAudio, players: list[Any]) -> None:
    """Something happens."""
    dice = world.dice
    chance = dice.random()
    if chance < 0.05:
        kind = dice.choice(["microphone", "speaker"])
        audio.unplug(kind)
        try:
            world.pass_time(dice.uniform(0.3, 2.5))
        finally:
            audio.plug(kind)
    elif chance < 0.15:
        world.app.on_next(dice.choice([None, "typed words"]))
    else:
        noise = np.random.default_rng(dice.randrange(99)).uniform(-0.4, 0.4, RATE * 2)
        count = int(RATE * dice.uniform(0.2, 2))
        players.append(audio.say(noise[:count].astype(np.float32), RATE))
    while players and players[0].poll() is not None:
        audio._children.remove(players.pop(0))
    world.pass_time(dice.uniform(0.5, 4))


def test_all_sound_is_accounted_for_and_nothing_grows(
    audio: VirtualAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_LATENCY_MSEC", "100")
    before = {*threading.enumerate()}
    world = World(1)
    players: list[Any] = []
    looks: list[Memory] = []
    every = max(SECONDS / 15, 1.0)
    with rxv.speaker() as speaker:
        life = rxv.live(world.pipe(speaker)).subscribe(world.take, world.fail)
        begun = time.monotonic()
        try:
            while (passed := time.monotonic() - begun) < SECONDS and not world.wrong:
                if passed >= every * len(looks):
                    looks.append(Memory.now(passed / 3600))
                    print(f"{passed:.0f} s: {looks[-1].mb:.0f} MB, {sum(world.told.values())}")
                act(world, audio, players)
        finally:
            life.dispose()
            world.close()
    looks.append(Memory.now(SECONDS / 3600))
    print(world.told, f"{world.samples} samples, {world.in_turns} in turns, {world.lost} lost")
    for thread in {*threading.enumerate()} - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), thread.name
    assert world.wrong == []
    oracle = world.oracle
    # At most one chunk is on its way, and less than one is not yet whole.
    assert 0 <= world.samples - oracle.judged < 2 * CHUNK
    assert oracle.judged == world.in_turns + oracle.idle + oracle.in_open_turn
    assert not devices.is_open()
    assert world.open == 0
    assert world.told["TurnOpened"] > SECONDS / 60
    if SECONDS >= 300:  # it has settled
        third = looks[len(looks) // 3]
        assert looks[-2].grown(third, least=400) == {}
        assert looks[-2].mb < 1.1 * third.mb
