"""Hold a conversation, and look at what it did and what it left."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import weakref
from pathlib import Path

from faults.grammar import Cell, Talk
from faults.oracle import check
from faults.world import play

import rxvoice as rxv

__all__ = ["REACHED", "hold"]

REACHED: set[tuple[str, Cell]] = set()
"""The pipe and the cell of each fault that came to pass."""


def hold(talk: Talk) -> None:
    """Hold it in virtual time, to its end; raises where anything is wrong, or is left."""
    threads, files = set(threading.enumerate()), open_files()
    turns = held(talk)
    gc.collect()
    kept = [it() for it in turns]
    assert not any(it is not None for it in kept), f"turns are kept: {kept}"
    # One of another test may end meanwhile.
    assert set(threading.enumerate()) <= threads, "a thread is left"
    assert open_files() == files, "a file is left open"


def held(talk: Talk) -> list[weakref.ref[rxv.Turn]]:
    with tempfile.TemporaryDirectory() as tmp:
        world = play(talk, Path(tmp))
    REACHED.update((talk.pipe, it.cell) for it in world.moments.hit)
    check(world)
    return [weakref.ref(it) for it in world.turns]


def open_files() -> int:
    """How many files are open; 0 where the system does not say."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
