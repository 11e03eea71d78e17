"""Forks of one warm process: pytest with all tests collected, in which each fork runs a few.

A fork that is to run against a mutant gets its code into the live functions, which is possible
for what is within a function. The other mutants, and tests that are measured, get a process that
has imported no file of rxvoice yet: `cold`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.machinery
import math
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import BinaryIO

import pytest

_MEMORY = 4 * 2**30  # bytes of address space beyond that of the warm process


@dataclass(frozen=True)
class Outcome:
    """What became of some tests: `killer` is the one that failed, "" if none did."""

    killer: str
    how: str
    seconds: float
    ran: int


class NeedsCold(Exception):
    """The mutant cannot be put into live functions."""


class Runner:
    """A pytest plugin that hands the collected tests to `use` instead of running them all."""

    def __init__(self, use: Callable[[Runner, pytest.Session], None]) -> None:
        self._use = use
        self.failure = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._use(self, session)
        return True

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failure:
            self.failure = f"{report.when}: {str(report.longrepr).splitlines()[-1:]}"

    def run(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        """Run one test. Returns whether it passed."""
        self.failure = ""
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return not self.failure


def main(tests: Iterable[str], marks: str, use: Callable[[Runner, pytest.Session], None]) -> int:
    """Collect the tests in this process and call `use` with them."""
    options = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--capture=sys",
        "-m",
        marks,
        "-o",
        "timeout=0",
    ]
    return pytest.main([*options, *tests], plugins=[Runner(use)])


def forked(work: Callable[[BinaryIO], None], patience: Callable[[bytes], float]) -> Iterator[bytes]:
    """Run it in a fork, and give the lines that it writes.

    A fork that writes nothing for longer than `patience` of its last line is ended; the last line
    that comes of it is then ``b"hung"``. It is ``b"died"`` if the fork ends before `work` does.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.setsid()
        try:
            with os.fdopen(writing, "wb", buffering=0) as out:
                work(out)
                out.write(b"end\n")
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
    os.close(writing)
    last, buffer, ended = b"", b"", b"died"
    try:
        while True:
            if not select.select([reading], [], [], patience(last))[0]:
                ended = b"hung"
                break
            some = os.read(reading, 65536)
            if not some:
                break
            buffer += some
            *lines, buffer = buffer.split(b"\n")
            for last in lines:
                if last == b"end":
                    ended = b""
                else:
                    yield last
    finally:
        os.close(reading)
        # Its programs too, which are in its session.
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError):
                end(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if ended:
        yield ended


def outcome(
    names: list[str], seconds: dict[str, float], start: Callable[[BinaryIO], None]
) -> Outcome:
    """Run the tests in a fork until one fails; `start` runs them there, with `run_all`.

    If it writes ``passed``, what comes after that does not matter.
    """
    began = time.monotonic()

    def patience(line: bytes) -> float:
        if not line.isdigit():
            return 90.0
        return 6.0 + 20 * seconds.get(names[int(line)], 1.0)

    at = -1
    for line in forked(start, patience):
        if line.isdigit():
            at = int(line)
            continue
        if line == b"cold":
            raise NeedsCold
        if line == b"passed":
            break
        how = line.decode("utf-8", "replace")
        killer = names[at] if at >= 0 else "import"
        return Outcome(killer, how, time.monotonic() - began, at + 1)
    return Outcome("", "", time.monotonic() - began, at + 1)


def run_all(
    runner: Runner, items: list[pytest.Item], seconds: dict[str, float], out: BinaryIO
) -> None:
    """In a fork: run the tests until one fails, and write which."""
    _quiet()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    for at, item in enumerate(items):
        out.write(b"%d\n" % at)
        # An endless loop is over sooner by this than by the parent's patience.
        most = math.ceil(time.process_time() + 2 + 2 * seconds.get(item.nodeid, 1.0))
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
        following = items[at + 1] if at + 1 < len(items) else None
        if not runner.run(item, following):
            out.write(f"failed {runner.failure}\n".encode())
            return


def _quiet() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)


def live_functions() -> dict[str, list[FunctionType]]:
    """All functions of this process by the path of their file."""
    found: dict[str, list[FunctionType]] = {}
    for it in gc.get_objects():
        if type(it) is FunctionType:
            found.setdefault(it.__code__.co_filename, []).append(it)
    return found


def put_into(functions: list[FunctionType], original: CodeType, changed: CodeType) -> None:
    """Give the live functions of a file their code of the changed file.

    Raises:
        NeedsCold: the variables that a function takes from around it are others, or none is live.
    """
    new = dict(_by_place(changed))
    swaps = {code: new[place] for place, code in _by_place(original) if place in new}
    swaps = {code: other for code, other in swaps.items() if code != other}
    changes = [(it, swaps[it.__code__]) for it in functions if it.__code__ in swaps]
    if not changes:
        raise NeedsCold
    for it, code in changes:
        try:
            it.__code__ = code
        except ValueError as error:
            raise NeedsCold from error


def _by_place(code: CodeType) -> Iterator[tuple[tuple[str, int, int], CodeType]]:
    """All code objects of a file, each with its place, which a mutant does not change."""
    seen: dict[tuple[str, int], int] = {}
    waiting = [code]
    while waiting:
        it = waiting.pop()
        if it is not code:
            key = (it.co_qualname, it.co_firstlineno)
            seen[key] = seen.get(key, -1) + 1
            yield (*key, seen[key]), it
        waiting += [const for const in it.co_consts if isinstance(const, CodeType)]


class _Loader(importlib.abc.Loader):
    def __init__(self, code: CodeType) -> None:
        self._code = code

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        package = [str(Path(self._path).parent)] if self._path.endswith("__init__.py") else None
        spec = importlib.machinery.ModuleSpec(
            fullname, _Loader(self._code), origin=self._path, is_package=package is not None
        )
        spec.has_location = True
        if package:
            spec.submodule_search_locations = package
        return spec


def import_as(file: str, path: str, code: CodeType) -> None:
    """Make the import of this file of rxvoice give that code."""
    parts = file.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    name = ".".join(parts)
    if name in sys.modules:
        raise RuntimeError(f"{name} is imported already: no test would see its mutant")
    sys.meta_path.insert(0, _Finder(name, path, code))
