"""Medians, spreads and ratios, and the file that keeps them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.peers import _env
from benchmarks.peers._row import OWN, SYSTEMS, Probe, Row
from benchmarks.peers._run import Answer, Answers

COMMAND = "python -m benchmarks.peers --only"


@dataclass(frozen=True)
class Figure:
    """What one system's rounds come to.

    Args:
        median: of the rounds; None without one.
        low: the first quartile.
        high: the third quartile.
        ratio: the median, divided by that of rxvoice; None where one is missing or 0.
        yes: of a row of yes and no, in how many rounds it was yes.
        rounds: how many there were.
        cannot: why the system has no such thing.
        missing: why it was not measured.
        guarantees: what it promises there.
    """

    median: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    yes: int | None = None
    rounds: int = 0
    cannot: str = ""
    missing: str = ""
    guarantees: str = ""


def figures(row: Row, answers: Mapping[str, Answer]) -> dict[str, Figure]:
    """The figure of each system."""
    own = _middle(answers[OWN])
    found: dict[str, Figure] = {}
    for system in SYSTEMS:
        answer, by = answers[system], row.by[system]
        numbers = [float(it) for it in answer.values]
        its = _middle(answer)
        low, _, high = quantiles(numbers, n=4, method="inclusive") if numbers[1:] else [its] * 3
        yes = row.unit == "yes"
        found[system] = Figure(
            median=None if yes else its,
            low=None if yes else low,
            high=None if yes else high,
            ratio=its / own if its is not None and own and not yes else None,
            yes=sum(map(bool, answer.values)) if yes and numbers else None,
            rounds=len(numbers),
            cannot=answer.cannot,
            missing=answer.missing,
            guarantees=by.guarantees if isinstance(by, Probe) else "",
        )
    return found


def _middle(answer: Answer) -> float | None:
    return float(median(map(float, answer.values))) if answer.values else None


def machine() -> dict[str, str]:
    """Where it was measured."""
    return {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "processor": _processor(),
        "versions": ", ".join(_env.version(system) for system in SYSTEMS),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def document(rows: tuple[Row, ...], answers: Answers, *, quick: bool) -> dict[str, Any]:
    """What the file holds."""
    return {
        "measured": machine(),
        "rows": [
            {
                "question": row.question,
                "name": row.name,
                "what": row.what,
                "unit": row.unit,
                "better": row.better,
                "note": row.note,
                "headline": row.headline,
                "date": date.today().isoformat(),
                "quick": quick,
                "command": f"{COMMAND} {row.name}",
                "figures": {
                    system: {key: it for key, it in asdict(figure).items() if it not in (None, "")}
                    for system, figure in figures(row, answers[row.name]).items()
                },
            }
            for row in rows
            if row.name in answers
        ],
    }


def merged(old: dict[str, Any], new: dict[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    """The old rows, with the new ones in their places.

    Raises:
        ValueError: the old ones are from another machine, or of other versions.
    """
    if unlike := [key for key, it in new["measured"].items() if old["measured"][key] != it]:
        raise ValueError(
            f"the rows there were measured with another {' and '.join(unlike)}, so they cannot "
            "stand beside these: measure all rows, or name another file with --json"
        )
    by = {row["name"]: row for row in [*old["rows"], *new["rows"]]}
    return {**new, "rows": [by[name] for name in order if name in by]}


def write(path: Path, found: dict[str, Any]) -> None:
    """As JSON that a person can read."""
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
