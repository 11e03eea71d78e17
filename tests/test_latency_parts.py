"""The parts of what a user waited for sum to it, whatever is known of the moments."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxvoice.events import LatencyPart, TurnMetrics
from rxvoice.events._parts import OWNERS, Moment
from rxvoice.turn import Turn

TURN = Turn.of(np.zeros(4, np.float32))
NAMES = list(OWNERS)
MS = st.one_of(st.none(), st.integers(-200_000, 20_000_000).map(lambda us: us / 1000))


def of(**moments: float | None) -> tuple[LatencyPart, ...]:
    return TurnMetrics(TURN, **{f"{name}_ms": ms for name, ms in moments.items()}).parts  # type: ignore[arg-type]


def test_each_part_begins_where_the_one_before_it_ends() -> None:
    assert of(
        turn_ended=600,
        transcript=650.5,
        first_token=900,
        first_sentence=950,
        first_audio=1000.25,
        first_heard=1040,
    ) == (
        LatencyPart("turn_ended", 600, "end-of-turn policy"),
        LatencyPart("transcript", 50.5, "recogniser"),
        LatencyPart("first_token", 249.5, "text model"),
        LatencyPart("first_sentence", 50, "sentence cutting"),
        LatencyPart("first_audio", 50.25, "voice"),
        LatencyPart("first_heard", 39.75, "loudspeaker"),
    )


def test_a_moment_that_is_unknown_leaves_its_owner_to_the_next_one() -> None:
    assert of(turn_ended=600, first_audio=1000, first_heard=1040) == (
        LatencyPart("turn_ended", 600, "end-of-turn policy"),
        LatencyPart("first_audio", 400, "recogniser, text model, sentence cutting, voice"),
        LatencyPart("first_heard", 40, "loudspeaker"),
    )


def test_a_reply_that_began_before_the_turn_ended_costs_nothing_after_it() -> None:
    parts = of(turn_ended=600, transcript=200, first_token=300, first_audio=580, first_heard=610)
    assert [(it.name, it.ms) for it in parts] == [
        ("turn_ended", 600),
        ("transcript", 0),
        ("first_token", 0),
        ("first_audio", 0),
        ("first_heard", 10),
    ]


def test_a_reply_that_was_never_heard_has_the_parts_that_came() -> None:
    assert [(it.name, it.ms) for it in of(turn_ended=600, transcript=700)] == [
        ("turn_ended", 600),
        ("transcript", 100),
    ]
    assert of() == ()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries(dict.fromkeys(NAMES, MS)))
def test_the_sum_is_what_the_user_waited(moments: dict[str, float | None]) -> None:
    parts = of(**moments)
    assert [it.name for it in parts] == [name for name in NAMES if moments[name] is not None]
    known = [ms for ms in moments.values() if ms is not None]
    heard = moments["first_heard"]
    waited = heard if heard is not None else max(known, default=0.0)
    assert round(sum(it.ms for it in parts), 3) == waited
    if waited >= 0:
        assert all(it.ms >= 0 for it in parts)
    named = ", ".join(it.owner for it in parts).split(", ") if parts else []
    assert named == list(OWNERS.values())[: len(named)]


@pytest.mark.parametrize("name", NAMES)
def test_every_moment_is_a_field_and_has_an_owner(name: str) -> None:
    assert name in get_args(Moment)
    assert of(**{name: 5}) == (LatencyPart(name, 5, ", ".join(_owners_to(name))),)  # type: ignore[arg-type]


def _owners_to(name: str) -> list[str]:
    return list(OWNERS.values())[: NAMES.index(name) + 1]
