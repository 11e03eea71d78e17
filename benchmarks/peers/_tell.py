"""The side of the programs: what one has measured, as a line of JSON. Needs nothing else."""

from __future__ import annotations

import json
import sys

QUICK = "--quick" in sys.argv
"""Whether a short measurement will do."""


def tell(row: str, value: float | bool) -> None:
    """One value of a row, in its unit; True or False of a row of yes and no."""
    _print({"row": row, "value": value})


def cannot(row: str, why: str) -> None:
    """This system has no such thing."""
    _print({"row": row, "cannot": why})


def _print(line: dict[str, str | float | bool]) -> None:
    print(json.dumps(line), flush=True)
