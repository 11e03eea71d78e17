"""Conversations at random on real threads, recorded and replayed: the same comes out.

``STRESS_SEED=17`` runs one of them, ``STRESS_MANY=500`` so many.
"""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import Any

import interruption_world
import pytest
import reactivex as rx
from interruption_world import Plan, Quick, World, microphone
from reactivex.scheduler import EventLoopScheduler
from test_interruption_stress import Jitter, pushed

import rxvoice as rxv
from rxvoice import operators as vox
from rxvoice.testing import FakeSpeaker, marbles

MANY = int(os.environ.get("STRESS_MANY", "12"))
SEED = os.environ.get("STRESS_SEED")


def plan(seed: int) -> Plan:
    return Plan.roll(seed, turns=(6, 12), longest=25, ms=0.02)


def conversation(world: World, source: Any, presses: Any, worker: Any) -> Any:
    heard = source.pipe(vox.handoff(max_ms=10**9, overflow="fail"))
    return world.pipe(heard, presses, worker, worker, worker).pipe(vox.metrics(sink=world.sink))


def record(seed: int, directory: Path) -> list[Any]:
    """Hold a conversation on threads of the microphone, the app, the models and the speaker."""
    dice = random.Random(f"recorded {seed}")
    speaker = Quick(seed)
    worker = EventLoopScheduler() if dice.random() < 0.8 else None
    world = World(plan(seed), speaker, Jitter(seed, dice.choice([0, 0.0003, 0.001])))
    threads: list[threading.Thread] = []
    over = threading.Event()
    out: list[Any] = []
    wait = Jitter(f"microphone {seed}", 0.0003)
    source = pushed([(1, it) for it in microphone(world.plan.flags)], wait, None, threads)
    presses: list[tuple[int, Any]] = [(1 + ms // 10 % 60, said) for ms, said in world.plan.presses]
    clicks = pushed(presses, Jitter(f"app {seed}", 0.0006), over, threads)
    live = rxv.live(conversation(world, source, clicks, worker), trace=directory)
    try:
        live.run(out.append)
    finally:
        over.set()
        speaker.stop()
        if worker is not None:
            worker.dispose()
        for thread in threads:
            thread.join(60)
    return out


def replay(seed: int, directory: Path) -> list[Any]:
    """The same pipe, whose source, app, models and speaker do nothing."""
    world = World(plan(seed), FakeSpeaker(marbles().scheduler, sample_rate=1000))
    again: list[Any] = []
    pipe = conversation(world, rx.throw(OSError("opened")), rx.throw(OSError("followed")), None)
    errors: list[Exception] = []
    rxv.replay(directory, pipe).subscribe(again.append, errors.append)
    if errors:
        raise errors[0]
    return again


@pytest.mark.parametrize("seed", [int(SEED)] if SEED else range(MANY))
def test_the_same_comes_out_again(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption_world, "FULL", 2**15)
    first = record(seed, tmp_path / "trace")
    again = replay(seed, tmp_path / "trace")
    assert len(first) >= 5
    assert [repr(it) for it in again] == [repr(it) for it in first]
