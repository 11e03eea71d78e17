"""All benchmarks: ``python -m benchmarks [--json FILE] [NAME ...]``."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks._measure import Result

NAMES = (
    "import_time",
    "per_chunk",
    "turn_length",
    "long_session",
    "first_audio",
    "silero",
    "voice_activity",
    "never_deaf",
    "prompt_cache",
    "interleaving",
    "live",
    "microphone",
    "speaker",
    "echo",
    "interruption",
    "aio",
    "web",
    "realtime",
    "ears",
    "trace",
    "replay",
)
LONG = ("live_echo", "eot", "wakeword", "gpu", "batching", "mind", "replica", "soak", "precision")
"""Benchmarks that take minutes or want something special; they run only by name."""


def main() -> int:
    """Measure, and print the table and the JSON. Return 1 if a limit is exceeded."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(NAMES)} (without a name: all of these), or {', '.join(LONG)}",
    )
    options.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the results to this file"
    )
    for name, kind, about in (
        ("minutes", float, "soak: how long (30)"),
        ("load", float, "soak: the part of the capacity (0.8)"),
        ("sessions", int, "soak: how many, in place of a part of the capacity"),
    ):
        options.add_argument(f"--{name}", type=kind, metavar="N", help=about)
    chosen = options.parse_args()
    own = {"minutes": chosen.minutes, "load": chosen.load, "sessions": chosen.sessions}
    own = {name: value for name, value in own.items() if value is not None}
    if own and chosen.names != ["soak"]:
        options.error(f"only soak takes --{next(iter(own))}")
    if unknown := set(chosen.names) - {*NAMES, *LONG}:
        known = ", ".join(NAMES + LONG)
        options.error(f"no benchmark {', '.join(sorted(unknown))}; there are {known}")

    results: list[Result] = []
    print(f"{'':4}{'measure':72}{'value':>12}  {'against':32}{'ratio':>8}  limit")
    for name in chosen.names or NAMES:
        for result in import_module(f"benchmarks.{name}").measure(**own):
            results.append(result)
            print(_row(result), flush=True)
    machine = {"python": platform.python_version(), "machine": platform.platform()}
    text = json.dumps({**machine, "results": [{**asdict(r), "ok": r.ok} for r in results]})
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", "utf-8")
    return 0 if all(result.ok for result in results) else 1


def _row(result: Result) -> str:
    limit = "" if result.limit is None else f"{result.limited} <= {result.limit:g}"
    value = f"{result.value:.3g} {result.unit}"
    mark = "ok" if result.ok else "NO"
    return f"{mark:4}{result.name:72}{value:>12}  {result.against:32}{result.ratio:8.2f}  {limit}"


if __name__ == "__main__":
    sys.exit(main())
