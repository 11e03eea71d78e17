"""Coverage-guided fuzzing of every boundary: `make fuzz`, or ``python -m tests.fuzz --help``.

Each target runs in a process of its own. What it finds is written to ``out/fuzz/TARGET/``: mend the
fault, and put the input into ``tests/fuzz/corpus/TARGET/``, which the usual tests try.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "fuzz"
_LONGEST = 1 << 16  # bytes of an input


def main() -> int:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]
    os.environ.setdefault("MLX_DISABLE_COMPILE", "1")
    os.environ["HF_HUB_OFFLINE"] = "1"
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "target", nargs="*", help="boundaries, by name; all of them if none is named"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--list", action="store_true", help="name the boundaries")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if find_spec("atheris") is None:
        print(
            "Coverage-guided fuzzing needs atheris, which has wheels for CPython 3.11 to 3.13 on "
            "Linux x86-64: pip install atheris. Elsewhere RXVOICE_THOROUGH=1 pytest tests/fuzz "
            "tries inputs that are made at random.",
            file=sys.stderr,
        )
        return 2
    if options.one:
        return _fuzz(options.target[0], options.seconds)
    from fuzz.targets import BY_NAME

    if options.list:
        print(*BY_NAME, sep="\n")
        return 0
    if unknown := [it for it in options.target if it not in BY_NAME]:
        parser.error(f"no target {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    failed = [it for it in options.target or BY_NAME if not _is_harmless(it, options.seconds)]
    if failed:
        print(f"Faults at: {', '.join(failed)}. The inputs are in {OUT}.")
    return 1 if failed else 0


def _is_harmless(name: str, seconds: int) -> bool:
    """Fuzz a target in a process of its own, and say how it went."""
    (OUT / name).mkdir(parents=True, exist_ok=True)
    log = OUT / f"{name}.log"
    command = [sys.executable, "-m", "tests.fuzz", "--one", "--seconds", str(seconds), name]
    with log.open("wb") as file:
        done = subprocess.run(command, cwd=ROOT, stdout=file, stderr=file, check=False)
    told = log.read_text("utf-8", "replace").splitlines()
    last = next((it for it in reversed(told) if it.startswith("#")), "no input was tried")
    done_runs = next((it for it in told if it.startswith("Done ")), last)
    print(f"{name}: {done_runs.strip()}" + ("" if done.returncode == 0 else f"; see {log}"))
    return done.returncode == 0


def _fuzz(name: str, seconds: int) -> int:
    """Fuzz a target in this process, which libFuzzer ends."""
    import atheris

    # Only rxvoice's own branches are of interest. What it imports late is imported here.
    with atheris.instrument_imports(include=["rxvoice"]):
        import random

        from fuzz.targets import BY_NAME

        target = BY_NAME[name]
        for seed in target.seeds():
            target(seed)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        choices = random.Random(seed)
        if choices.random() < 0.3:
            return atheris.Mutate(data, most)
        return target.mutated(data, choices.randbytes(choices.choice((8, 30, 80))))[:most]

    grown = OUT / name / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    arguments = [
        *(sys.argv[0], str(grown), str(ROOT / "tests" / "fuzz" / "corpus" / name)),
        *(f"-max_total_time={seconds}", f"-max_len={_LONGEST}", "-timeout=120"),
        *("-rss_limit_mb=6144", "-print_final_stats=1", f"-artifact_prefix={OUT / name}/"),
    ]
    atheris.Setup(arguments, target, custom_mutator=mutate)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
