"""A row for each turn, with the parts of its latency (CSV)."""

from __future__ import annotations

import csv as tables
import io

from rxvoice.events._parts import OWNERS
from rxvoice.trace._story import StoryTurn, TraceStory

_COLUMNS = (
    *("turn", "candidate", "start_s", "speech_end_s", "turn_ended_s", "over_s", "over", "why"),
    *(f"{name}_part_ms" for name in OWNERS),
    *("latency_ms", "user", "assistant"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula."""


def csv(told: TraceStory) -> bytes:
    """The turns as a table. The ``_part_ms`` of a turn sum to its ``latency_ms``."""
    file = io.StringIO()
    table = tables.DictWriter(file, _COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(map(_row, told.turns))
    return file.getvalue().encode()


def _row(it: StoryTurn) -> dict[str, object]:
    heard = it.reply if it.heard is None else it.heard
    parts = {f"{part.name}_part_ms": f"{part.ms:.3f}" for part in it.parts}
    return {
        **parts,
        "turn": it.id,
        "candidate": int(it.candidate),
        "start_s": _seconds(it.begin),
        "speech_end_s": _seconds(it.speech_end),
        "turn_ended_s": _seconds(it.ended),
        "over_s": _seconds(it.over_at),
        "over": it.over,
        "why": _text(it.why),
        "latency_ms": "" if it.latency_ms is None else f"{it.latency_ms:.3f}",
        "user": _text(it.text),
        "assistant": _text(heard),
    }


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
