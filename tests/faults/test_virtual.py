"""Every part fails at every moment in every way, in virtual time.

An ordinary run holds some of the conversations, and comes to each moment of each stage and to each
way of each stage. ``RXVOICE_THOROUGH=1`` comes to every cell, and draws thousands of conversations.
"""

from __future__ import annotations

import pytest
from faults.grammar import ANSWERING, CELLS, PLAIN, Cell, Talk, conversations, fitting
from faults.run import REACHED, hold
from hypothesis import HealthCheck, given, settings
from thorough import THOROUGH

examples = settings(
    max_examples=2_000 if THOROUGH else 25,
    deadline=None,
    derandomize=not THOROUGH,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def chosen(cells: frozenset[Cell]) -> list[Cell]:
    """All of them in a thorough run; else each moment and each way of each stage, once or more."""
    if THOROUGH:
        return sorted(cells)
    found: list[Cell] = []
    moments: set[tuple[str, str]] = set()
    ways: set[tuple[str, str]] = set()
    for n, (stage, moment) in enumerate(sorted({cell[:2] for cell in cells})):
        of = sorted(cell for cell in cells if cell[:2] == (stage, moment))
        of = of[n % len(of) :] + of[: n % len(of)]  # not the same way at each moment
        for cell in sorted(of, key=lambda it: (it[0], it[2]) in ways):
            if (stage, moment) not in moments or (stage, cell[2]) not in ways:
                found.append(cell)
                moments.add((stage, moment))
                ways.add((stage, cell[2]))
    return found


@pytest.mark.timeout(3_000 if THOROUGH else 120)
@pytest.mark.parametrize("pipe", ["converse", "plain", "answer"])
def test_every_stage_moment_and_way(pipe: str) -> None:
    """One fault each; and what was never reached is told."""
    cells = chosen({"converse": CELLS, "plain": PLAIN, "answer": ANSWERING}[pipe])
    for cell in cells:
        hold(fitting(cell, pipe=pipe))
    never = [cell for cell in cells if (pipe, cell) not in REACHED]
    assert not never, f"these never came to pass: {never}"


def test_what_is_chosen_has_each_moment_and_each_way_of_each_stage() -> None:
    for cells in (CELLS, PLAIN, ANSWERING):
        found = chosen(cells)
        assert {cell[:2] for cell in found} == {cell[:2] for cell in cells}
        assert {cell[::2] for cell in found} == {cell[::2] for cell in cells}


@pytest.mark.timeout(3_000 if THOROUGH else 120)
@given(conversations())
@examples
def test_any_conversation(talk: Talk) -> None:
    hold(talk)


@pytest.mark.timeout(3_000 if THOROUGH else 120)
@given(conversations("plain"))
@examples
def test_any_plain_pipe(talk: Talk) -> None:
    hold(talk)


@pytest.mark.timeout(3_000 if THOROUGH else 120)
@given(conversations("answer"))
@examples
def test_any_conversation_with_one_model(talk: Talk) -> None:
    hold(talk)
