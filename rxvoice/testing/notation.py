"""The notation of marble diagrams: from text to marks in time, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

__all__ = ["Diagram", "Mark", "cells", "parse", "parse_subscription", "write"]

_END = "|#"
_AUDIO = "_~"


@dataclass(frozen=True, slots=True)
class Mark:
    """A character of a diagram that stands for something.

    Args:
        tick: when it happens; 0 is the subscription.
        char: the character.
        column: its column in the text of the diagram.
    """

    tick: int
    char: str
    column: int = 0


@dataclass(frozen=True, slots=True)
class Diagram:
    """A parsed diagram.

    Args:
        text: the text of the diagram.
        marks: what happens, in order.
        ticks: how many ticks the diagram has, from the subscription on.
        lead: how many ticks it has before the subscription.
    """

    text: str
    marks: tuple[Mark, ...]
    ticks: int
    lead: int = 0

    def reject(self, mark: Mark, why: str) -> NoReturn:
        """Raise ValueError with a caret under the mark."""
        _reject(self.text, mark.column, why)


def parse(text: str, legend: Mapping[str, object] | None = None, *, hot: bool = False) -> Diagram:
    """Read a diagram.

    Args:
        text: the diagram.
        legend: what letters and digits stand for; None accepts all of them.
        hot: whether ``^`` may mark the subscription.

    Raises:
        ValueError: the diagram is malformed, or a letter is not in the legend. The message shows
            where.
    """
    marks: list[Mark] = []
    tick = 0
    group: int | None = None  # the column of an open group
    members = 0
    caret: int | None = None
    ended = ""
    for column, char in enumerate(text):
        if char == " ":
            continue
        if char == ")":
            if group is None:
                _reject(text, column, "')' without '('")
            if not members:
                _reject(text, group, "an empty group")
            group = None
            tick += 1
            continue
        if ended:
            _reject(text, column, f"nothing can follow {ended!r}")
        if char == "(":
            if group is not None:
                _reject(text, column, "a group inside a group")
            group, members = column, 0
        elif char == "-":
            if group is not None:
                _reject(text, column, "'-' in a group, which takes one tick in all")
            tick += 1
        elif char == "^":
            if not hot:
                _reject(text, column, "'^' is for hot diagrams and subscriptions")
            if caret is not None or group is not None:
                _reject(text, column, "one '^', and not in a group")
            caret = tick
            tick += 1
        elif char in _END or char in _AUDIO or (char.isascii() and char.isalnum()):
            if legend is not None and char.isalnum() and char not in legend:
                _reject(text, column, f"{char!r} is not in the legend {_names(legend)}")
            marks.append(Mark(tick, char, column))
            ended = char if char in _END else ""
            members += 1
            if group is None:
                tick += 1
        else:
            _reject(text, column, f"{char!r} means nothing here")
    if group is not None:
        _reject(text, group, "a group that is never closed")
    lead = caret or 0
    shifted = tuple(Mark(mark.tick - lead, mark.char, mark.column) for mark in marks)
    return Diagram(text, shifted, tick - lead, lead)


def parse_subscription(text: str) -> tuple[int, int | None]:
    """Read a subscription diagram such as ``--^---!``.

    Returns:
        The ticks of ``^`` and ``!``; None if there is no ``!``.

    Raises:
        ValueError: the diagram is malformed. The message shows where.
    """
    start: int | None = None
    end: int | None = None
    tick = 0
    grouped = False
    for column, char in enumerate(text):
        if char == " ":
            continue
        if char == "^" and start is None:
            start = tick
        elif char == "!" and start is not None and end is None:
            end = tick
        elif char == "(" and not grouped:
            grouped = True
            continue
        elif char == ")" and grouped:
            grouped = False
        elif char != "-" or grouped:
            _reject(text, column, "wanted '-', one '^', then at most one '!'")
        tick += not grouped
    if grouped:
        _reject(text, len(text), "a group that is never closed")
    if start is None:
        _reject(text, len(text), "no '^'")
    return start, end


def write(marks: Iterable[Mark], ticks: int = 0) -> str:
    """Write the diagram of these marks, which `parse` reads back."""
    return "".join(cells(marks, ticks))


def cells(marks: Iterable[Mark], ticks: int = 0) -> list[str]:
    """The text of each tick."""
    at: dict[int, str] = {}
    for mark in marks:
        at[mark.tick] = at.get(mark.tick, "") + mark.char
    length = max([ticks, *(tick + 1 for tick in at)])
    texts = [at.get(tick, "-") for tick in range(length)]
    return [f"({text})" if len(text) > 1 else text for text in texts]


def _names(legend: Mapping[str, object]) -> str:
    return f"({', '.join(sorted(legend))})" if legend else "(there is none)"


def _reject(text: str, column: int, why: str) -> NoReturn:
    raise ValueError(f"bad marble diagram: {why}\n  {text}\n  {' ' * column}^")
