"""``rxvoice replay --sweep``: what each value of a setting would have cost one's own users."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rxvoice.cli._usage import UsageError
from rxvoice.cli._what_if import RecordedTalk, change
from rxvoice.trace._compared import cut_offs, utterances

_MOST = 100
"""Values of a sweep."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """What one value of the setting would have done.

    Args:
        value: of the setting.
        said: utterances of the users, over all traces.
        cut_off: how often a turn would have ended in the middle of one.
        joined: turns that would have had more than one utterance.
        interrupted: replies that would have been interrupted.
        latency_ms: from the end of the user's speech to the first sound of the reply, the median.
        slow_ms: the same, of which a tenth is longer.
    """

    value: float
    said: int
    cut_off: int
    joined: int
    interrupted: int
    latency_ms: float | None
    slow_ms: float | None


def sweep_values(given: str) -> tuple[str, list[float]]:
    """Read what is given as ``NAME=FIRST:LAST:STEP``.

    Raises:
        UsageError: it has another form, or the setting is no number.
    """
    name, _, numbers = given.partition("=")
    try:
        first, last, step = (float(it) for it in numbers.split(":"))
    except ValueError:
        first, last, step = 0.0, 0.0, 0.0
    count = math.floor((last - first) / step + 1e-9) + 1 if step > 0 and math.isfinite(last) else 0
    if not 1 <= count <= _MOST:
        raise UsageError(
            "--sweep wants NAME=FIRST:LAST:STEP with up to "
            f"{_MOST} values, such as silence-ms=200:1600:100, got {given!r}"
        )
    values = [round(first + n * step, 9) for n in range(count)]
    for value in values:
        change(name.strip(), f"{value:g}")
    return name.strip(), values


def sweep(
    recorded: Sequence[RecordedTalk],
    name: str,
    values: Sequence[float],
    also: Mapping[str, object],
    check: Callable[[], None] = lambda: None,
) -> Iterator[SweepPoint]:
    """Hold all conversations again with each value, and with other settings `also`."""
    said = [utterances(it.turns) for it in recorded]
    for value in values:
        changed = {**also, **dict([change(name, f"{value:g}")])}
        cut_off = joined = interrupted = 0
        waited: list[float] = []
        for it, spoken in zip(recorded, said, strict=True):
            turns = [turn for turn in it.with_settings(changed, check).turns if turn.counts]
            check()
            cut_off += cut_offs(spoken, turns)
            interrupted += sum(turn.fate == "interrupted" for turn in turns)
            joined += sum(
                sum(a < turn.speech[1] and b > turn.speech[0] for a, b in spoken) > 1
                for turn in turns
            )
            waited += [turn.latency_ms for turn in turns if turn.latency_ms is not None]
        yield SweepPoint(
            *(value, sum(map(len, said)), cut_off, joined, interrupted),
            statistics.median(waited) if waited else None,
            sorted(waited)[math.ceil(0.9 * len(waited)) - 1] if waited else None,
        )


def as_row(point: SweepPoint | None, name: str) -> str:
    """A line of the table; its head for None."""
    if point is None:
        return (
            f"{name:>14}  {'cut off':>12}  {'joined':>6}  {'interrupted':>11}  {'median':>8}  "
            f"{'9 of 10':>8}"
        )
    share = f"{point.cut_off} ({100 * point.cut_off / max(1, point.said):.0f} %)"
    return (
        f"{point.value:>14g}  {share:>12}  {point.joined:>6}  {point.interrupted:>11}  "
        f"{_seconds(point.latency_ms):>8}  {_seconds(point.slow_ms):>8}"
    )


def _seconds(ms: float | None) -> str:
    return "-" if ms is None else f"{ms / 1000:.2f} s"
