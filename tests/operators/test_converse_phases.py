"""The phases of a conversation are those of the table in its engine's documentation."""

from __future__ import annotations

from typing import Any

import pytest
from interruption_kit import random_scene
from thorough import THOROUGH

from rxvoice.operators import _conversation
from rxvoice.operators._conversation.app import App
from rxvoice.operators._conversation.floor import Floor
from rxvoice.operators._conversation.replying import Replying


def table() -> set[tuple[str, str]]:
    """The rows of the documented table."""
    documented = (_conversation.__doc__ or "").split("from        to          when\n")[1]
    rows = documented.split("\n\n")[0].splitlines()
    return {(words[0], words[1]) for words in map(str.split, rows)}


def test_every_change_of_phase_is_in_the_table_and_every_row_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: set[tuple[str, str]] = set()
    phases: dict[int, tuple[Floor, str]] = {}

    def watched(step: Any) -> Any:
        def stepped(it: Any, *args: Any, **options: Any) -> Any:
            given = step(it, *args, **options)
            floor: Floor = getattr(it, "_floor", it)
            _, before = phases.get(id(floor), (floor, "quiet"))
            now = floor.phase.value
            if now != before:
                seen.add((before, now))
            phases[id(floor)] = (floor, now)
            return given

        return stepped

    # Whatever gives the floor, takes it or goes on with it.
    for where, names in (
        (Floor, ("give", "leave", "_set_aside", "advance")),
        (App, ("_take_the_floor",)),
        (Replying, ("_begin_reply", "answer")),
    ):
        for name in names:
            monkeypatch.setattr(where, name, watched(getattr(where, name)))
    for seed in range(100):
        random_scene(seed)
        if seen >= table() and seed >= 24 and not THOROUGH:
            break
    assert seen == table()
