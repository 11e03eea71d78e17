"""When each sample of the microphone was captured, and how each chunk was judged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from rxvoice.trace._judgements import Judgement, judgements
from rxvoice.trace._reading import Trace, TraceLine

_CHUNK_S = 0.032
"""How long a chunk is taken to be when there is only one."""


@dataclass(frozen=True, slots=True)
class CapturedBlock:
    """A block of the first source.

    Args:
        start: where it is in the file, in samples.
        count: its samples.
        rate: Hz.
        time: when it was captured, in seconds since the trace began; if the source gave no time,
            so long before it was delivered as it lasts.
    """

    start: int
    count: int
    rate: int
    time: float


def blocks(trace: Trace) -> Iterator[CapturedBlock]:
    """The blocks of the first source, in order."""
    start = 0
    for line in trace.of("block"):
        count, rate = line.count("n"), line.count("rate")
        if line.count("src") or not count or not rate:
            continue
        yield CapturedBlock(start, count, rate, line.number("time", line.at - count / rate))
        start += count


class CaptureTime:
    """When each sample of the first source was captured, in seconds since the trace began.

    Where the source gave no time, a block was captured when it was delivered.
    """

    def __init__(self, trace: Trace) -> None:
        self.rate = 0
        """Hz of the first source; 0 without a block."""
        self._starts: list[int] = []
        self._times: list[float] = []
        end = 0
        for it in blocks(trace):
            self.rate = self.rate or it.rate
            self._starts.append(it.start)
            self._times.append(it.time)
            end = it.start + it.count
        self.samples = end
        """How many samples were delivered."""

    def of(self, sample: int) -> float:
        """When the sample was captured; the first one after the last, if it is beyond."""
        if not self._starts:
            return 0.0
        at = max(0, bisect_right(self._starts, sample) - 1)
        return self._times[at] + (min(sample, self.samples) - self._starts[at]) / self.rate


@dataclass(slots=True)
class Judged:
    """How the voice activity detector judged each chunk of the microphone.

    Args:
        starts: when each chunk began, in seconds since the trace began.
        ends: when it ended.
        values: the probability that it was speech; 0 and 1 from a detector that says yes or no.
        echoes: whether it was an echo of the loudspeaker.
    """

    starts: list[float] = field(default_factory=list[float])
    ends: list[float] = field(default_factory=list[float])
    values: list[float] = field(default_factory=list[float])
    echoes: list[bool] = field(default_factory=list[bool])

    @classmethod
    def of(cls, trace: Trace, captured: CaptureTime) -> Judged:
        """Find them. A line does not say which chunk it is about: its place does."""
        judged = cls()
        waiting: list[Judgement] = []
        before = captured.of(0)

        def place(samples: int) -> None:
            nonlocal before
            end = max(before, captured.of(samples))
            each = (end - before) / len(waiting) if waiting else 0.0
            for n, it in enumerate(waiting):
                judged.starts.append(before + n * each)
                judged.ends.append(before + (n + 1) * each)
                judged.values.append(_probability(it.line))
                judged.echoes.append(it.echo)
            waiting.clear()
            before = end

        at = 0
        for it in judgements(trace):
            if it.line.samples != at:
                place(at)
                at = it.line.samples
            waiting.append(it)
        place(at)
        return judged

    def chunk_before(self, time: float) -> tuple[float, float]:
        """When the last chunk that ended until then began and ended."""
        at = bisect_right(self.ends, time + 1e-6) - 1
        if at < 0:
            return time - _CHUNK_S, time
        return self.starts[at], self.ends[at]

    def speech_end(self, begin: float, end: float, stop: float) -> float | None:
        """When the last chunk between these times ended that was still speech."""
        at = bisect_right(self.ends, end + 1e-6) - 1
        while at >= 0 and self.ends[at] > begin:
            if self.values[at] >= stop and not self.echoes[at]:
                return self.ends[at]
            at -= 1
        return None


def _probability(line: TraceLine) -> float:
    value = line.fields.get("p")
    if isinstance(value, bool):
        return float(value)
    return min(1.0, max(0.0, line.number("p")))
