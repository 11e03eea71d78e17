"""The run itself, in a copy of the repository: ``python -m tests.mutation`` starts it there."""

from __future__ import annotations

import argparse
import ast
import gc
import itertools
import json
import random
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType
from typing import BinaryIO

import numpy
import pydantic
import pytest
import reactivex.testing
import sounddevice
import soundfile
import soxr

from tests.mutation import scope, warm
from tests.mutation.measured import Measured, measured
from tests.mutation.mutators import Mutant, mutants_of, mutated

# What a fork need not import again. Not hypothesis, whose assertions pytest rewrites as it comes.
_HAD = (numpy, pydantic, reactivex.testing, sounddevice, soundfile, soxr)


@dataclass(frozen=True)
class Result:
    """What became of a mutant."""

    mutant: Mutant
    source: str
    killer: str
    how: str
    seconds: float
    tests: int


class Work:
    """One run over some mutants."""

    def __init__(self, root: Path, known: Measured) -> None:
        self._root = root
        self._known = known
        self._killers: dict[tuple[str, str], list[str]] = {}
        self._flaky: set[str] = set()

    def run(self, mutants: list[Mutant]) -> list[Result]:
        """Run them all: in the warm process those that can be, and the others cold."""
        results: dict[Mutant, Result] = {}
        warmly = [it for it in mutants if it.in_body and self._executing(it)]
        for line in warm.forked(lambda out: self._warm(warmly, out), lambda _: 3600.0):
            if line.startswith(b"{"):
                told = json.loads(line)
                mutant = warmly[told.pop("at")]
                results[mutant] = self._result(mutant, warm.Outcome(**told))
        for mutant in mutants:
            # A survivor may owe its life to what was calculated when its file was imported.
            if mutant not in results or not results[mutant].killer:
                outcome = self._cold(mutant, names := self._tests(mutant))
                while outcome.killer in names and self._cold(None, [outcome.killer]).killer:
                    print("failed without a mutant too:", outcome.killer, flush=True)
                    self._flaky.add(outcome.killer)
                    outcome = self._cold(mutant, names := self._tests(mutant))
                results[mutant] = self._result(mutant, outcome)
        return [results[it] for it in mutants]

    def _result(self, mutant: Mutant, outcome: warm.Outcome) -> Result:
        how = outcome.how if outcome.ran or outcome.killer else "no test executes it"
        print(
            f"{'killed  ' if outcome.killer else 'SURVIVED'} {outcome.seconds:5.1f} s "
            f"{outcome.ran:5} {mutant.file}:{mutant.line} {mutant.name}",
            flush=True,
        )
        return Result(mutant, _source(mutant), outcome.killer, how, outcome.seconds, outcome.ran)

    def _tests(self, mutant: Mutant) -> list[str]:
        """The tests that may notice it, the best first.

        For what runs only as its file is imported, those are all tests that need the file.
        """
        by_line = self._known.lines[mutant.file]
        found = self._executing(mutant)
        if not (mutant.in_body and found):
            found = set[str]().union(*by_line.values())
        found = found - self._flaky
        stem = Path(mutant.file).stem.strip("_")
        if "_conversation" in mutant.file:
            stem = "converse"
        own = [it for it in found if stem in it.partition("::")[0]]
        earlier = self._killers.get((mutant.file, mutant.function), [])
        first = [it for it in earlier if it in found]
        ordered = [*first, *self._mixed(own), *self._mixed([*found])]
        return list(dict.fromkeys(ordered))

    def _executing(self, mutant: Mutant) -> set[str]:
        by_line = self._known.lines[mutant.file]
        found = set[str]().union(*(by_line.get(it, ()) for it in mutant.lines))
        return found or by_line.get(mutant.statement, set())

    def _mixed(self, tests: list[str]) -> list[str]:
        """The quickest of each file, then the next of each."""
        tests.sort(key=lambda it: (it.partition("::")[0], self._known.seconds[it], it))
        files = [list(own) for _, own in itertools.groupby(tests, lambda it: it.partition("::")[0])]
        rounds = itertools.zip_longest(*files)
        return [it for each in rounds for it in each if it is not None]

    def _codes(self, mutant: Mutant) -> tuple[str, CodeType, CodeType]:
        path = str(self._root / mutant.file)
        source = Path(path).read_text("utf-8")
        changed = compile(mutated(mutant.file, source, mutant.number), path, "exec")
        return path, compile(ast.parse(source), path, "exec"), changed

    def _warm(self, mutants: list[Mutant], out: BinaryIO) -> None:
        def use(runner: warm.Runner, session: pytest.Session) -> None:
            items = {it.nodeid: it for it in session.items}
            live = warm.live_functions()
            gc.freeze()

            def one(mutant: Mutant | None, names: list[str]) -> warm.Outcome:
                def start(told: BinaryIO) -> None:
                    if mutant is not None:
                        path, original, changed = self._codes(mutant)
                        try:
                            warm.put_into(live.get(path, []), original, changed)
                        except warm.NeedsCold:
                            told.write(b"cold\n")
                            return
                    warm.run_all(runner, [items[it] for it in names], self._known.seconds, told)

                return warm.outcome(names, self._known.seconds, start)

            for at, mutant in enumerate(mutants):
                names = [it for it in self._tests(mutant) if it in items]
                try:
                    outcome = one(mutant, names)
                    while outcome.killer in items and one(None, [outcome.killer]).killer:
                        self._flaky.add(outcome.killer)
                        names = [it for it in names if it not in self._flaky]
                        outcome = one(mutant, names)
                except warm.NeedsCold:
                    continue
                if outcome.killer:
                    earlier = self._killers.setdefault((mutant.file, mutant.function), [])
                    earlier[:] = [outcome.killer, *(it for it in earlier if it != outcome.killer)]
                out.write(json.dumps({"at": at, **asdict(outcome)}).encode() + b"\n")
            if self._flaky:
                print("failed without a mutant too:", *sorted(self._flaky), flush=True)

        warm.main(self._known.files, scope.MARKS, use)

    def _cold(self, mutant: Mutant | None, names: list[str]) -> warm.Outcome:
        """Run the tests in a process that has imported no file of rxvoice yet."""
        if not names:
            return warm.Outcome("", "", 0.0, 0)

        def start(told: BinaryIO) -> None:
            if mutant is not None:
                path, _, changed = self._codes(mutant)
                warm.import_as(mutant.file, path, changed)

            def use(runner: warm.Runner, session: pytest.Session) -> None:
                found = {it.nodeid: it for it in session.items}
                own = [found[it] for it in names if it in found]
                warm.run_all(runner, own, self._known.seconds, told)
                told.write(b"passed\n") if not runner.failure else None

            files = dict.fromkeys(it.partition("::")[0] for it in names)
            code = warm.main(files, scope.MARKS, use)
            if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
                told.write(f"failed the tests could not be collected ({code})\n".encode())

        return warm.outcome(names, self._known.seconds, start)


