"""Which test executes which lines, and how long it takes: measured once for each file of tests."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import BinaryIO

import coverage
import pytest

from tests.mutation import scope, warm

_LONGEST = 2.0  # seconds; a test that takes longer is left out


@dataclass(frozen=True)
class Measured:
    """What was measured of the tests that pass and are quick."""

    files: list[str]
    seconds: dict[str, float]
    lines: dict[str, dict[int, set[str]]]
    """For each mutated file and each of its lines, the tests."""


def measured(root: Path, kept: Path, *, only_kept: bool = False) -> Measured:
    """Measure the tests whose file has changed since; `kept` is the folder of earlier results.

    Where a file of rxvoice has changed since, its lines are found again by their text, and a new
    line has the tests of the one before it. That may miss a test, never a mutant.
    """
    kept.mkdir(parents=True, exist_ok=True)
    sources = {it: (root / it).read_text("utf-8") for it in scope.mutated_files(root)}
    digest = _hash(json.dumps(sources).encode())
    names = scope.test_files(root)
    paths = {it: kept / f"tests-{_hash((root / it).read_bytes())}.json" for it in names}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing and not only_kept:
        (kept / f"sources-{digest}.json").write_text(json.dumps(sources), "utf-8")
        print(f"measuring {len(missing)} files of tests", flush=True)
        for _ in warm.forked(
            lambda out: _measure([*sources], paths, digest, missing, out), lambda _: 600.0
        ):
            pass
    seconds: dict[str, float] = {}
    lines: dict[str, dict[int, set[str]]] = {name: {} for name in sources}
    for name, path in paths.items():
        if not path.exists():
            names.remove(name)
            continue
        kept_one = json.loads(path.read_text("utf-8"))
        known = _places(kept / f"sources-{kept_one['sources']}.json", sources)
        for test, (took, passed, executed) in kept_one["tests"].items():
            if not passed or took > _LONGEST:
                continue
            seconds[test] = took
            for file, numbers in executed.items():
                for number in (at for it in numbers for at in known[file].get(it, ())):
                    lines[file].setdefault(number, set()).add(test)
    return Measured(names, seconds, lines)


@cache
def _read(path: Path) -> dict[str, str]:
    return json.loads(path.read_text("utf-8"))


_found: dict[Path, dict[str, dict[int, list[int]]]] = {}


def _places(then: Path, sources: dict[str, str]) -> dict[str, dict[int, list[int]]]:
    """For each line of each file as it was then: where it stands, and what is new after it."""
    if then not in _found:
        before = _read(then)
        _found[then] = {
            it: _moved(before[it].splitlines(), sources.get(it, "").splitlines()) for it in before
        }
    return _found[then]


def _moved(before: list[str], now: list[str]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    last = 1
    for tag, a, b, c, d in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        if tag == "equal":
            found.update({a + at + 1: [c + at + 1] for at in range(b - a)})
            last = b
        else:
            for at in {*range(a + 1, b + 1), last}:
                found.setdefault(at, []).extend(range(c + 1, d + 1))
    return found


def _measure(
    mutated: list[str], paths: dict[str, Path], digest: str, missing: list[str], out: BinaryIO
) -> None:
    watched = coverage.Coverage(
        data_file=None, include=["rxvoice/*"], branch=False, config_file=False
    )
    watched.start()

    def use(runner: warm.Runner, session: pytest.Session) -> None:
        # Here, in a fork: the process itself must not have imported what is mutated.
        from rxvoice._answers import clock
        from rxvoice._threads import async_loop

        own: dict[str, tuple[float, bool, dict[str, list[int]]]] = {}
        for at, item in enumerate(session.items):
            out.write(b"%d\n" % at)
            following = session.items[at + 1] if at + 1 < len(session.items) else None
            began = time.monotonic()
            watched.switch_context(item.nodeid)
            passed = runner.run(item, following)
            watched.switch_context("")
            own[item.nodeid] = (round(time.monotonic() - began, 4), passed, {})
            if following is None or _file(following.nodeid) != _file(item.nodeid):
                watched.stop()
                for file, line, test in _executed(watched, mutated):
                    if test in own:
                        own[test][2].setdefault(file, []).append(line)
                told = json.dumps({"sources": digest, "tests": own})
                paths[_file(item.nodeid)].write_text(told, "utf-8")
                own.clear()
                watched.erase()
                # No thread that began before is measured: the next file has others.
                async_loop._shared.end()
                async_loop._shared.forget()
                clock._timers.cache_clear()
                watched.start()

    code = warm.main(missing, scope.MARKS, use)
    watched.stop()
    for name in (
        missing if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else ()
    ):  # a file of which no test is left by the marks
        if not paths[name].exists():
            paths[name].write_text(json.dumps({"sources": digest, "tests": {}}), "utf-8")


def _executed(watched: coverage.Coverage, mutated: list[str]) -> Iterator[tuple[str, int, str]]:
    data = watched.get_data()
    for path in data.measured_files():
        file = Path(path).relative_to(Path.cwd()).as_posix()
        if file in mutated:
            for line, contexts in data.contexts_by_lineno(path).items():
                yield from ((file, line, test) for test in contexts)


def _file(test: str) -> str:
    return test.partition("::")[0]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]
