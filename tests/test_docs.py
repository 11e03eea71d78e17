"""Every snippet in the documentation runs, and says what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rxvoice.cli import parser

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md"]


def blocks(language: str) -> list[object]:
    """The fenced blocks of a language, each named by its page and line."""
    return [
        pytest.param(
            found[2],
            id=f"{page.name}:{page.read_text('utf-8')[: found.start()].count(chr(10)) + 1}",
        )
        for page in PAGES
        for found in FENCE.finditer(page.read_text("utf-8"))
        if found[1] == language
    ]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout, to write into."""
    (tmp_path / "rxvoice").symlink_to(ROOT / "rxvoice")
    return tmp_path


def environment() -> dict[str, str]:
    # Beside this interpreter is the command, where rxvoice is installed.
    paths = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(paths), "PYTHONPATH": str(ROOT)}


@pytest.mark.models
@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_snippet_runs(code: str, checkout: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for written in re.findall(r'sinks\.wav\("(.*?)"\)', code):
        assert (checkout / written).stat().st_size > 10_000


@pytest.mark.models
@pytest.mark.parametrize("text", blocks("console"))
def test_a_console_snippet_prints_what_it_shows(text: str, checkout: Path) -> None:
    # A line that begins with $ is typed; the lines up to the next are what must come.
    for typed in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = typed.partition("\n")
        done = subprocess.run(
            command.split(),
            cwd=checkout,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        if shown.strip():
            assert without_measures(done.stdout) == without_measures(shown)


def without_measures(text: str) -> str:
    """The text with every latency, and the space before it, as one."""
    return re.sub(r" +\d+ ms", " # ms", text.strip())


def test_the_readme_names_every_option() -> None:
    readme = PAGES[0].read_text("utf-8")
    top = parser()
    for action in top._actions:
        for name, command in (getattr(action, "choices", None) or {}).items():
            assert f"rxvoice {name}" in readme
            for option in command._option_string_actions:
                if option.startswith("--") and option not in ("--help", "--output"):
                    assert option in readme, f"rxvoice {name} {option}"


def test_make_says_what_the_readme_says() -> None:
    readme = PAGES[0].read_text("utf-8")
    screen = "\n".join(readme.splitlines()[:30])
    assert "make demo" in screen
    assert "make test" in screen
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


def test_the_changelog_is_of_this_version() -> None:
    import rxvoice

    assert f"## {rxvoice.__version__} " in PAGES[1].read_text("utf-8")
    assert f'version = "{rxvoice.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")
