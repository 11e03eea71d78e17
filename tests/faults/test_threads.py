"""Parts fail on real threads: those of an app, with the models' thread and its lanes.

An ordinary run holds a few of the conversations; ``RXVOICE_THOROUGH=1`` comes to each cell that
virtual time has, those that need threads, and conversations that are drawn.
"""

from __future__ import annotations

import gc
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faults.grammar import CELLS, THREADED, Cell, Talk, conversations, fitting
from faults.oracle import check
from faults.run import open_files
from faults.threads import play_on_threads
from faults.tracing import check_trace
from hypothesis import HealthCheck, given, settings
from thorough import THOROUGH, some

import rxvoice as rxv
from rxvoice.mlx import MlxScheduler

LASTING = ("rxvoice-timers", "rxvoice-async", "models")
"""Threads that the process, or all these tests, have in common."""

pytestmark = pytest.mark.timeout(3_000 if THOROUGH else 120)


@pytest.fixture(scope="module")
def models() -> Iterator[MlxScheduler]:
    with MlxScheduler("models", stuck_ms=None) as models:
        yield models


def hold(talk: Talk, models: MlxScheduler) -> set[Cell]:
    """Hold it, look at what it did and left, and say which cells it came to."""
    threads = set(threading.enumerate())
    files = open_files()
    turns, hit = held(talk, models)
    for thread in set(threading.enumerate()) - threads:
        if not thread.name.startswith(LASTING):
            thread.join(60)
            assert not thread.is_alive(), f"{thread} is left"
    gc.collect()
    kept = [it() for it in turns]
    assert not any(it is not None for it in kept), f"turns are kept: {kept}"
    assert open_files() <= files + 3, "files are left open"  # a loop of asyncio has three
    return hit


def held(talk: Talk, models: MlxScheduler) -> tuple[list[weakref.ref[rxv.Turn]], set[Cell]]:
    with tempfile.TemporaryDirectory() as tmp:
        world = play_on_threads(talk, models, Path(tmp))
        check(world)
        check_trace(world)
    return [weakref.ref(it) for it in world.turns], {it.cell for it in world.moments.hit}


def test_what_needs_threads(models: MlxScheduler) -> None:
    """Answers from an event loop, and calls that do not return."""
    never: list[Cell] = []
    for cell in some(sorted(THREADED), 9):
        if cell not in hold(fitting(cell), models):
            never.append(cell)
    assert not never, f"these never came to pass: {never}"


def test_the_same_faults_as_in_virtual_time(models: MlxScheduler) -> None:
    """When the user speaks over a reply is up to the threads: most of it comes to pass.

    Every second one is recorded.
    """
    cells = some(sorted(CELLS), 9)
    talks = [fitting(cell) for cell in cells]
    talks[::2] = [replace(it, parts=it.parts | {"trace"}) for it in talks[::2]]
    held = zip(cells, talks, strict=True)
    reached = [cell for cell, talk in held if cell in hold(talk, models)]
    assert len(reached) > len(cells) * 2 / 3, f"only these came to pass: {reached}"


@pytest.mark.skipif(not THOROUGH, reason="takes minutes: RXVOICE_THOROUGH=1")
def test_any_conversation(models: MlxScheduler) -> None:
    @given(conversations(most_faults=2, traced=True))
    @settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def any_conversation(talk: Talk) -> None:
        hold(talk, models)

    any_conversation()
