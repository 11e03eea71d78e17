"""The rows as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["cell", "table"]


def table(found: dict[str, Any]) -> Iterator[str]:
    """The lines."""
    for row in found["rows"]:
        yield f"{row['question']}  {row['what']}: {row['name']}"
        for system, figure in row["figures"].items():
            why = figure.get("cannot") or figure.get("missing") or ""
            yield f"   {system:10} {cell(row, figure)}" + (f": {why}" if why else "")


def cell(row: dict[str, Any], figure: dict[str, Any]) -> str:
    """A figure: ``1.8 ms (1.6 to 2.1), x 6.4``."""
    if "cannot" in figure:
        return "has no such thing"
    if "yes" in figure:
        yes, rounds = figure["yes"], figure["rounds"]
        if yes in (0, rounds):
            return "yes" if yes else "no"
        return f"yes in {yes} of {rounds}"
    if "median" not in figure:
        return "not measured here"
    low, high = number(figure["low"]), number(figure["high"])
    spread = f" ({low} to {high})" if low != high else ""
    ratio = f", x {number(figure['ratio'])}" if figure.get("ratio", 1) != 1 else ""
    return f"{number(figure['median'])} {row['unit']}".rstrip() + spread + ratio


def number(value: float) -> str:
    """Three digits, and no exponent."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.1g}"
