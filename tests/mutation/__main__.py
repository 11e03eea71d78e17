"""Mutation testing: do the tests notice small changes of the code?

``make mutants SEED=1 COUNT=400`` changes the code in that many places, one at a time, in memory,
and runs the tests that execute the place until one fails. Nothing in the working tree changes: the
run takes place in a copy. `scope.py` says which files, `mutators.py` which changes.

The result is a table, and ``out/mutants/seed-1.json``. ``survivors.toml`` explains the mutants that
no test can notice. It fails if fewer than 97 % are killed, or if a survivor is not explained.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
OUT = ROOT / "out" / "mutants"
EXPLAINED = Path(__file__).with_name("survivors.toml")
WANTED = 0.97


def copy_to(folder: Path) -> None:
    """Copy what git knows, and what it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def explained() -> dict[tuple[str, ...], str]:
    """Why some mutants survive. A mutant is known by its text, so that lines may move."""
    entries = tomllib.loads(EXPLAINED.read_text("utf-8")).get("survivor", [])
    return {key(it): it["why"] for it in entries}


def key(survivor: dict[str, str]) -> tuple[str, ...]:
    """What a survivor is known by."""
    return tuple(survivor[it] for it in ("file", "function", "source", "mutation"))


def main() -> int:
    """Run it, and print the table."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which mutants")
    parser.add_argument("--count", type=int, default=400, help="how many")
    parser.add_argument("--again", action="store_true", help="only the survivors of the last run")
    parser.add_argument("--files", default="", help="only files with one of these in their path")
    parser.add_argument("--unmeasured", action="store_true", help="with the tests measured so far")
    parser.add_argument("--part", default="1/1", help="2/3: the second of three parts")
    given = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    name = f"seed-{given.seed}" + ("" if given.part == "1/1" else f"-{given.part[0]}")
    result = OUT / f"{name}.json"
    command = [sys.executable, "-m", "tests.mutation.work", "--seed", str(given.seed)]
    command += ["--count", str(given.count), "--kept", str(OUT / "measured")]
    command += [
        "--part",
        given.part,
        "--files",
        given.files,
        *(["--unmeasured"] if given.unmeasured else []),
    ]
    if given.again:
        command += ["--again", str(result)]
        result = result.with_name(f"{name}-again.json")
    command += ["--out", str(result)]
    with tempfile.TemporaryDirectory(prefix="rxvoice-mutants-") as folder:
        copy_to(Path(folder))
        env = {**os.environ, "PYTHONPATH": folder, "PYTHONHASHSEED": "0"}
        subprocess.run(command, cwd=folder, env=env, check=True, stdin=subprocess.DEVNULL)
    report = json.loads(result.read_text("utf-8"))
    why = explained()
    print(f"\n{report['killed']} of {report['count']} killed, seed {report['seed']}\n")
    missing = 0
    for it in report["survivors"]:
        reason = why.get(key(it))
        missing += reason is None
        print(f"{it['file']}:{it['line']} in {it['function']}: {it['source']}")
        print(f"    {it['mutation']}")
        print(f"    {reason or 'NOT EXPLAINED'}")
    return int(missing > 0 or report["killed"] < WANTED * report["count"])


if __name__ == "__main__":
    sys.exit(main())
