"""What the user waited for at the last turn, as a bar of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rxvoice.events import LatencyPart

if TYPE_CHECKING:
    from rich.text import Text

_LOOKS = {
    # the colour, and the character without colours
    "turn_ended": ("bright_black", "."),
    "transcript": ("cyan", "t"),
    "first_token": ("green", "k"),
    "first_sentence": ("yellow", "s"),
    "first_audio": ("magenta", "a"),
    "first_heard": ("bright_magenta", "h"),
}
_HEAD = "last turn"
_MARGIN = 21
_LONGEST = 40
"""Cells of a bar."""
_CELL_MS = 50
"""A cell, if the bar is not too long for it."""


def waited(parts: Sequence[LatencyPart], width: int, *, ascii_only: bool) -> list[Text]:
    """A bar of the parts with their sum, and a line that names them.

    Args:
        parts: those of `TurnMetrics.parts`.
        width: of the terminal, in cells.
        ascii_only: whether the terminal has no other characters.
    """
    from rich.text import Text

    total = sum(it.ms for it in parts)
    room = max(8, min(_LONGEST, width - _MARGIN - 12))
    each = max(_CELL_MS, total / room)
    cut: Literal["crop", "ellipsis"] = "crop" if ascii_only else "ellipsis"
    bar = Text(f"{_HEAD:>{_MARGIN - 2}}  ", "dim", no_wrap=True, overflow=cut)
    names = Text(" " * _MARGIN, no_wrap=True, overflow=cut)
    shown = [it for it in parts if round(it.ms)]
    done = 0.0
    for it in parts:
        colour, letter = _LOOKS[it.name]
        # Rounded at their edges, so that the cells of all parts are those of their sum.
        cells = round((done + it.ms) / each) - round(done / each)
        bar.append((letter if ascii_only else "█") * cells, colour)
        done += it.ms
    bar.append(f" {total / 1000:.2f} s", "bold")
    for n, it in enumerate(shown):
        colour, letter = _LOOKS[it.name]
        key = f"{letter}=" if ascii_only else ""
        names.append(" - " if n and ascii_only else " · " if n else "", "dim")
        names.append(f"{key}{it.name.replace('_', ' ')} {it.ms:.0f}", colour)
    return [bar, names]
