"""What docs/support.md and the workflows promise is what pyproject.toml says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_USERS = set(EXTRAS) - {"dev", "docs"}
CLASSIFIER = re.compile(r"Programming Language :: Python :: (3\.\d+)")
PYTHONS = [found[1] for it in PROJECT["classifiers"] if (found := CLASSIFIER.fullmatch(it))]
SUPPORT = (ROOT / "docs" / "support.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8").partition("## Installing")[2]
WORKFLOWS = {it.name: it.read_text("utf-8") for it in (ROOT / ".github/workflows").glob("*.yml")}


@pytest.mark.parametrize("page", [SUPPORT, README], ids=["support", "readme"])
def test_a_page_has_every_extra(page: str) -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == FOR_USERS


def test_the_table_names_what_an_extra_brings() -> None:
    for extra in FOR_USERS:
        (row,) = re.findall(rf"^\| `{extra}` \|.*$", SUPPORT, re.MULTILINE)
        for requirement in EXTRAS[extra]:
            assert re.match(r"[\w-]+", requirement)[0] in row  # type: ignore[index]


def test_the_pythons_are_the_same_everywhere() -> None:
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert f"Python {PYTHONS[0]} to {PYTHONS[-2]} | Python {PYTHONS[-1]}" in SUPPORT
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}" in README
    (matrix,) = re.findall(r"python: \[(.*)\]", WORKFLOWS["ci.yml"])
    assert re.findall(r"[\d.]+", matrix) == PYTHONS


# The workflows


@pytest.mark.parametrize("name", WORKFLOWS)
def test_an_action_is_pinned_to_a_commit(name: str) -> None:
    actions = re.findall(r"uses: (\S+)(.*)", WORKFLOWS[name])
    assert actions
    for action, comment in actions:
        if not action.startswith(("./", "docker://")):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_do_little_and_not_twice_at_once(name: str) -> None:
    assert re.search(r"^permissions:(\n  contents: read$| \{\}$)", WORKFLOWS[name], re.MULTILINE)
    assert re.search(r"^concurrency:$", WORKFLOWS[name], re.MULTILINE)


def test_only_the_job_that_publishes_may_ask_for_an_identity() -> None:
    text = "".join(WORKFLOWS.values())
    assert text.count("write") == 1
    assert text.count("id-token: write") == 1
    assert "id-token: write" in WORKFLOWS["release.yml"].partition("\n  publish:")[2]
    assert "secrets." not in text


def test_what_the_workflows_run_is_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for text in WORKFLOWS.values():
        assert set(re.findall(r"make (\w+)", text)) <= targets
        for path in re.findall(r"(\.ci/[\w.]+)", text):
            assert (ROOT / path).is_file()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_is_one(name: str) -> None:
    pytest.importorskip("check_jsonschema")
    command = ("-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows")
    path = str(ROOT / ".github" / "workflows" / name)
    done = subprocess.run([sys.executable, *command, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing() -> None:
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("actionlint is not installed; it has no wheel, and CI runs it")
    done = subprocess.run([actionlint], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_tag_must_be_that_of_the_version() -> None:
    check = [sys.executable, str(ROOT / ".ci" / "version.py")]
    version = PROJECT["version"]
    assert subprocess.run([*check, f"v{version}"], capture_output=True).returncode == 0
    wrong = subprocess.run([*check, "v9.9"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert f"wanted the tag v{version}" in wrong.stderr


# A Mac, and the Python that `make` takes


def test_the_guide_to_a_mac_names_the_models_that_rxvoice_models_begins_with() -> None:
    from rxvoice.cli._catalog import MEMORIES, recommended

    rows: list[str] = []
    for memory in MEMORIES:
        first = {it.slot: it.name for it in reversed(recommended(memory))}
        models = " | ".join(f"`{first[slot]}`" for slot in ("stt", "llm", "tts"))
        rows.append(f"| {memory} GB | {models} |")
    guide = (ROOT / "docs" / "guides" / "mac.md").read_text("utf-8")
    assert re.findall(r"^\| \d+ GB .*$", guide, re.MULTILINE) == rows


def chosen(path: Path, **pythons: tuple[bool, bool, bool]) -> str:
    """The Python that `make` takes of these.

    Args:
        pythons: for each, whether it has every wheel, is new enough, and is for this processor.
    """
    (path / "dirname").symlink_to(shutil.which("dirname") or "")
    for name, (has_wheels, is_new, fits) in pythons.items():
        it = path / name.replace("_", ".")
        it.write_text(
            '#!/bin/sh\ncase "$1 $2" in\n'
            f"-I*) exit {int(not fits)} ;;\n"
            f'*"(3, 15)"*) exit {int(not has_wheels)} ;;\n'
            f"*) exit {int(not is_new)} ;;\nesac\n"
        )
        it.chmod(0o755)
    script = ROOT / ".ci" / "python.sh"
    done = subprocess.run(
        ["/bin/sh", str(script)],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


GOOD, NEWER, OLD, INTEL = (
    (True, True, True),
    (False, True, True),
    (False, False, True),
    (True, True, False),
)


@pytest.mark.skipif(sys.platform != "linux", reason="a Mac may have another one in /opt/homebrew")
@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": GOOD, "python3_12": GOOD}, "python3"),
        ({"python3": NEWER, "python3_11": GOOD}, "python3.11"),
        ({"python3": INTEL, "python3_13": GOOD}, "python3.13"),
        ({"python3": OLD, "python3_14": GOOD, "python3_12": OLD}, "python3.14"),
        ({"python3": NEWER, "python3_13": OLD}, "python3"),
        ({"python3": INTEL}, "python3"),  # `make` then says what is wrong with it
        ({"python3": OLD}, ""),
        ({}, ""),
    ],
)
def test_make_takes_the_first_python_that_has_every_wheel(
    pythons: dict[str, tuple[bool, bool, bool]], taken: str, tmp_path: Path
) -> None:
    assert chosen(tmp_path, **pythons) == taken


def test_a_bug_report_begins_with_the_doctor() -> None:
    form = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8")
    assert re.findall(r"^    id: (\w+)", form, re.MULTILINE)[0] == "doctor"
