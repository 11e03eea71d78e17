"""Each part of a `VoiceSession` fails at every moment in every way.

An ordinary run holds some of the conversations; ``RXVOICE_THOROUGH=1`` comes to each, and draws
thousands.
"""

from __future__ import annotations

import gc
import weakref

import pytest
from faults.grammar import STEPPED, Cell, Talk, conversations, fitting
from faults.session import check_steps, play_in_steps
from hypothesis import HealthCheck, given, settings
from thorough import THOROUGH, some

pytestmark = pytest.mark.timeout(3_000 if THOROUGH else 120)


def hold(talk: Talk) -> set[Cell]:
    """Hold it; raises where anything is wrong or is left. Returns the cells that it came to."""
    world = play_in_steps(talk)
    check_steps(world)
    hit = {it.cell for it in world.moments.hit}
    sessions = [weakref.ref(it) for it in (world.mouth, world.ear)]
    del world
    gc.collect()
    assert not any(it() is not None for it in sessions), "the session is kept"
    return hit


def test_every_stage_moment_and_way() -> None:
    cells = some(sorted(STEPPED), 40)
    never = [cell for cell in cells if cell not in hold(fitting(cell, pipe="session"))]
    assert not never, f"these never came to pass: {never}"


@given(conversations("session"))
@settings(
    max_examples=2_000 if THOROUGH else 25,
    deadline=None,
    derandomize=not THOROUGH,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
def test_any_session(talk: Talk) -> None:
    hold(talk)
