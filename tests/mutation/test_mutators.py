"""The mutants of a small file, and that a fork runs them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.mutators import mutants_of, mutated

SOURCE = '''"""A file."""
from typing import TypeAlias

Number: TypeAlias = int
LIMIT = 3


def clamp(value, least=0):
    """A docstring."""
    seen = 0

    def note():
        nonlocal seen
        seen = value
        print("noted")

    if value < least and LIMIT:
        raise ValueError(f"too small: {value + 1}")
    try:
        note()
    except OSError:
        seen = -1
    return min(value, LIMIT) + seen
'''
WANTED = {
    ("", "constant", "3 -> 4"),
    ("", "constant", "3 -> 2"),
    ("", "constant", "0 -> 1"),
    ("", "constant", "0 -> -1"),
    ("clamp", "constant", "0 -> 1"),
    ("clamp", "constant", "0 -> -1"),
    ("clamp.note", "statement", "seen = value -> pass"),
    ("clamp.note", "statement", "print('noted') -> pass"),
    ("clamp", "negation", "value < least and LIMIT -> not (value < least and LIMIT)"),
    ("clamp", "boolean", "value < least and LIMIT -> value < least or LIMIT"),
    ("clamp", "boolean", "value < least and LIMIT -> value < least"),
    ("clamp", "boolean", "value < least and LIMIT -> LIMIT"),
    ("clamp", "comparison", "value < least -> value <= least"),
    ("clamp", "comparison", "value < least -> value >= least"),
    ("clamp", "exception", "raise ValueError(f'too small: {value + 1}') -> pass"),
    ("clamp", "statement", "note() -> pass"),
    ("clamp", "exception", "except OSError: ... -> except OSError: raise"),
    ("clamp", "arithmetic", "-1 -> +1"),
    ("clamp", "constant", "1 -> 2"),
    ("clamp", "constant", "1 -> 0"),
    ("clamp", "arithmetic", "min(value, LIMIT) + seen -> min(value, LIMIT) - seen"),
    ("clamp", "return", "return min(value, LIMIT) + seen -> return None"),
}


def test_the_mutants_of_a_file_are_slips_of_the_hand() -> None:
    found = mutants_of("a.py", SOURCE)
    assert {(it.function, it.kind, it.name) for it in found} == WANTED
    assert [it.number for it in found] == [*range(len(found))]


def test_each_mutant_is_another_program_with_the_lines_of_the_file() -> None:
    plain = ast.unparse(ast.parse(SOURCE))
    seen = {plain}
    for it in mutants_of("a.py", SOURCE):
        tree = mutated("a.py", SOURCE, it.number)
        compile(tree, "a.py", "exec")
        seen.add(ast.unparse(tree))
        after = next(n for n in ast.walk(tree) if isinstance(n, ast.Return))
        assert after.lineno == len(SOURCE.splitlines())
    assert len(seen) == 1 + len(WANTED)


@pytest.mark.parametrize(
    ("wrong", "how"), [("", "passed"), ("value + 1", "failed"), ("9 / 0", "failed")]
)
def test_a_fork_runs_tests_against_changed_code(wrong: str, how: str, tmp_path: Path) -> None:
    """In a process of its own, since this one has threads."""
    (tmp_path / "double.py").write_text("def double(value):\n    return value + value\n")
    (tmp_path / "test_double.py").write_text(
        "from double import double\ndef test_it():\n    assert double(3) == 6\n"
    )
    changed = f"def double(value):\n    return {wrong or 'value * 2'}\n"
    script = f"""
import sys
from tests.mutation import warm
sys.path.insert(0, {str(tmp_path)!r})
def use(runner, session):
    path = {str(tmp_path / "double.py")!r}
    live = warm.live_functions()
    def start(out):
        codes = [compile(it, path, "exec") for it in (open(path).read(), {changed!r})]
        warm.put_into(live[path], *codes)
        warm.run_all(runner, session.items, {{}}, out)
        out.write(b"passed\\n") if not runner.failure else None
    done = warm.outcome([it.nodeid for it in session.items], {{}}, start)
    print("RESULT", done.killer.rpartition("::")[2] or "passed", done.how[:6])
warm.main([{str(tmp_path / "test_double.py")!r}], "", use)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    wanted = {"passed": "RESULT passed", "failed": "RESULT test_it failed"}[how]
    assert wanted in done.stdout, done.stdout + done.stderr
