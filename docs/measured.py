"""The comparison with peers, as a page and a picture: ``python -m docs.measured``.

``make bench-peers`` writes ``docs/measured.json``. This writes its figures into
``docs/measured.md`` and ``README.md``, between their comment lines, and draws
``docs/assets/measured.svg``. The words are those of `benchmarks.peers`. With ``--check`` nothing
is written, and it fails when one is stale.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers._row import OWN, SYSTEMS, Probe, Row
from benchmarks.peers._rows import ROWS
from benchmarks.peers._table import cell, number
from docs.measured_picture import picture
from docs.written import write_or_check

HERE = Path(__file__).parent
FIGURES = HERE / "measured.json"
BEGIN = "<!-- written by python -m docs.measured: run make bench-peers instead of editing -->"
END = "<!-- end of what is written -->"

NAMES = dict(zip(SYSTEMS, ("rxvoice", "pipecat", "livekit-agents", "mlx-audio"), strict=True))
QUESTIONS = {
    1: "A piece of sound on its way",
    2: "To the first sound of a reply",
    3: "The user speaks over a reply",
    4: "While a model is busy",
    5: "Long conversations, long histories, many sessions",
    6: "What a conversation must keep",
}

Measured = list[tuple[Row, dict[str, Any]]]
"""The rows that have figures."""


def measured(found: dict[str, Any]) -> Measured:
    """The rows of the file, in the order and with the words of `ROWS`.

    Raises:
        ValueError: the file has a row that there is not.
    """
    by = {row["name"]: row for row in found["rows"]}
    if unknown := {*by} - {row.name for row in ROWS}:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"docs/measured.json has rows that there are not: {names}")
    return [(row, by[row.name]) for row in ROWS if row.name in by]


def better(rows: Measured) -> Iterator[str]:
    """A line for each row in which a peer is better than rxvoice."""
    for row, kept in rows:
        figures: dict[str, dict[str, Any]] = kept["figures"]
        own = figures[OWN]
        for system in SYSTEMS[1:]:
            its = figures[system]
            if "yes" in its and "yes" in own:
                ahead = its["yes"] * own["rounds"] > own["yes"] * its["rounds"]
            elif "median" in its and "median" in own:
                less = its["median"] < own["median"]
                ahead = its["median"] != own["median"] and less == (row.better == "less")
            else:
                continue
            if ahead:
                theirs, ours = cell(kept, its), cell(kept, {**own, "ratio": 1})
                yield f"- {NAMES[system]}: {row.what}: {theirs}; rxvoice: {ours}."


def page(found: dict[str, Any]) -> str:
    """All figures, under the rows in which a peer is better."""
    rows = measured(found)
    parts = ["## Where a peer is better\n"]
    parts.append("\n".join(better(rows)) or "In no row that was measured.")
    parts.append("\n![Each figure of a peer, divided by that of rxvoice](assets/measured.svg)")
    for question, title in QUESTIONS.items():
        mine = [(row, kept) for row, kept in rows if row.question == question]
        if mine:
            parts.append(f"\n## {title}\n")
            notes = dict.fromkeys(row.note for row, _ in mine if row.note)
            parts += [f"{note}\n" for note in notes]
            for index, (row, kept) in enumerate(mine):
                parts.append(_row(row, kept))
                if index + 1 == len(mine) or mine[index + 1][0].by != row.by:
                    parts.append(_promises(row))
    parts.append("\n## Where it was measured\n")
    about = {"processor": "processor", "machine": "machine", "python": "Python"}
    parts.append("| what | which |\n|---|---|")
    parts += [f"| {name} | {found['measured'][key]} |" for key, name in about.items()]
    parts.append(f"| versions | {found['measured']['versions']} |")
    dates = sorted({kept["date"] for _, kept in rows})
    parts.append(f"| date | {' to '.join(dict.fromkeys((dates[0], dates[-1])))} |")
    return "\n".join(parts)


def _row(row: Row, kept: dict[str, Any]) -> str:
    """A row of the comparison, as a table with a line for each system."""
    figures: dict[str, dict[str, Any]] = kept["figures"]
    numbers = row.unit != "yes"
    more = ", more is better" if numbers and row.better == "more" else ""
    lines = [f"### {row.what[0].upper()}{row.what[1:]}{more}\n"]
    lines.append("| system | measured |" + (" ratio |" if numbers else ""))
    lines.append("|---|---|" + ("---|" if numbers else ""))
    for system in SYSTEMS:
        figure = figures[system]
        why = figure.get("cannot") or figure.get("missing")
        shown = cell(kept, {**figure, "ratio": 1}) + (f": {why}" if why else "")
        ratio = f" {number(figure['ratio'])} |" if "ratio" in figure else " |"
        lines.append(f"| {NAMES[system]} | {shown} |" + (ratio if numbers else ""))
    rounds = max(figure["rounds"] for figure in figures.values())
    what = (
        f"median of {rounds} round{'s' * (rounds > 1)}, the quartiles in parentheses"
        if numbers
        else "each round"
    )
    quick = "; a quick run" if kept["quick"] else ""
    lines.append(f"\n`{kept['command']}`: {what}{quick}.\n")
    return "\n".join(lines)


def _promises(row: Row) -> str:
    """What each system guarantees there."""
    told = {system: by.guarantees for system, by in row.by.items() if isinstance(by, Probe)}
    lines = [f"- {NAMES[system]}: {text}." for system, text in told.items() if text]
    return "\n".join(["What each system does and promises there:\n", *lines, ""])


def headlines(found: dict[str, Any]) -> str:
    """The table of README."""
    lines = ["| measured on one machine | " + " | ".join(NAMES.values()) + " |"]
    lines.append("|---" * (1 + len(NAMES)) + "|")
    for row, kept in measured(found):
        if row.headline:
            cells = [_short(kept, kept["figures"][system]) for system in SYSTEMS]
            lines.append(f"| {row.headline} | " + " | ".join(cells) + " |")
    lines.append(
        "\nMedians of `make bench-peers`; [all rows](docs/measured.md) say what each system "
        "promises there, and where a peer is better."
    )
    return "\n".join(lines)


def _short(kept: dict[str, Any], figure: dict[str, Any]) -> str:
    return cell(kept, {**figure, "ratio": 1, "low": 0, "high": 0} if "median" in figure else figure)


def rendered(found: dict[str, Any]) -> dict[Path, str]:
    """Each file that is written, and what it should hold."""
    kept = [(row, it["figures"]) for row, it in measured(found)]
    readme = HERE.parent / "README.md"
    return {
        HERE / "assets" / "measured.svg": picture(kept),
        HERE / "measured.md": _between(HERE / "measured.md", page(found)),
        readme: _between(readme, headlines(found)),
    }


def _between(path: Path, text: str) -> str:
    marks = re.compile(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    whole, count = marks.subn(lambda _: f"{BEGIN}\n{text}\n{END}", path.read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{path} must have the two comment lines of docs.measured once")
    return whole


def main(argv: list[str] | None = None) -> int:
    """Write the page, the picture and the table of README, or check them."""
    figures = json.loads(FIGURES.read_text("utf-8"))
    return write_or_check("docs.measured", lambda: rendered(figures), argv)


if __name__ == "__main__":
    sys.exit(main())
