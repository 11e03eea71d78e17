"""A diagram of a page: lines of marbles, the operator between them, and a legend.

1 char = 32 ms
judged   __~~~____|
> vox.turn_window(rxv.silence(64))
turns    --A------|
A          ~~~_(_|)

A = like(ended_by="policy")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rxvoice.testing.marbles import Audio
from rxvoice.testing.notation import Diagram, parse

AUDIO: dict[str, Audio] = {"blocks": "arrays", "chunks": "unjudged", "judged": "judged"}
"""What ``_`` and ``~`` stand for, by the label of the line."""

_TICK = re.compile(r"1 char = (\d+) ms")
_LEGEND = re.compile(r"(\w+|#) = (.+)")
_LINE = re.compile(r"(\w+) +(\S.*)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of marbles.

    Args:
        label: the word before the diagram; one character for the inside of a turn.
        text: the text of the diagram; leading spaces place it below another line.
        diagram: the parsed diagram.
    """

    label: str
    text: str
    diagram: Diagram

    @property
    def indent(self) -> int:
        """Characters before the diagram begins."""
        return len(self.text) - len(self.text.lstrip())


@dataclass(frozen=True, slots=True)
class Block:
    """A diagram of a page.

    Args:
        above: the source, then the other lines that the operator uses.
        operator: the operator, a Python expression.
        result: the line that must come out.
        insides: the insides of turns in `above` or `result`, by letter.
        legend: Python expressions by name, in order.
        then: Python expressions that must be true after the run.
        tick_ms: milliseconds per character.
    """

    above: tuple[Line, ...]
    operator: str
    result: Line
    insides: tuple[Line, ...]
    legend: Mapping[str, str]
    then: tuple[str, ...]
    tick_ms: int


def parse_block(text: str) -> Block:
    """Read a block of a page.

    Raises:
        ValueError: the block is malformed. The message names the line.
    """
    above: list[Line] = []
    below: list[Line] = []
    operator: list[str] = []
    legend: dict[str, str] = {}
    then: list[str] = []
    tick_ms = 32
    column: int | None = None
    last = ""
    for raw in text.splitlines():
        line = raw.rstrip()
        if found := _TICK.fullmatch(line):
            tick_ms = int(found[1])
        elif line.startswith("> "):
            if below:
                raise ValueError(f"an operator after its result: {line!r}")
            operator.append(line[2:].strip())
        elif line.startswith("then "):
            then.append(line[5:])
        elif found := _LEGEND.fullmatch(line):
            last = found[1]
            legend[last] = found[2]
        elif line.startswith("    ") and last:
            legend[last] += " " + line.strip()
        elif found := _LINE.fullmatch(line):
            label = found[1]
            column = found.start(2) if column is None else column
            if line[len(label) : column].strip() or len(line) <= column:
                raise ValueError(f"all lines begin at column {column}: {line!r}")
            drawn = line[column:]
            (below if operator else above).append(Line(label, drawn, parse(drawn)))
        elif line:
            raise ValueError(f"not a line of marbles, an operator or a legend: {line!r}")
    if not above or not operator or not below:
        raise ValueError(f"wanted a source, an operator and a result, got:\n{text}")
    source, *others = above
    result, *rest = below
    insides = [*(line for line in others if len(line.label) == 1), *rest]
    others = [line for line in others if len(line.label) > 1]
    block = Block(
        (source, *others),
        " ".join(operator),
        result,
        tuple(insides),
        legend,
        tuple(then),
        tick_ms,
    )
    for inside in insides:
        opening(block, inside)
    return block


def opening(block: Block, inside: Line) -> int:
    """The tick on which a turn opens. The inside of the turn is drawn below its letter."""
    for line in (*block.above, block.result):
        for mark in line.diagram.marks:
            if mark.char == inside.label:
                if mark.column != inside.indent:
                    raise ValueError(
                        f"the inside of {inside.label} begins below its letter, at column "
                        f"{mark.column}, not {inside.indent}: {inside.text!r}"
                    )
                return mark.tick
    raise ValueError(f"no line has the turn {inside.label}")
