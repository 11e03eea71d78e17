"""The time of `import rxvoice`, against importing only what it depends on."""

from __future__ import annotations

import subprocess
import sys

from benchmarks._measure import Result, median

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(module: str) -> float:
    """How long the import takes in a fresh interpreter."""
    command = [sys.executable, "-c", CODE.format(module)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def measure() -> list[Result]:
    """Measure both alternately, each in a fresh interpreter."""
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(11):
        ours.append(seconds("rxvoice"))
        floor.append(seconds("reactivex, numpy"))
    value, other = median(ours), median(floor)
    against = f"reactivex and numpy: {other:.3f}"
    return [Result("import rxvoice", value, "s", against, value / other, 0.3, "value")]
