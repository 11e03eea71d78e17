"""The programs of the rows, in rounds, so that what disturbs the machine disturbs all alike."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.peers._env import ROOT
from benchmarks.peers._row import Cannot, Probe, Row, Value

QUICK_ROUNDS = 2


@dataclass
class Answer:
    """What one system answered to one row.

    Args:
        values: one for each round that came to its end.
        cannot: why the system has no such thing.
        missing: why it was not measured here.
    """

    values: list[Value] = field(default_factory=list[Value])
    cannot: str = ""
    missing: str = ""


Answers = dict[str, dict[str, Answer]]
"""By the name of the row and the system."""


@dataclass
class _Job:
    """A program, and the rows that it answers."""

    system: str
    probe: Probe
    rows: list[str] = field(default_factory=list[str])
    rounds: int = 0
    failed: bool = False


def run(
    rows: Iterable[Row],
    pythons: Mapping[str, Path | str],
    told: Callable[[str], None],
    *,
    quick: bool = False,
) -> Answers:
    """Measure.

    Args:
        pythons: the interpreter of each system, or why there is none.
        told: takes a line on the progress.
        quick: two rounds, and programs that are content with little.
    """
    answers: Answers = {}
    groups: list[list[_Job]] = []
    for row in rows:
        answers[row.name] = {name: Answer() for name in row.by}
        mine: list[_Job] = []
        for system, by in row.by.items():
            if isinstance(by, Cannot):
                answers[row.name][system].cannot = by.why
            elif isinstance(python := pythons[system], str):
                answers[row.name][system].missing = python
            else:
                job = _job(system, by, groups)
                job.rows.append(row.name)
                job.rounds = max(job.rounds, min(row.rounds, QUICK_ROUNDS if quick else row.rounds))
                mine.append(job)
        _join(mine, groups)
    for group in groups:
        for turn in range(max(job.rounds for job in group)):
            first = turn % len(group)  # each round begins with another one
            for job in [*group[first:], *group[:first]]:
                if turn < job.rounds and not job.failed:
                    what = " ".join(job.probe.command)
                    told(f"round {turn + 1} of {job.rounds}, {job.system}: {what}")
                    python = pythons[job.system]
                    line = [str(python), "-m", *job.probe.command, *(["--quick"] if quick else [])]
                    _once(job, line, answers, told)
    return answers


def _job(system: str, probe: Probe, groups: list[list[_Job]]) -> _Job:
    for job in (job for group in groups for job in group):
        if job.system == system and job.probe.command == probe.command:
            return job
    return _Job(system, probe)


def _join(mine: list[_Job], groups: list[list[_Job]]) -> None:
    """The programs of a row take turns, with those of rows that share one of them."""
    for group in [it for it in groups if any(job in mine for job in it)]:
        groups.remove(group)
        mine = [*group, *(job for job in mine if job not in group)]
    if mine:
        groups.append(mine)


def _once(job: _Job, line: list[str], answers: Answers, told: Callable[[str], None]) -> None:
    """One round of a program."""
    values: dict[str, list[Value]] = defaultdict(list)
    why = ""
    try:
        done = subprocess.run(
            line,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=job.probe.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        why = f"took longer than {job.probe.timeout_s:g} s"
    else:
        if done.returncode:
            why = "; ".join([f"ended with {done.returncode}", *done.stderr.splitlines()[-1:]])
        for text in done.stdout.splitlines():
            if text.startswith('{"row"'):  # some peers greet
                it = json.loads(text)
                if it["row"] not in job.rows:
                    continue  # of a row that is not asked for
                if "cannot" in it:
                    answers[it["row"]][job.system].cannot = it["cannot"]
                else:
                    values[it["row"]].append(it["value"])
    for name in job.rows:
        answer = answers[name][job.system]
        if name in values:
            answer.values.append(_middle(values[name]))
        elif not answer.cannot:
            answer.missing = why or f"{' '.join(job.probe.command)} told nothing of it"
            job.failed = True
    if job.failed:
        told(f"{job.system}: {answers[job.rows[-1]][job.system].missing}")


def _middle(values: list[Value]) -> Value:
    """The median; of yes and no, whether all were yes."""
    return all(values) if isinstance(values[0], bool) else float(median(values))
