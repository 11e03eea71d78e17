"""Every example runs, offline, and prints what the index says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from screen import on_a_screen

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
INDEX = (ROOT / "examples" / "README.md").read_text("utf-8")


@pytest.mark.models
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_prints_what_the_index_says(example: Path, tmp_path: Path) -> None:
    row = next(line for line in INDEX.splitlines() if f"]({example.name})" in line)
    expected = re.findall(r"`(.+?)`", row.rsplit("|", 2)[1])
    assert expected
    screen = on_a_screen() if example.stem == "tk_app" else []
    done = subprocess.run(
        [*screen, sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in expected:
        assert line in done.stdout.splitlines(), done.stdout


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
def test_one_whose_extra_is_missing_says_which(name: str, module: str, extras: str) -> None:
    path = str(ROOT / "examples" / f"{name}.py")
    program = (
        f"import sys, runpy; sys.modules[{module!r}] = None; "
        f"runpy.run_path({path!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    said = done.stderr.strip()
    assert f"pip install 'rxvoice[{extras}]'" in said
    assert "Traceback" not in said


def test_the_index_lists_every_example() -> None:
    assert set(re.findall(r"\]\((\w+\.py)\)", INDEX)) == {path.name for path in EXAMPLES}
