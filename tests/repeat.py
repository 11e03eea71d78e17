"""Runs the tests again and again, and says how often each failed: ``make repeat N=20 BUSY=1``.

``python tests/repeat.py [--busy] N COMMAND...`` runs a pytest command N times, whatever fails. With
--busy, as many processes as there are cores compute beside it. ``out/repeat`` has what each run
printed, and its report.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

OUT = Path("out") / "repeat"


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Have so many processes compute for as long as this lasts."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(processes):
            # Each ends with this process, however that ends: its input is closed then.
            code = (
                "import sys, threading, os\n"
                "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()\n"
                "while True: pass"
            )
            running.append(subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE))
        yield
    finally:
        for it in running:
            it.kill()
            it.communicate()


def failed(report: Path, status: int) -> list[str]:
    """The tests that failed in a run; without a report, the run itself."""
    if not report.exists():
        return [f"no report: the run ended with {status}"]
    found = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in ElementTree.parse(report).iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return found or [f"no test: the run ended with {status}"] * bool(status)


def repeat(command: list[str], times: int, *, out: Path = OUT) -> Counter[str]:
    """Run the command so often. Returns how often each test failed; ctrl-c ends it early."""
    out.mkdir(parents=True, exist_ok=True)
    failures: Counter[str] = Counter()
    for number in range(1, times + 1):
        report, log = out / f"{number}.xml", out / f"{number}.log"
        report.unlink(missing_ok=True)
        began = time.monotonic()
        try:
            with log.open("wb") as file:
                done = subprocess.run(
                    [*command, f"--junitxml={report}"],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
        except KeyboardInterrupt:
            break
        wrong = failed(report, done.returncode)
        failures.update(set(wrong))
        seconds = time.monotonic() - began
        print(f"run {number} of {times}: {len(wrong)} failed, {seconds:.0f} s", flush=True)
    return failures


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("times", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    with busy((os.cpu_count() or 1) if asked.busy else 0):
        failures = repeat(asked.command, asked.times)
    for name, count in failures.most_common():
        print(f"{count} of {asked.times}  {name}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
