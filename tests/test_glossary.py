"""docs/glossary.md: the code that carries each word is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| **")
]


def found(name: str) -> object:
    """What a dotted name means, as far to the right as there are modules."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            it: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            it = getattr(it, part)
        return it
    raise AttributeError(name)


def test_there_are_some_twenty_words() -> None:
    assert 20 <= len(ROWS) <= 30
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_word_names_the_code_that_carries_it(row: list[str]) -> None:
    names = re.findall(r"\[`(rxvoice[\w.]*)`\]", row[3])
    assert names
    for name in names:
        assert found(name) is not None


@pytest.mark.parametrize("name", re.findall(r"`(rxvoice\.[\w.]+)`", PAGE))
def test_a_name_of_the_page_is_there(name: str) -> None:
    assert found(name) is not None


def test_the_moments_of_a_turn_are_the_fields_of_its_metrics() -> None:
    from dataclasses import fields

    from rxvoice.events import TurnMetrics

    names = {it.name for it in fields(TurnMetrics)}
    (row,) = (row for row in ROWS if row[0] == "**moments of a turn**")
    moments = row[1].partition(":")[0].split(",")
    assert {f"{it.strip().replace(' ', '_')}_ms" for it in moments} <= names
