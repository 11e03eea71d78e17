"""Scores of end-of-turn policies: false cut-offs against latency, at every silence of a turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, cast

from reactivex import Observable

import rxvoice as rxv
from rxvoice.policies import fresh
from rxvoice.slots import PolicySlot

RATE = 16_000
STEP_MS = 20
"""A policy is asked after each so many milliseconds of silence."""
LEAST_MS = 100
"""A shorter silence is no decision."""
PATIENCE_MS = 4000
"""The silence after a turn. A policy that has not ended the turn by then counts with this."""


@dataclass(frozen=True)
class Example:
    """A turn of a user.

    Args:
        id: names it.
        audio: float32 at 16 kHz.
        silences: start and end of each silence in seconds. The last one is the end of the turn.
        speaker: whose turn it is: a policy that learns does so from all turns of a speaker.
        language: such as "en".
    """

    id: str
    audio: rxv.Samples
    silences: Sequence[tuple[float, float]]
    speaker: str = ""
    language: str = "en"


@dataclass(frozen=True)
class Score:
    """What a policy does with all silences.

    Args:
        policy: its name, such as "silence".
        setting: its arguments.
        cut: the share of the pauses within turns at which it ends the turn, 0 to 1.
        mean_ms: from the end of the user's speech to the end of the turn, over all turns.
        p50_ms: the median of the same.
        pauses: how many pauses there were.
        ends: how many turns.
    """

    policy: str
    setting: str
    cut: float
    mean_ms: float
    p50_ms: float
    pauses: int
    ends: int


def score(name: str, setting: str, policy: PolicySlot, examples: Iterable[Example]) -> Score:
    """Ask the policy at each silence of 100 ms or more, with the audio until then and no more.

    Each silence counts by itself: a turn that a policy ends too early goes on nevertheless.

    Raises:
        ValueError: there is no pause, or no turn.
    """
    cuts: list[bool] = []
    waits: list[int] = []
    own: dict[str, PolicySlot] = {}
    for example in examples:
        mine = own.setdefault(example.speaker, fresh(policy))
        *pauses, (end, _) = example.silences
        for start, stop in pauses:
            lasts = round((stop - start) * 1000)
            if lasts < LEAST_MS:
                continue
            cuts.append(ended_after(mine, example.audio, start, lasts) is not None)
            tell = getattr(mine, "user_spoke_again", None)
            if callable(tell):
                tell(lasts)
        waited = ended_after(mine, example.audio, end, PATIENCE_MS)
        waits.append(PATIENCE_MS if waited is None else waited)
    if not cuts or not waits:
        raise ValueError(f"wanted pauses and ends of turns, got {len(cuts)} and {len(waits)}")
    cut = sum(cuts) / len(cuts)
    return Score(name, setting, cut, fmean(waits), median(waits), len(cuts), len(waits))


def ended_after(policy: PolicySlot, audio: rxv.Samples, start: float, lasts: int) -> int | None:
    """The milliseconds of silence after which the policy ends the turn; None if it does not."""
    ask: Any = getattr(policy, "user_finished", policy)
    for silence_ms in range(STEP_MS, lasts + 1, STEP_MS):
        until = round(start * RATE) + silence_ms * RATE // 1000
        if _yes(ask(audio[:until], silence_ms)):
            return silence_ms
    return None


def quickest(scores: Iterable[Score], budget: float) -> Score | None:
    """The score with the least mean latency of those with at most so many cut-offs."""
    within = [it for it in scores if it.cut <= budget]
    return min(within, key=lambda it: (it.mean_ms, it.cut), default=None)


def safest(scores: Iterable[Score], mean_ms: float) -> Score | None:
    """The score with the fewest cut-offs of those with at most this mean latency."""
    within = [it for it in scores if it.mean_ms <= mean_ms]
    return min(within, key=lambda it: (it.cut, it.mean_ms), default=None)


def _yes(answer: object) -> bool:
    if not isinstance(answer, Observable):
        return bool(answer)
    given: list[bool] = []
    errors: list[Exception] = []
    cast("Observable[bool]", answer).subscribe(given.append, errors.append)
    if errors:
        raise errors[0]
    return any(given)
