"""Every example runs, offline, and prints what the index says.

Those that need no process of their own run in this one, with the models of `embedded`; with
``RXVOICE_THOROUGH=1`` each is a process with its own models.
"""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest
from embedded import shared
from screen import on_a_screen
from thorough import THOROUGH

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
INDEX = (ROOT / "examples" / "README.md").read_text("utf-8")
REAL = {it.stem for it in EXAMPLES} if THOROUGH else {"seven_operators"}
"""A process with its own models."""
PROCESSES = {
    "fastapi_app",  # its server ends with the process
    "qt_app",
    "tk_app",
}
SLOW = {*REAL, *PROCESSES, "assistant_tools", "two_assistants"}
QUICK = """
import runpy, sys
from embedded import shared
with shared():
    runpy.run_path(sys.argv[1], run_name="__main__")
"""
LOOKED_AT: set[str] = set()
if which("xvfb-run") and find_spec("PySide6") and not THOROUGH:
    LOOKED_AT = {"qt_app", "tk_app"}
"""tests/ui/test_windows.py runs them, compares what they print, and takes a picture."""


@pytest.mark.models
@pytest.mark.parametrize(
    "example",
    [
        pytest.param(it, id=it.stem, marks=[pytest.mark.slow] if it.stem in SLOW else [])
        for it in EXAMPLES
        if it.stem not in LOOKED_AT
    ],
)
def test_it_prints_what_the_index_says(
    example: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if example.stem in REAL:
        printed = as_a_process(example, tmp_path, str(example))
    elif example.stem in PROCESSES:
        printed = as_a_process(example, tmp_path, "-c", QUICK, str(example))
    else:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(example)])
        with shared():
            runpy.run_path(str(example), run_name="__main__")
        printed = capsys.readouterr().out
    expected = wanted(example)
    assert expected
    for line in expected:
        assert line in printed.splitlines(), printed


def wanted(example: Path) -> list[str]:
    """What it prints, by the index."""
    row = next(line for line in INDEX.splitlines() if f"]({example.name})" in line)
    return re.findall(r"`(.+?)`", row.rsplit("|", 2)[1])


def as_a_process(example: Path, folder: Path, *program: str) -> str:
    """What it prints as a program of its own."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    screen = on_a_screen() if example.stem == "tk_app" else []
    done = subprocess.run(
        [*screen, sys.executable, "-W", "error", *program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short_and_says_how_to_run_it(example: Path) -> None:
    text = example.read_text("utf-8")
    assert len(text.splitlines()) <= 60
    assert f"python examples/{example.name}" in text.split('"""')[1]


@pytest.mark.parametrize(
    ("name", "module", "extras"),
    [
        ("fastapi_app", "fastapi", "offline,web"),
        ("metrics_and_spans", "prometheus_client", "offline,otel,serve"),
        ("qt_app", "PySide6", "offline,qt"),
        ("realtime_client", "openai", "serve,remote,offline"),
        ("remote_async", "openai", "remote"),
    ],
)
def test_one_whose_extra_is_missing_says_which(
    name: str, module: str, extras: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = str(ROOT / "examples" / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [path])
    # Python prints what it is given in place of a status, and ends with 1.
    with pytest.raises(SystemExit, match=re.escape(f"pip install 'rxvoice[{extras}]'")) as ended:
        runpy.run_path(path, run_name="__main__")
    assert isinstance(ended.value.code, str)


def test_the_index_lists_every_example() -> None:
    assert set(re.findall(r"\]\((\w+\.py)\)", INDEX)) == {path.name for path in EXAMPLES}
