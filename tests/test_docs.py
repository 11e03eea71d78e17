"""Every snippet in the documentation runs, and says what it says."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from snippets import Snippet, failures, run, snippets
from thorough import THOROUGH

from rxvoice.cli import parser

ROOT = Path(__file__).parent.parent
OPENAI = "connect() must be used"
"""What openai's own use of websockets warns of."""
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
MORE = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    ROOT / "operators" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def blocks(language: str, pages: list[Path]) -> list[ParameterSet]:
    """The fenced blocks of a language, each named by its page and line."""
    return [
        pytest.param(it.code, id=f"{page.name}:{it.line}")
        for page in pages
        for it in snippets(page)
        if it.language == language
    ]


def with_python(pages: list[Path]) -> list[object]:
    """The pages that have a Python snippet."""
    return [
        pytest.param(page, id=page.relative_to(ROOT).as_posix())
        for page in pages
        if any(it.language == "python" for it in snippets(page))
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
@pytest.mark.filterwarnings(f"ignore:{re.escape(OPENAI)}:DeprecationWarning")
@pytest.mark.parametrize("page", with_python(PAGES + MORE))
def test_the_python_snippets_of_a_page_run(
    page: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    wrong = "\n".join([in_a_process(page)] if THOROUGH else failures(page))
    assert not wrong, wrong
    for written in re.findall(r'sinks\.wav\("(.*?)"\)', page.read_text("utf-8")):
        assert (checkout / written).stat().st_size > 10_000


def in_a_process(page: Path) -> str:
    """What is wrong with its snippets in a process of their own, with the real models."""
    strict = ["-W", "error", "-W", f"ignore:{OPENAI}:DeprecationWarning"]
    done = subprocess.run(
        [sys.executable, *strict, str(ROOT / "tests" / "snippets.py"), str(page)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("page", MORE, ids=lambda page: page.name)
def test_a_page_has_no_snippet_that_nobody_runs(page: Path) -> None:
    # What is typed without being run is a command for a terminal, or is drawn, or is printed.
    run_or_shown = {"python", "console", "marble", "text", ""}
    assert {it.language for it in snippets(page)} <= run_or_shown


def test_a_snippet_that_is_wrong_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "from rxvoice import operators as vox\nvox.chunk(sise=512)\n"
    assert "unexpected keyword argument 'sise'" in (run(Snippet(1, "python", wrong, None)) or "")
    assert run(Snippet(1, "python", "print(1)\n", "1\n")) is None
    assert "wanted\n2\n\ngot\n1\n" in (run(Snippet(1, "python", "print(1)\n", "2\n")) or "")


def commands() -> list[ParameterSet]:
    """What the pages type; tests/cli/test_demo.py runs the demo, which takes its time."""
    found = blocks("console", PAGES + MORE)
    return [it for it in found if not str(it.values[0]).startswith("$ rxvoice demo\n")]


@pytest.mark.models
@pytest.mark.parametrize("text", commands())
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
    """The text with every moment, and all space, as one: a longer number wraps a line."""
    moments = r"(turn ended|transcript|first token|first audio|first heard) \d+"
    return re.sub(moments, r"\1 #", " ".join(text.split()))


def commands_of(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return {
        name: made
        for action in command._actions
        if isinstance(action.choices, dict)
        for name, made in action.choices.items()
    }


def options_of(command: argparse.ArgumentParser) -> set[str]:
    """The options of a command, and of the commands that it has itself."""
    own = set(command._option_string_actions)
    return own.union(*map(options_of, commands_of(command).values()))


def test_the_readme_names_every_option() -> None:
    readme = PAGES[0].read_text("utf-8")
    for name, command in commands_of(parser()).items():
        assert f"rxvoice {name}" in readme
        for option in options_of(command):
            if option.startswith("--") and option not in ("--help", "--output"):
                assert option in readme, f"rxvoice {name} {option}"


def test_the_pages_name_only_commands_and_options_that_there_are() -> None:
    commands = {name: options_of(command) for name, command in commands_of(parser()).items()}
    for page in PAGES + MORE:
        for name, rest in re.findall(
            r"`(?:\$ )?rxvoice ([a-z]+)([^`\n]*)", page.read_text("utf-8")
        ):
            assert name in commands, f"{page.name}: rxvoice {name}"
            options = set(re.findall(r"(?<!\S)--[\w-]+", rest))
            assert options <= commands[name], f"{page.name}: rxvoice {name}{rest}"


def test_make_says_what_the_readme_says() -> None:
    readme = PAGES[0].read_text("utf-8")
    screen = readme.partition("\n## ")[0]
    assert "make demo" in screen
    assert "make test" in screen
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


def test_the_readme_s_first_screen_says_what_a_reader_wants_to_know_in_order() -> None:
    screen = PAGES[0].read_text("utf-8").partition("\n## ")[0]
    wanted = [
        "Spoken conversations in Python",
        "**For whom:**",
        "**Why rxvoice:**",
        "`make bench-peers`",
        "](docs/assets/interruption.svg)",
        "```python\n",
        "make demo",
        "make test",
        "pip install",
    ]
    places = [screen.index(it) for it in wanted]
    assert places == sorted(places)
    program = screen.partition("```python\n")[2].partition("```")[0]
    assert len(program.splitlines()) <= 12


@pytest.mark.parametrize("page", PAGES[:1] + MORE, ids=lambda page: page.name)
def test_a_program_needs_no_checkout(page: Path) -> None:
    for it in snippets(page):
        if it.language in ("python", "console"):
            assert "rxvoice/" not in it.code, f"{page.name}:{it.line}"


def test_the_picture_of_an_interruption_is_of_its_run() -> None:
    from docs import interruption

    drawn = interruption.picture(interruption.run())
    assert interruption.PICTURE.read_text("utf-8") == drawn, "run python -m docs.interruption"


def test_the_changelog_is_of_this_version() -> None:
    import rxvoice

    assert f"## {rxvoice.__version__} " in PAGES[1].read_text("utf-8")
    assert f'version = "{rxvoice.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")
