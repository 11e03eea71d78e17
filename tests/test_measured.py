"""The page, the picture and README's table of the comparison with peers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.peers import _figures
from benchmarks.peers._row import SYSTEMS
from benchmarks.peers._rows import ROWS
from docs import measured
from docs.measured_picture import picture

NUMBERS = next(row for row in ROWS if row.unit != "yes" and row.headline)


def found(own: dict[str, Any], peer: dict[str, Any]) -> dict[str, Any]:
    """A file of one row, in which pipecat has another figure."""
    figures = {system: {"rounds": 3, "cannot": "it has none"} for system in SYSTEMS}
    figures |= {"rxvoice": {"rounds": 3, **own}, "pipecat": {"rounds": 3, **peer}}
    row = {"name": NUMBERS.name, "unit": NUMBERS.unit, "quick": False, "date": "2026-01-01"}
    about = {"processor": "abacus", "machine": "m", "python": "3", "versions": "v"}
    return {"measured": about, "rows": [{**row, "command": "run it", "figures": figures}]}


def number(median: float, ratio: float) -> dict[str, float]:
    return {"median": median, "low": median, "high": median, "ratio": ratio}


def test_what_is_written_is_from_the_figures() -> None:
    kept = json.loads(measured.FIGURES.read_text("utf-8"))
    for path, text in measured.rendered(kept).items():
        assert path.read_text("utf-8") == text, f"{path}: run python -m docs.measured"
    assert not kept["rows"][0]["quick"], "docs/measured.json is of a quick run"


def test_a_row_in_which_a_peer_is_better_stands_at_the_top() -> None:
    page = measured.page(found(number(4, 1), number(2, 0.5)))
    top = page.partition("\n## A piece")[0]
    assert f"- pipecat: {NUMBERS.what}: 2 {NUMBERS.unit}, x 0.5; rxvoice: 4 {NUMBERS.unit}." in top
    page = measured.page(found(number(2, 1), number(4, 2)))
    assert "In no row that was measured." in page
    assert f"| pipecat | 4 {NUMBERS.unit} | 2 |" in page
    assert "| livekit-agents | has no such thing: it has none | |" in page
    assert "`run it`" in page


def test_the_table_of_readme_has_the_medians() -> None:
    table = measured.headlines(found(number(2, 1), number(4, 2)))
    unit = NUMBERS.unit
    assert f"| {NUMBERS.headline} | 2 {unit} | 4 {unit} | has no such thing |" in table


def test_a_row_that_there_is_not_is_refused() -> None:
    kept = found(number(2, 1), number(4, 2))
    kept["rows"][0]["name"] = "nothing"
    with pytest.raises(ValueError, match="rows that there are not: nothing"):
        measured.page(kept)


def test_the_picture_has_a_mark_for_each_ratio_and_fits_a_telephone() -> None:
    kept = found(number(2, 1), number(4, 2))["rows"][0]["figures"]
    drawn = picture([(NUMBERS, kept)])
    assert drawn.count("<circle") == 2  # in the legend too
    assert drawn.count("<rect") == 2  # the plate too
    assert 'width="372"' in drawn
    assert "prefers-color-scheme: dark" in drawn
    without = picture([(NUMBERS, {**kept, "rxvoice": number(0, 0)})])
    assert without.count("<circle") == 1


def test_every_row_has_a_name_of_its_own_and_says_what_its_systems_promise() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.question in measured.QUESTIONS
        for system, by in row.by.items():
            assert getattr(by, "guarantees", True), f"{row.name}: {system}"
    assert _figures.COMMAND.split()[:3] == ["python", "-m", "benchmarks.peers"]
