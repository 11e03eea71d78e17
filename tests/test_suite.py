"""The tests themselves: none hangs, not in the background either, and the floors can be had."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from devices.virtual_audio import must_be_possible
from floors import PYPROJECT, floors
from screen import on_a_screen

TESTS = Path(__file__).parent

CHILD = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
PARENT = f"""
import signal, subprocess, sys
import conftest
print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


def test_what_a_test_starts_can_be_ended_by_ctrl_c_from_the_background_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT],
        cwd=TESTS,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["False", "True"]


def test_a_test_that_hangs_is_ended(tmp_path: Path) -> None:
    hangs = tmp_path / "test_hangs.py"
    hangs.write_text(
        "import threading\ndef test_it():\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    threading.Event().wait()\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    options = ["-c", str(PYPROJECT), "--rootdir", str(tmp_path), "-o", "timeout=1", str(hangs)]
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Timeout" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("marks", "seconds"), [((), None), (("models",), 300), (("models", "slow"), 600)]
)
def test_marked_tests_have_longer(
    marks: tuple[str, ...], seconds: int | None, request: pytest.FixtureRequest
) -> None:
    from conftest import pytest_collection_modifyitems

    item = pytest.Function.from_parent(request.node.parent, name="it", callobj=lambda: None)
    for mark in marks:
        item.add_marker(mark)
    pytest_collection_modifyitems(request.config, [item])
    found = item.get_closest_marker("timeout")
    assert (found.args[0] if found else None) == seconds


def test_workers_begin_with_what_takes_longest_a_file_or_the_devices_at_a_time() -> None:
    from conftest import longest_first, scope

    class Item:
        def __init__(self, nodeid: str, *marks: str) -> None:
            self.nodeid = nodeid
            named = (it.partition(" ") for it in marks)
            made = ((getattr(pytest.mark, it), to) for it, _, to in named)
            self.marks = [(it(float(to)) if to else it).mark for it, to in made]

        def iter_markers(self) -> list[pytest.Mark]:
            return self.marks

    items = [
        *(Item(f"tests/test_a.py::test_{n}") for n in range(60)),
        Item("tests/devices/test_b.py::test_it", "devices"),
        Item("tests/mlx/test_c.py::test_it[a/b::c]", "models", "slow"),
        Item("tests/devices/test_d.py::test_it", "devices"),
        Item("tests/test_e.py::test_it", "slow 3"),
        Item("tests/test_f.py::test_it", "browser"),
    ]
    longest_first(items)  # type: ignore[arg-type]
    found = list(dict.fromkeys(scope(it.nodeid) for it in items))
    assert found == [
        *("tests/devices", "tests/mlx/test_c.py", "tests/test_e.py"),
        *("tests/test_f.py", "tests/test_a.py"),
    ]
    assert [it.nodeid for it in items[5:]] == [f"tests/test_a.py::test_{n}" for n in range(60)]


@pytest.mark.parametrize("in_ci", [False, True])
def test_off_linux_the_tests_of_devices_are_skipped_with_a_word(
    in_ci: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true" if in_ci else "")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with monkeypatch.context() as mac:
        mac.setattr(sys, "platform", "darwin")
        with pytest.raises(pytest.skip.Exception, match="made with PulseAudio, on Linux"):
            must_be_possible()
    monkeypatch.setattr(sys, "platform", "linux")
    told = pytest.fail.Exception if in_ci else pytest.skip.Exception
    with pytest.raises(told, match=r"no PulseAudio: run \.ci/virtual_audio\.sh install as root"):
        must_be_possible()


@pytest.mark.parametrize("session", ["Aqua", "Background"])
def test_on_a_mac_windows_open_where_there_is_a_session_for_them(
    session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess(["launchctl"], 0, stdout=f"{session}\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(sys, "platform", "darwin")
    if session == "Aqua":
        assert on_a_screen() == []
        return
    with pytest.raises(pytest.skip.Exception, match="no session for windows"):
        on_a_screen()


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_what_is_compiled_is_kept(tmp_path: Path) -> None:
    """Else each worker rewrites all tests, and each program compiles all of rxvoice."""
    shows = tmp_path / "Makefile"
    shows.write_text(
        f'include {TESTS.parent / "Makefile"}\nshow:\n\t@echo "[$$PYTHONDONTWRITEBYTECODE]"\n'
    )
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", str(shows), "show"],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_the_floors_are_those_of_pyproject() -> None:
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    lines = list(floors(project))
    assert "transformers==5.14" in lines
    assert "mlx==0.32.4 ; sys_platform == 'linux'" in lines
    assert not any(line.startswith("rxvoice") for line in lines)
    extras = sum(
        not it.startswith("rxvoice[")
        for each in project["optional-dependencies"].values()
        for it in each
    )
    assert len(lines) == len(project["dependencies"]) + extras


def test_a_dependency_without_a_floor_is_a_mistake() -> None:
    project = {"name": "x", "dependencies": ["numpy"], "optional-dependencies": {}}
    with pytest.raises(ValueError, match=r"'numpy' in pyproject\.toml has no lower bound"):
        list(floors(project))
    project["dependencies"] = ["a[b]>=1.2,<2; python_version > '3'", "x[docs]"]
    assert list(floors(project)) == ["a==1.2 ; python_version > '3'"]


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_ci_runs_what_is_slow_too() -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "test", "test-slow", "test-browser"],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [it.strip('"') for it in re.findall(r'pytest -m (".+?"|\w+)', shown)] == [
        "not (slow or devices or browser)",
        "(slow or devices) and not browser",
        "browser",
    ]
    ci = (TESTS.parent / ".ci" / "run").read_text("utf-8").splitlines()
    assert {"make test", "make test-slow", "make test-browser"} <= set(ci)
