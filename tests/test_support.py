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
