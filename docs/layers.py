"""The layers of the package, as a table and as a picture: ``python -m docs.layers``.

``docs/layers.toml`` is the source. This writes the table into ``docs/design.md``, between its two
comment lines, and draws ``docs/assets/layers.svg``. With ``--check`` it writes nothing and fails
when one of them is stale.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from docs.picture import framed, n
from docs.written import write_or_check

HERE = Path(__file__).parent
BEGIN = "<!-- written by python -m docs.layers: edit docs/layers.toml instead -->"
END = "<!-- end of what is written -->"


@dataclass(frozen=True)
class Floor:
    """Packages of one kind.

    Args:
        below: the names of the floors that it may import from.
        packages: what each is for, in the order of their imports.
    """

    name: str
    about: str
    below: tuple[str, ...]
    packages: dict[str, str]


def floors(path: Path = HERE / "layers.toml") -> list[Floor]:
    """The floors, the lowest first."""
    return [
        Floor(it["name"], it["about"], tuple(it["below"]), it["packages"])
        for it in tomllib.loads(path.read_text("utf-8"))["floor"]
    ]


def allowed(house: list[Floor]) -> dict[str, set[str]]:
    """The packages that each package may import from."""
    of = {floor.name: set(floor.packages) for floor in house}
    may: dict[str, set[str]] = {}
    for floor in house:
        below = {name for it in floor.below for name in of[it]}
        for package in floor.packages:
            may[package] = set(below)
            below.add(package)
    return may


# As a table


def table(house: list[Floor]) -> str:
    """A row for each package, under a row for its floor."""
    number = {floor.name: index for index, floor in enumerate(house, 1)}
    rows = ["| package | what it is for | may import |", "|---|---|---|"]
    for floor in house:
        below = ", ".join(str(number[name]) for name in floor.below)
        rows.append(
            f"| **{number[floor.name]} {floor.name}** | {floor.about} | {below or 'none'} |"
        )
        rows += [f"| `{name}` | {about} | |" for name, about in floor.packages.items()]
    return "\n".join([BEGIN, *rows, END])


# As a picture

WIDTH = 760  # px
MARGIN = 20
HEAD = 150
"""px for the number and the name of a floor."""
SIDE = 112
"""px for what a floor may import."""
TILE, GAP, PAD = 26, 8, 12
CHAR = 7.4  # px, a wide guess for 12 px monospace
COLOURS = ("#d8d3c4", "#8ecae6", "#b8e0a2", "#cdb4f6", "#ffb86b", "#f4a6b8", "#ffd166", "#9be3d5")

STYLE = """
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2933; }
  .t { font-weight: bold; font-size: 13px; } .m { text-anchor: middle; } .n { fill: #52606d; }
  .plate { fill: #fcfcfa; stroke: #d3d8de; } .floor { fill: #eef2f6; stroke: #9fb0c0; }
  .tile { fill: #ffffff; stroke: #1f2933; } .in { fill: #1f2933; font-weight: bold; } .chip { stroke: #1f2933; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb; } .n { fill: #a9b4c0; } .plate { fill: #1c2029; stroke: #3a4150; }
    .floor { fill: #262c37; stroke: #56606d; } .tile { fill: #11141b; stroke: #a9b4c0; } .in { fill: #1f2933; }
  }
""".rstrip()  # noqa: E501


def picture(house: list[Floor]) -> str:
    """The floors as SVG, the lowest at the bottom."""
    title = "The packages of rxvoice on their floors, and the floors that each may import"
    colour = {floor.name: COLOURS[i % len(COLOURS)] for i, floor in enumerate(house)}
    number = {floor.name: i for i, floor in enumerate(house, 1)}
    body = [
        f'<text class="n" x="{WIDTH - MARGIN - SIDE}" y="{MARGIN + 8}">may import</text>',
    ]
    top = float(MARGIN + 18)
    for floor in reversed(house):
        rows = list(_rows(floor))
        height = 2 * PAD + len(rows) * TILE + (len(rows) - 1) * GAP
        body.append(
            f'<rect class="floor" x="{MARGIN}" y="{n(top)}" width="{WIDTH - 2 * MARGIN}" '
            f'height="{height}" rx="8"/>'
        )
        middle = top + height / 2
        body += _chip(number[floor.name], colour[floor.name], MARGIN + 22, middle)
        words = floor.name.split(" and ")
        for i, text in enumerate([words[0], *(f"and {it}" for it in words[1:])]):
            y = middle + 4 + 16 * (i - (len(words) - 1) / 2)
            body.append(f'<text class="t" x="{MARGIN + 40}" y="{n(y)}">{escape(text)}</text>')
        for i, row in enumerate(rows):
            y = top + PAD + i * (TILE + GAP)
            for x, width, name in row:
                body.append(
                    f'<rect class="tile" x="{n(x)}" y="{n(y)}" width="{n(width)}" '
                    f'height="{TILE}" rx="5"/><text class="m" x="{n(x + width / 2)}" '
                    f'y="{n(y + 17)}">{escape(name)}</text>'
                )
        for i, name in enumerate(floor.below):
            x = WIDTH - MARGIN - SIDE + 10 + 24 * (i % 4)
            y = middle + (24 * (i // 4) - 12 if len(floor.below) > 4 else 0)
            body += _chip(number[name], colour[name], x, y)
        top += height + GAP
    height = top - GAP + MARGIN
    return framed(WIDTH, height, title, STYLE, body)


def _rows(floor: Floor) -> Iterator[list[tuple[float, float, str]]]:
    """The left edge, the width and the name of each tile, row by row."""
    left, right = float(MARGIN + HEAD), float(WIDTH - MARGIN - SIDE - PAD)
    x, row = left, list[tuple[float, float, str]]()
    for name in floor.packages:
        width = CHAR * len(name) + 18
        if row and x + width > right:
            yield row
            x, row = left, []
        row.append((x, width, name))
        x += width + GAP
    yield row


def _chip(number: int, colour: str, x: float, y: float) -> list[str]:
    return [
        f'<circle class="chip" cx="{n(x)}" cy="{n(y)}" r="10" fill="{colour}"/>',
        f'<text class="m in" x="{n(x)}" y="{n(y + 4)}">{number}</text>',
    ]


# What is written


def rendered() -> dict[Path, str]:
    """Each file that is written, and what it should hold."""
    house = floors()
    page = HERE / "design.md"
    written = re.compile(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return {
        HERE / "assets" / "layers.svg": picture(house),
        page: written.sub(lambda _: table(house), page.read_text("utf-8")),
    }


def main(argv: list[str] | None = None) -> int:
    """Write the table and the picture, or check them."""
    return write_or_check("docs.layers", rendered, argv)


if __name__ == "__main__":
    sys.exit(main())
