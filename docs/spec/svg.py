"""Draws a diagram of a page as SVG, from the block that the tests run."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from docs.spec.block import Block, Line, opening
from rxvoice.testing.notation import Mark

STEP = 30  # px per tick and mark
ROW = 44
MARGIN = 20
LINE_HEIGHT = 18
CHAR = 7.4  # px, a wide guess for 12 px monospace: text must never be clipped
WRAP = 92  # characters of legend

INK = "#1f2933"
FAINT = "#7b8794"
COLOURS = ("#ffd166", "#8ecae6", "#b8e0a2", "#f4a6b8", "#cdb4f6", "#ffb86b", "#9be3d5", "#d8d3c4")
STYLE = f"""
  text {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
         font-size: 12px; fill: {INK}; }}
  .name {{ text-anchor: end; fill: #52606d; }}
  .value {{ text-anchor: middle; font-weight: bold; }}
  .operator {{ text-anchor: middle; font-weight: bold; }}
  .note {{ fill: #52606d; }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e4e7eb; }}
    .name, .note {{ fill: #a9b4c0; }}
    .value {{ fill: {INK}; }}
    .plate {{ fill: #1c2029; stroke: #3a4150; }}
    .box {{ fill: #2a303c; stroke: #8b98a6; }}
    .group {{ fill: #11141b; }}
    .end {{ stroke: #e4e7eb; }}
    .error {{ stroke: #ff7b72; }}
    .silence {{ fill: #5a6675; }}
    .speech {{ fill: #58a6e6; }}
  }}
""".rstrip()


def draw(block: Block, title: str) -> str:
    """Draw a diagram as SVG. The same block always gives the same text.

    Args:
        title: a text for readers who cannot see the drawing.
    """
    return _Drawing(block, title).text()


@dataclass(frozen=True, slots=True)
class _Placed:
    """A line, its first tick, the middle of its row, and whether it is the inside of a turn."""

    line: Line
    first: int
    y: float
    inside: bool


class _Drawing:
    def __init__(self, block: Block, title: str) -> None:
        self._block = block
        self._title = title
        source, *others = block.above
        turns = [(line, opening(block, line)) for line in block.insides]
        source_letters = {mark.char for line in block.above for mark in line.diagram.marks}
        y = MARGIN + ROW / 2
        self._rows: list[_Placed] = []

        def place(line: Line, first: int, *, inside: bool) -> None:
            nonlocal y
            self._rows.append(_Placed(line, first, y, inside))
            y += ROW

        place(source, 0, inside=False)
        for line, first in turns:
            if line.label in source_letters:
                place(line, first, inside=True)
        for line in others:
            place(line, line.indent, inside=True)
        self._operator = textwrap.wrap(block.operator, 72, break_long_words=False)
        self._box_top = y - ROW / 2 + 6
        self._box_height = LINE_HEIGHT * len(self._operator) + 14
        y = self._box_top + self._box_height + 6 + ROW / 2
        place(block.result, 0, inside=False)
        for line, first in turns:
            if line.label not in source_letters:
                place(line, first, inside=True)
        self._bottom = y - ROW / 2
        self._left = MARGIN + CHAR * max(len(row.line.label) for row in self._rows) + 16
        self._columns = self._spread()
        self._notes = self._legend()

    def _spread(self) -> list[float]:
        """The left edge of each tick. A tick with several marks on one line is wider."""
        ticks = max(row.first + row.line.diagram.ticks for row in self._rows)
        crowd = [1] * ticks
        for row in self._rows:
            for tick, marks in _by_tick(row.line.diagram.marks):
                at = row.first + tick
                crowd[at] = max(crowd[at], len(marks))
        edges = [self._left + 8.0]
        for count in crowd:
            edges.append(edges[-1] + STEP * count)
        return edges

    def _legend(self) -> list[str]:
        notes: list[str] = []
        told = [f"{name} = {value}" for name, value in self._block.legend.items()]
        for text in [*told, *(f"then {expression}" for expression in self._block.then)]:
            lines = textwrap.wrap(text, WRAP, subsequent_indent=" " * 4, break_long_words=False)
            notes += lines
        return notes

    def text(self) -> str:
        end = self._columns[-1] + 14
        longest = max([len(text) for text in (*self._notes, *self._operator)])
        width = max(end + MARGIN, self._left + CHAR * longest + 2 * MARGIN)
        end = width - MARGIN
        notes_top = self._bottom + 22
        height = notes_top + LINE_HEIGHT * len(self._notes) + 18
        body = [*self._box(width - self._left - MARGIN)]
        for row in self._rows:
            body += self._line(row, end)
        body += [
            f'<text class="note" xml:space="preserve" x="{_n(self._left)}" '
            f'y="{_n(notes_top + LINE_HEIGHT * i)}">{escape(note)}</text>'
            for i, note in enumerate(self._notes)
        ]
        body.append(
            f'<text class="name" x="{_n(width - MARGIN)}" y="{_n(height - 12)}">'
            f"1 step = {self._block.tick_ms} ms</text>"
        )
        title = escape(self._title)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
            f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-label="{title}">'
        )
        plate = (
            f'<rect class="plate" x="0.5" y="0.5" width="{_n(width - 1)}" '
            f'height="{_n(height - 1)}" rx="10" '
            f'fill="#fcfcfa" stroke="#d3d8de"/>'
        )
        parts = [head, f"<title>{title}</title>", f"<style>{STYLE}\n</style>", plate, *body]
        return "\n".join([*parts, "</svg>", ""])

    def _box(self, width: float) -> Iterator[str]:
        top, height = self._box_top, self._box_height
        yield (
            f'<rect class="box" x="{_n(self._left)}" y="{_n(top)}" width="{_n(width)}" '
            f'height="{height}" rx="6" fill="#eef2f6" stroke="{INK}"/>'
        )
        middle = self._left + width / 2
        for i, text in enumerate(self._operator):
            y = top + 20 + LINE_HEIGHT * i
            yield f'<text class="operator" x="{_n(middle)}" y="{_n(y)}">{escape(text)}</text>'

    def _line(self, row: _Placed, end: float) -> Iterator[str]:
        y = row.y
        diagram = row.line.diagram
        begin = self._columns[row.first] if row.first else self._left
        ends = bool(diagram.marks) and diagram.marks[-1].char in "|#"
        last = row.first + diagram.ticks
        stop = sum(self._columns[last - 1 : last + 1]) / 2 if row.inside and ends else end
        yield (
            f'<text class="name" x="{_n(self._left - 10)}" y="{_n(y + 4)}">'
            f"{escape(row.line.label)}</text>"
        )
        dash = ' stroke-dasharray="3 3"' if row.inside else ""
        yield (
            f'<path d="M{_n(begin)} {_n(y)}H{_n(stop)}" fill="none" stroke="{FAINT}" '
            f'stroke-width="1.5"{dash}/>'
        )
        if not (row.inside and ends):
            yield (
                f'<path d="M{_n(stop - 6)} {_n(y - 4)}L{_n(stop)} {_n(y)}L{_n(stop - 6)} '
                f'{_n(y + 4)}" fill="none" stroke="{FAINT}" stroke-width="1.5"/>'
            )
        for tick, marks in _by_tick(diagram.marks):
            left = self._columns[row.first + tick]
            middle = (left + self._columns[row.first + tick + 1]) / 2
            x = middle - STEP * (len(marks) - 1) / 2
            if len(marks) > 1:
                width = STEP * (len(marks) - 1) + 28
                yield (
                    f'<rect class="group" x="{_n(x - 14)}" y="{_n(y - 16)}" width="{width}" '
                    f'height="32" rx="14" fill="#ffffff" stroke="{FAINT}" stroke-dasharray="2 2"/>'
                )
            for i, mark in enumerate(marks):
                yield from self._mark(mark.char, x + STEP * i, y)

    def _mark(self, char: str, x: float, y: float) -> Iterator[str]:
        if char == "|":
            yield (
                f'<path class="end" d="M{_n(x)} {_n(y - 12)}V{_n(y + 12)}" stroke="{INK}" '
                f'stroke-width="2.5"/>'
            )
        elif char == "#":
            yield (
                f'<path class="error" d="M{_n(x - 7)} {_n(y - 7)}L{_n(x + 7)} {_n(y + 7)}'
                f'M{_n(x - 7)} {_n(y + 7)}L{_n(x + 7)} {_n(y - 7)}" stroke="#c62828" '
                f'stroke-width="2.5"/>'
            )
        elif char == "_":
            yield (
                f'<rect class="silence" x="{_n(x - 11)}" y="{_n(y - 3)}" width="22" '
                f'height="6" rx="3" fill="#c3cad2"/>'
            )
        elif char == "~":
            for i, high in enumerate((5, 10, 7, 4)):
                yield (
                    f'<rect class="speech" x="{_n(x - 10.5 + 5.5 * i)}" y="{_n(y - high)}" '
                    f'width="4" height="{2 * high}" rx="2" fill="#2f80c3"/>'
                )
        else:
            letters = sorted(
                {
                    mark.char
                    for row in self._rows
                    for mark in row.line.diagram.marks
                    if mark.char.isalnum()
                }
            )
            colour = COLOURS[letters.index(char) % len(COLOURS)]
            yield (
                f'<circle cx="{_n(x)}" cy="{_n(y)}" r="12" fill="{colour}" stroke="{INK}"/>'
                f'<text class="value" x="{_n(x)}" y="{_n(y + 4)}">{escape(char)}</text>'
            )


def _by_tick(marks: tuple[Mark, ...]) -> list[tuple[int, list[Mark]]]:
    ticks: dict[int, list[Mark]] = {}
    for mark in marks:
        ticks.setdefault(mark.tick, []).append(mark)
    return list(ticks.items())


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
