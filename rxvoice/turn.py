"""`Turn`: what the user says in one go, as a window on the microphone that grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NoReturn, TypeAlias

import numpy as np
from reactivex import Observable, abc
from reactivex.disposable import Disposable

from rxvoice._audio.growing import Growing
from rxvoice._audio.samples import Samples, audio_samples
from rxvoice.chunks import AudioChunk

__all__ = ["EndedBy", "Turn", "TurnWriter", "turn_name"]

EndedBy: TypeAlias = Literal["policy", "max_duration", "source", "app", "discarded"]
"""Why a turn ended. The last two come from ``end`` and ``discard`` of `turn_window`."""


@dataclass(slots=True, eq=False)
class _Record:
    """The state that a turn shares with its writer."""

    id: int
    start: int
    sample_rate: int
    source: str | None
    time: float | None
    keep: Callable[[], abc.DisposableBase]
    barge_in: bool
    samples: Growing = field(default_factory=Growing)
    chunks: list[AudioChunk] = field(default_factory=list[AudioChunk])
    observers: list[abc.ObserverBase[AudioChunk]] = field(
        default_factory=list[abc.ObserverBase[AudioChunk]]
    )
    over: bool = False
    error: Exception | None = None
    ended_by: EndedBy | None = None
    chunks_consumed: int | None = None


class Turn(Observable[AudioChunk]):
    """What the user says in one go: an observable window of `AudioChunk`.

    `turn_window` and `Turn.of` make turns. The chunks, joined, are the turn's `audio`. If there is
    a pre-roll, it is the first chunk, with ``speech=False``.

    As RxPY's own windows do, a turn outlives the subscription that it came from while it has a
    subscriber.

    Emits: the chunks so far, at once, then each chunk as it arrives.
    Completes: when the turn ends. A turn that has ended replays its chunks and completes.
    Errors: with the error that ended the stream or failed the end-of-turn policy; or because the
        subscription that the turn came from was disposed while the turn had no subscriber.
    Runs on: the subscribing thread for the chunks so far; the writing thread for the rest.
    """

    def __init__(self, record: _Record) -> None:
        super().__init__()
        self._record = record

    @classmethod
    def of(
        cls,
        audio: Samples,
        *,
        id: int = 1,
        start: int = 0,
        sample_rate: int = 16_000,
        chunks_consumed: int = 0,
        barge_in: bool = False,
        ended_by: EndedBy = "source",
        source: str | None = None,
        time: float | None = None,
    ) -> Turn:
        """Make a turn that has ended from its whole audio: mono, in [-1, 1]."""
        writer = TurnWriter(id, start, sample_rate, source=source, time=time)
        samples = audio_samples(np.asarray(audio, np.float32))
        writer.append(
            AudioChunk(samples, sample_rate, start, speech=True, barge_in=barge_in, time=time)
        )
        writer.close(ended_by, chunks_consumed)
        return writer.turn

    @property
    def id(self) -> int:
        """The number of the turn in its subscription, from 1. Each `source` counts its own."""
        return self._record.id

    @property
    def source(self) -> str | None:
        """The microphone or person that `turn_window` names as its ``source``, or None."""
        return self._record.source

    @property
    def time(self) -> float | None:
        """When the first sample of `audio` was captured, as `AudioChunk.time`; None if unknown."""
        return self._record.time

    @property
    def start(self) -> int:
        """Index of the first sample of `audio`, counted from the subscription."""
        return self._record.start

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self._record.sample_rate

    @property
    def audio(self) -> Samples:
        """All samples so far, pre-roll first, as a read-only view: nothing is copied."""
        return self._record.samples.view()

    @property
    def ms(self) -> int:
        """Whole milliseconds of `audio`."""
        return len(self._record.samples) * 1000 // self._record.sample_rate

    @property
    def barge_in(self) -> bool:
        """Whether the user has spoken over the assistant in any chunk so far."""
        return self._record.barge_in

    @property
    def is_open(self) -> bool:
        """Whether the turn still grows."""
        return not self._record.over

    @property
    def discarded(self) -> bool:
        """Whether the app has discarded the turn: see ``discard`` of `turn_window`."""
        return self._record.ended_by == "discarded"

    @property
    def ended_by(self) -> EndedBy | None:
        """Why the turn ended. None while it is open, and None if it ended with an error."""
        return self._record.ended_by

    @property
    def chunks_consumed(self) -> int | None:
        """Full chunks from the subscription to the end of the turn. None while the turn is open."""
        return self._record.chunks_consumed

    def keep(self) -> abc.DisposableBase:
        """Keep the turn alive as a subscriber does, until the returned disposable is disposed.

        For code that subscribes later.
        """
        return self._record.keep()

    def __iter__(self) -> NoReturn:
        """Raise TypeError: RxPY's own ``__iter__`` would never end."""
        raise TypeError(
            "a Turn is an observable, not an iterable: turn.subscribe(...) gives its chunks as "
            "they come, and turn.audio all of its samples so far"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Turn):
            return NotImplemented
        return self._key() == other._key() and np.array_equal(self.audio, other.audio)

    def __hash__(self) -> int:
        return hash((self.source, self.id, self.start))

    def __repr__(self) -> str:
        state = "open" if self.is_open else self.ended_by or "failed"
        return f"Turn({turn_name(self)}, {self.ms} ms, {state})"

    def _key(self) -> tuple[object, ...]:
        it = self._record
        return (
            *(it.source, it.id, it.start, it.sample_rate),
            *(it.barge_in, it.ended_by, it.chunks_consumed),
        )

    def _subscribe_core(
        self,
        observer: abc.ObserverBase[AudioChunk],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        record = self._record
        kept = self.keep()

        def leave() -> None:
            with self.lock:
                if observer in record.observers:
                    record.observers.remove(observer)
            kept.dispose()

        seen = 0
        joined = False  # the writer tells the end to those who have joined
        while True:
            with self.lock:
                if seen == len(record.chunks):
                    if not record.over:
                        record.observers.append(observer)
                        joined = True
                    break
                chunk = record.chunks[seen]
            observer.on_next(chunk)
            seen += 1
        if not joined:
            if record.error is None:
                observer.on_completed()
            else:
                observer.on_error(record.error)
        return Disposable(leave)


def turn_name(turn: Turn) -> str:
    """The turn's name in messages, such as ``3`` or ``3 of ann``."""
    return f"{turn.id}" if turn.source is None else f"{turn.id} of {turn.source}"


class TurnWriter:
    """The writing end of a `Turn`.

    Args:
        keep: called for each subscriber; its disposable is disposed when the subscriber leaves.
        barge_in: whether the user speaks over the assistant in the chunk that opens the turn.
        source: see `Turn.source`.
        time: see `Turn.time`.
    """

    def __init__(
        self,
        id: int,
        start: int,
        sample_rate: int,
        *,
        keep: Callable[[], abc.DisposableBase] = Disposable,
        barge_in: bool = False,
        source: str | None = None,
        time: float | None = None,
    ) -> None:
        self._record = _Record(id, start, sample_rate, source, time, keep, barge_in)
        self.turn = Turn(self._record)

    def append(self, chunk: AudioChunk) -> None:
        """Add a chunk and emit it to the subscribers."""
        record = self._record
        with self.turn.lock:
            if record.over:  # another thread has ended it and disposed the source
                return
            record.samples.append(chunk.samples)
            record.chunks.append(chunk)
            if chunk.barge_in:
                record.barge_in = True
            observers = tuple(record.observers)
        for observer in observers:
            observer.on_next(chunk)

    def close(self, ended_by: EndedBy, chunks_consumed: int) -> None:
        """End the turn."""
        for observer in self._end(ended_by=ended_by, chunks_consumed=chunks_consumed):
            observer.on_completed()

    def fail(self, error: Exception) -> None:
        """End the turn with an error."""
        for observer in self._end(error=error):
            observer.on_error(error)

    def _end(
        self,
        *,
        ended_by: EndedBy | None = None,
        chunks_consumed: int | None = None,
        error: Exception | None = None,
    ) -> tuple[abc.ObserverBase[AudioChunk], ...]:
        """End the turn; returns the observers to notify, none if it has already ended."""
        record = self._record
        with self.turn.lock:
            if record.over:
                return ()
            record.over = True
            record.ended_by, record.chunks_consumed = ended_by, chunks_consumed
            record.error = error
            record.keep = Disposable  # a turn kept in a history must not keep its pipe alive
            observers = tuple(record.observers)
            record.observers.clear()
        return observers
