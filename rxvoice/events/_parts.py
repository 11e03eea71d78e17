"""`LatencyPart`: which part of the pipe the user waited for, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Moment: TypeAlias = Literal[
    "turn_ended", "transcript", "first_token", "first_sentence", "first_audio", "first_heard"
]
"""The moments of a turn, in their order."""

OWNERS: Mapping[Moment, str] = {
    "turn_ended": "end-of-turn policy",
    "transcript": "recogniser",
    "first_token": "text model",
    "first_sentence": "sentence cutting",
    "first_audio": "voice",
    "first_heard": "loudspeaker",
}
"""Who is waited for until each moment, from the one before it."""


@dataclass(frozen=True, slots=True)
class LatencyPart:
    """A part of the time that the user waited for a reply.

    Args:
        name: the moment that ends the part. It begins where the part before it ends.
        ms: how long it took, in milliseconds.
        owner: who was waited for. If the moments before this one are unknown, the part has their
            owners too, with a comma between them.
    """

    name: Moment
    ms: float
    owner: str


def parts_of(moments: Mapping[Moment, float | None]) -> tuple[LatencyPart, ...]:
    """The parts between the moments, which are in milliseconds from the end of the user's speech.

    Their sum is the last moment that is known: ``first_heard``, if it came. A moment that came
    before the one in front of it, as in a reply that began before the turn ended, has a part of 0
    ms. The sum is exact to the microsecond.
    """
    known = [(name, moments.get(name)) for name in OWNERS]
    came = {name: round(1000 * ms) for name, ms in known if ms is not None}
    if not came:
        return ()
    total = came.get("first_heard", max(came.values()))
    found: list[LatencyPart] = []
    owners: list[str] = []
    before = 0
    for name, owner in OWNERS.items():
        owners.append(owner)
        if name in came:
            at = min(max(before, came[name]), total)
            found.append(LatencyPart(name, (at - before) / 1000, ", ".join(owners)))
            owners, before = [], at
    return tuple(found)
