"""The picture of `docs.measured`: how many times worse or better than rxvoice each peer is."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from benchmarks.peers._row import OWN, SYSTEMS, Row
from docs.picture import framed, n

__all__ = ["picture"]

WIDTH = 372  # px: it fits on a telephone
LEFT, RIGHT = 24, 348
LINE, LANE = 14, 20
LABELS = {"pipecat": "pipecat", "livekit": "livekit-agents", "mlx-audio": "mlx-audio"}

STYLE = """
  text { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2933; }
  .h { paint-order: stroke; stroke: #fcfcfa; stroke-width: 4; stroke-linejoin: round; }
  .m { text-anchor: middle; } .e { text-anchor: end; } .n { fill: #52606d; }
  .plate { fill: #fcfcfa; stroke: #d3d8de; } .grid { stroke: #dfe4e9; } .own { stroke: #1f2933; stroke-width: 2; }
  .p { fill: #2f80c3; stroke: #2f80c3; } .k { fill: #c2557a; stroke: #c2557a; } .a { fill: #8a6d00; stroke: #8a6d00; }
  .w { stroke-width: 2; fill: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb; } .n { fill: #a9b4c0; } .plate { fill: #1c2029; stroke: #3a4150; } .grid { stroke: #323946; }
    .h { stroke: #1c2029; } .own { stroke: #e4e7eb; } .p { fill: #58a6e6; stroke: #58a6e6; } .k { fill: #f4a6b8; stroke: #f4a6b8; } .a { fill: #e3c15a; stroke: #e3c15a; }
  }
""".rstrip()  # noqa: E501
KINDS = {"pipecat": "p", "livekit": "k", "mlx-audio": "a"}

Figures = Mapping[str, Mapping[str, Any]]


def picture(rows: Iterable[tuple[Row, Figures]]) -> str:
    """A lane for each row of numbers: dots for medians, lines between the quartiles."""
    lanes = [it for it in ((row, _points(row, figures)) for row, figures in rows) if it[1]]
    ends = [value for _, points in lanes for point in points.values() for value in point]
    low = math.floor(math.log10(min([0.5, *ends])))
    high = max(low + 1, math.ceil(math.log10(max([10.0, *ends]))))

    def x(ratio: float) -> float:
        place = (math.log10(min(max(ratio, 10**low), 10**high)) - low) / (high - low)
        return LEFT + place * (RIGHT - LEFT)

    body: list[str] = []
    at = float(LEFT)
    for system, label in LABELS.items():
        body.append(_mark(system, at + 5, 20))
        body.append(_text(at + 15, 24, label))
        at += 7 * len(label) + 40
    top = 60
    y = float(top)
    lines: list[str] = []
    for row, points in lanes:
        for text in textwrap.wrap(row.what, 50):
            y += LINE
            lines.append(_text(LEFT, y, text, "h"))
        y += LANE - 6
        for system, (quarter, middle, three) in points.items():
            lines.append(
                f'<path class="w {KINDS[system]}" d="M{n(x(quarter))} {n(y)}H{n(x(three))}"/>'
            )
            lines.append(_mark(system, x(middle), y))
        y += LANE - 8
    for power in range(low, high + 1):
        place = x(10.0**power)
        kind = "own" if power == 0 else "grid"
        body.append(f'<path class="{kind}" d="M{n(place)} {top}V{n(y)}"/>')
        label = "rxvoice" if power == 0 else f"{10**power:,}x" if power > 0 else f"1/{10**-power:,}"
        body.append(_text(place, top - 8, label, "m n"))
    body += lines
    body.append(_text(RIGHT, y + 18, "further right: rxvoice is better", "e n"))
    height = y + 30
    title = "How many times worse than rxvoice each peer is, row by row, on a logarithmic scale"
    return framed(WIDTH, height, title, STYLE, body)


def _points(row: Row, figures: Figures) -> dict[str, tuple[float, float, float]]:
    """How many times worse than rxvoice: the quartiles and the median of each peer."""
    own = figures[OWN].get("median")
    found: dict[str, tuple[float, float, float]] = {}
    for system in SYSTEMS[1:]:
        its = figures[system]
        if not own or not its.get("median"):
            continue  # a ratio to nothing is none
        three = tuple(max(its[key], 1e-9) / own for key in ("low", "median", "high"))
        low, middle, high = three if row.better == "less" else (1 / it for it in reversed(three))
        found[system] = (low, middle, high)
    return found


def _mark(system: str, x: float, y: float) -> str:
    """A shape of its own for each, so that it does not need a colour."""
    kind = KINDS[system]
    if system == "pipecat":
        return f'<circle class="{kind}" cx="{n(x)}" cy="{n(y)}" r="4.5"/>'
    if system == "livekit":
        return f'<rect class="{kind}" x="{n(x - 4)}" y="{n(y - 4)}" width="8" height="8"/>'
    return f'<path class="{kind}" d="M{n(x)} {n(y - 5)}l5 9h-10z"/>'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    told = f' class="{kind}"' if kind else ""
    return f'<text{told} x="{n(x)}" y="{n(y)}">{escape(text, quote=False)}</text>'
