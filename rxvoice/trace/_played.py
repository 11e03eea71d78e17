"""What the loudspeaker played when, from what it answered."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rxvoice.trace._reading import Trace, TraceLine, is_count
from rxvoice.trace._story import StoryPlayed

_PAUSE_S = 0.04
"""Silence between two answers of the sink that is not the time between them."""
_SEARCHED = 500
"""Pieces that are looked through for the one that was written."""


@dataclass(slots=True)
class _Piece:
    """Sound of a voice that is still to be written."""

    turn: int
    voice: int
    at: int
    left: int
    rate: int


@dataclass(slots=True)
class _SinkSamples:
    """Sound that the sink took: its samples from `start` on, as the sink counts."""

    piece: _Piece
    start: int
    count: int


class _Sink:
    """Follows what was written and what was heard."""

    def __init__(self) -> None:
        self.waiting: deque[_Piece] = deque()
        self.written: list[_SinkSamples] = []
        self.unheard: list[tuple[float, _SinkSamples]] = []
        self.taken = 0
        self.times: list[float] = []
        self.positions: list[int] = []

    def write(self, given: int, taken: int) -> None:
        for n, piece in enumerate(self.waiting):
            if n == _SEARCHED:
                break
            if piece.left == given:
                for _ in range(n):  # these were never written
                    self.waiting.popleft()
                break
        if not self.waiting or not taken:
            return
        piece = self.waiting[0]
        taken = min(taken, piece.left)
        part = _Piece(piece.turn, piece.voice, piece.at, taken, piece.rate)
        self.written.append(_SinkSamples(part, self.taken, taken))
        self.taken += taken
        piece.at += taken
        piece.left -= taken
        if not piece.left:
            self.waiting.popleft()

    def clear(self, dropped: int, time: float) -> None:
        self.waiting.clear()
        lost: list[_SinkSamples] = []
        while self.written and dropped > 0:
            last = self.written.pop()
            cut = min(dropped, last.count)
            dropped -= cut
            self.taken -= cut
            it, kept = last.piece, last.count - cut
            if kept:
                first = _Piece(it.turn, it.voice, it.at, kept, it.rate)
                self.written.append(_SinkSamples(first, last.start, kept))
            rest = _Piece(it.turn, it.voice, it.at + kept, cut, it.rate)
            lost.append(_SinkSamples(rest, last.start + kept, cut))
        self.unheard += [(time, it) for it in reversed(lost)]

    def at(self, position: int, time: float) -> None:
        if not self.positions or position > self.positions[-1]:
            self.times.append(time)
            self.positions.append(position)
        elif position == self.positions[-1] and self._stands:
            self.times[-1] = time  # nothing was heard since
        elif position == self.positions[-1]:
            self.times.append(time)
            self.positions.append(position)

    @property
    def _stands(self) -> bool:
        return len(self.positions) > 1 and self.positions[-1] == self.positions[-2]

    def heard_at(self, position: int, rate: int) -> tuple[float, float] | None:
        """The earliest and latest time when so many samples were heard; None if they never were.

        Between two answers of the sink, silence may come before the sound or after it.
        """
        after = bisect_left(self.positions, position)
        if after == len(self.positions):
            return None
        late = self.times[after] - (self.positions[after] - position) / rate
        if not after:
            return late, late
        early = self.times[after - 1] + (position - self.positions[after - 1]) / rate
        late = max(late, self.times[after - 1])
        return min(early, late), late


def played(trace: Trace) -> list[StoryPlayed]:
    """What was heard, and what was made and never heard, in the order of the times."""
    sink = _Sink()
    turns: dict[int, int] = {}
    for line in trace.lines:
        if line.kind == "ask":
            turns[line.count("id")] = _turn_of(line)
        elif line.kind == "piece":
            sink.waiting += _sounds(line, turns)
        elif line.kind == "sink":
            _follow(sink, line)
        elif line.kind == "in" and line.text("name") == "played":
            sink.at(line.count("v"), line.at)
    return sorted([*_heard(sink), *_unheard(sink)], key=lambda it: it.start)


def _turn_of(line: TraceLine) -> int:
    value = line.fields.get("turn")
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _sounds(line: TraceLine, turns: dict[int, int]) -> Iterator[_Piece]:
    v = line.table("v")
    count, rate = v.get("n"), v.get("rate")
    if not is_count(count) or not is_count(rate) or not count or not rate:
        return
    voice, at = v.get("voice", 1), v.get("at", 0)
    if is_count(voice) and is_count(at):
        yield _Piece(turns.get(line.count("id"), 0), voice, at, count, rate)


def _follow(sink: _Sink, line: TraceLine) -> None:
    match line.text("m"):
        case "write_samples":
            sink.write(line.count("n"), line.count("v"))
        case "clear":
            sink.clear(line.count("v"), line.at)
        case "position":
            sink.at(line.count("v"), line.at)
        case _:
            pass


def _heard(sink: _Sink) -> Iterator[StoryPlayed]:
    for whole in sink.written:
        for it in _unbroken(sink, whole):
            piece = it.piece
            begin = sink.heard_at(it.start + 1, piece.rate)
            end = sink.heard_at(it.start + it.count, piece.rate)
            if begin is None or end is None:  # the trace ends before
                at = sink.times[-1] if sink.times else 0.0
                yield _played(piece, at, it.count, heard=False)
                continue
            start = begin[1]
            least = start + 0.9 * it.count / piece.rate
            until = end[0] if end[0] >= least else end[1]
            yield _played(piece, start, it.count, heard=True, end=until)


def _unbroken(sink: _Sink, it: _SinkSamples) -> Iterator[_SinkSamples]:
    """The sound in parts that were heard without a pause, and the part that was never heard."""
    positions, times, rate = sink.positions, sink.times, it.piece.rate
    cuts = [it.start]
    first = bisect_right(positions, it.start)
    for n in range(first, bisect_left(positions, it.start + it.count)):
        after = n + 1
        silence = 0.0
        if after < len(positions):
            silence = times[after] - times[n] - (positions[after] - positions[n]) / rate
        if silence > _PAUSE_S or after == len(positions):
            cuts.append(positions[n])
    for start, end in pairwise([*dict.fromkeys(cuts), it.start + it.count]):
        skipped, count = start - it.start, end - start
        piece = _Piece(it.piece.turn, it.piece.voice, it.piece.at + skipped, count, rate)
        yield _SinkSamples(piece, start, count)


def _unheard(sink: _Sink) -> Iterator[StoryPlayed]:
    time, until = -1.0, 0.0
    for cleared, it in sink.unheard:
        time, until = (time, until) if cleared == time else (cleared, cleared)
        yield _played(it.piece, until, it.count, heard=False)
        until += it.count / it.piece.rate


def _played(
    piece: _Piece, start: float, count: int, *, heard: bool, end: float | None = None
) -> StoryPlayed:
    until = start + count / piece.rate if end is None else max(start, end)
    return StoryPlayed(start, until, heard, piece.turn, piece.voice, piece.at, count)
