"""The bookkeeping of a soak: which sample belongs where, and what the process holds."""

from __future__ import annotations

import gc
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks._measure import resident_mb
from rxvoice.chunks import AudioChunk

__all__ = ["CHUNK", "MOST_MS", "PREROLL_MS", "RATE", "SILENCE_MS", "Memory", "Oracle", "Soak"]

RATE, CHUNK = 16_000, 1024
PREROLL_MS, SILENCE_MS, MOST_MS = 250, 512, 20_000
PREROLL = RATE * PREROLL_MS // 1000


class Oracle:
    """Which samples belong to which turn, counted as the page of `turn_window` says."""

    def __init__(self) -> None:
        self.turns: deque[Any] = deque()
        """The samples of each turn that is over and was not yet compared."""
        self.idle = self.judged = 0
        self._open: list[Any] | None = None
        self._before: deque[Any] = deque(maxlen=-(-PREROLL // CHUNK))
        self._since = self._length = 0  # samples since the last turn, and of the open one
        self._silence_ms = 0

    @property
    def in_open_turn(self) -> int:
        """Samples of the turn that is open."""
        return 0 if self._open is None else self._length

    def hear(self, chunk: object) -> None:
        """The next chunk, as it was judged."""
        if not isinstance(chunk, AudioChunk):
            return
        samples = chunk.samples
        self.judged += len(samples)
        if chunk.speech and self._open is None:
            lead = np.concatenate([np.empty(0, np.float32), *self._before])
            lead = lead[len(lead) - min(PREROLL, self._since, len(lead)) :]
            self.idle -= len(lead)
            self._open, self._length, self._silence_ms = [lead], len(lead), 0
        if self._open is None:
            self.idle += len(samples)
            self._since += len(samples)
        else:
            self._open.append(samples)
            self._length += len(samples)
            self._silence_ms = 0 if chunk.speech else self._silence_ms + chunk.ms
            if not chunk.partial and (
                self._silence_ms >= SILENCE_MS or self._length * 1000 // RATE >= MOST_MS
            ):
                self.end()
        self._before.append(samples)

    def end(self) -> None:
        """The turn is over."""
        if self._open is not None:
            self.turns.append(np.concatenate(self._open))
            self._open, self._since = None, 0


@dataclass(frozen=True)
class Memory:
    """What the process has at a moment.

    Args:
        hour: of the conversation.
        mb: resident memory.
        objects: how many there are of each type that the garbage collector knows.
        held: how many elements all containers of a type have together.
    """

    hour: float
    mb: float
    objects: Counter[str]
    held: Counter[str]

    @classmethod
    def now(cls, hour: float) -> Memory:
        """Look."""
        gc.collect()
        objects: Counter[str] = Counter()
        held: Counter[str] = Counter()
        for it in gc.get_objects():
            objects[type(it).__name__] += 1
            if type(it) in (dict, list, set, deque, tuple):
                held[type(it).__name__] += len(it)
        return cls(hour, resident_mb(), objects, held)

    def grown(self, before: Memory, least: int = 60, ratio: float = 1.05) -> dict[str, int]:
        """Of which types there are more than before, by more than chance."""
        found: dict[str, int] = {}
        for now, then in ((self.objects, before.objects), (self.held, before.held)):
            for name, count in now.items():
                more = count - then[name]
                if more > max(least, then[name] * (ratio - 1)):
                    found[name] = max(found.get(name, 0), more)
        return found


@dataclass
class Soak:
    """What was counted.

    Args:
        given: samples of the microphone.
        in_turns: samples of all turns.
        idle: samples outside of turns.
        dropped: samples that the queue dropped.
        told: how often each event came.
        memory: once in an hour.
        wrong: what must not be.
    """

    given: int = 0
    in_turns: int = 0
    idle: int = 0
    dropped: int = 0
    told: Counter[str] = field(default_factory=Counter)
    memory: list[Memory] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    most_alive: int = 0
    most_words: int = 0
    hung: int = 0
    recordings: int = 0
