"""Beside pipecat, livekit-agents and mlx-audio: ``python -m benchmarks.peers``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.peers import _env, _figures, _table
from benchmarks.peers._row import SYSTEMS, Probe
from benchmarks.peers._rows import ROWS
from benchmarks.peers._run import run

KEPT = _env.ROOT / "docs" / "measured.json"


def main(argv: list[str] | None = None) -> int:
    """Measure, write the file and print the table. Return 1 if rxvoice could not be measured."""
    names = [row.name for row in ROWS]
    options = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    options.add_argument(
        "--only", action="append", choices=names, metavar="ROW", help=f"of {', '.join(names)}"
    )
    options.add_argument("--quick", action="store_true", help="two short rounds, to try it")
    options.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="where the figures go: else into docs/measured.json, and nowhere with --quick",
    )
    chosen = options.parse_args(argv)
    kept: Path | None = chosen.json or (None if chosen.quick else KEPT)
    rows = tuple(row for row in ROWS if not chosen.only or row.name in chosen.only)

    pythons: dict[str, Path | str] = {}
    for system in SYSTEMS:
        if not any(isinstance(row.by[system], Probe) for row in rows):
            pythons[system] = "not asked"
            continue
        try:
            pythons[system] = _env.interpreter(system, _told)
        except _env.NotInstalled as error:
            pythons[system] = f"cannot be installed here: {error}"
            _told(f"{_env.version(system)} {pythons[system]}")
    found = _figures.document(
        rows, run(rows, pythons, _told, quick=chosen.quick), quick=chosen.quick
    )
    print(*_table.table(found), sep="\n")
    if kept:
        if chosen.only and kept.is_file():
            try:
                old = json.loads(kept.read_text("utf-8"))
                found = _figures.merged(old, found, tuple(names))
            except ValueError as error:
                print(f"{kept} is not changed: {error}", file=sys.stderr)
                return 1
        _figures.write(kept, found)
    return int(any("missing" in row["figures"]["rxvoice"] for row in found["rows"]))


def _told(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