def _source(mutant: Mutant) -> str:
    return Path(mutant.file).read_text("utf-8").splitlines()[mutant.line - 1].strip()


def main() -> None:
    """Run mutants chosen by a seed, or those that are named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--again", type=Path, help="a result: run its survivors")
    parser.add_argument("--files", default="", help="only files whose path contains one of these")
    parser.add_argument("--unmeasured", action="store_true", help="with the tests measured so far")
    parser.add_argument("--part", default="1/1", help="2/3: the second of three parts")
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    root = Path.cwd()
    known = measured(root, given.kept, only_kept=given.unmeasured)
    wanted = given.files.split(",")
    files = [it for it in scope.mutated_files(root) if any(name in it for name in wanted)]
    every = [it for file in files for it in mutants_of(file, (root / file).read_text("utf-8"))]
    if given.again:
        before = json.loads(given.again.read_text("utf-8"))["survivors"]
        survived = {(it["file"], it["function"], it["mutation"], it["source"]) for it in before}
        chosen = [it for it in every if (it.file, it.function, it.name, _source(it)) in survived]
    else:
        chosen = random.Random(given.seed).sample(every, min(given.count, len(every)))
    part, parts = map(int, given.part.split("/"))
    chosen = chosen[part - 1 :: parts]
    print(f"{len(every)} mutants in {len(files)} files, {len(known.seconds)} tests", flush=True)
    results = Work(root, known).run(chosen)
    survivors = [
        {
            "file": it.mutant.file,
            "line": it.mutant.line,
            "function": it.mutant.function,
            "kind": it.mutant.kind,
            "source": it.source,
            "mutation": it.mutant.name,
            "tests": it.tests,
        }
        for it in results
        if not it.killer
    ]
    killed = [
        f"{it.mutant.file}:{it.mutant.line} {it.mutant.name} | {it.killer} | {it.how}"
        for it in results
        if it.killer
    ]
    report = {
        "seed": given.seed,
        "count": len(results),
        "of": len(every),
        "killed": len(killed),
        "survivors": survivors,
        "kills": killed,
    }
    given.out.write_text(json.dumps(report, indent=1), "utf-8")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
