"""CONTRIBUTING.md: what it promises of every operator is there, and what is missing is noticed."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import rxvoice
from docs.spec.docstring import SECTIONS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
NAMES = list(rxvoice.operators.__all__)

STEPS = re.search(r"^## How an operator is added\n(.*?)^## ", TEXT, re.MULTILINE | re.DOTALL)
assert STEPS
EXAMPLE = "louder_than"
FILES = [
    name
    for name in re.findall(r"`([\w./]+\.(?:py|md))`", STEPS[1])
    if EXAMPLE in name or name.startswith(("rxvoice/operators/__init__", "operators/README", "CH"))
]


def missing(root: Path, name: str) -> Iterator[str]:
    """What the steps promise of an operator and a checkout does not have."""
    for path in FILES:
        file = root / path.replace(EXAMPLE, name)
        if not file.is_file():
            yield f"the file {path}"
            continue
        text = file.read_text("utf-8")
        if path == f"rxvoice/operators/{EXAMPLE}.py":
            yield from _of_the_function(ast.parse(text), name)
        elif path == "rxvoice/operators/__init__.py":
            if f'"{name}",' not in text.partition("__all__")[2]:
                yield "the export"
        elif path == f"operators/{EXAMPLE}.md":
            yield from _of_the_page(root, text, name)
        elif path == "operators/README.md":
            if f"[`{name}`]({name}.md)" not in text:
                yield "the row in the index"
        elif path == f"tests/operators/test_{EXAMPLE}.py":
            if "check_operator" not in text:
                yield "the battery"
        elif path == "CHANGELOG.md" and f"`{name}`" not in text:
            yield "the changelog's line"


def _of_the_function(module: ast.Module, name: str) -> Iterator[str]:
    public = [
        it
        for it in module.body
        if isinstance(it, ast.FunctionDef | ast.ClassDef) and not it.name.startswith("_")
    ]
    found = [it for it in public if it.name == name]
    if not found:
        yield "the function"
        return
    if len({it.name for it in public}) > 1:
        yield "one public function only"
    doc = ast.get_docstring(found[-1]) or ""  # the others are overloads
    yield from (f"the docstring's {it}" for it in SECTIONS if f"\n{it}: " not in doc)


def _of_the_page(root: Path, text: str, name: str) -> Iterator[str]:
    if text.count("```marble\n") < 2:
        yield "two diagrams"
    if "## Where it comes from" not in text:
        yield "where it comes from"
    for picture in re.findall(r"\]\((img/[^)]+)\)", text):
        if not (root / "operators" / picture).is_file():
            yield f"the picture {picture}"
    if f"](img/{name}-1.svg)" not in text:
        yield "a picture"


def test_the_steps_name_the_files() -> None:
    assert set(FILES) == {
        f"rxvoice/operators/{EXAMPLE}.py",
        "rxvoice/operators/__init__.py",
        f"operators/{EXAMPLE}.md",
        "operators/README.md",
        f"tests/operators/test_{EXAMPLE}.py",
        "CHANGELOG.md",
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_operator_has_all_that_the_steps_promise(name: str) -> None:
    assert list(missing(ROOT, name)) == []


PLANTED = {
    "rxvoice/operators/louder_than.py": '''def louder_than(rms):
    """Let pass what is louder.

    Emits: some.
    Completes: with the source.
    Errors: with the source.
    Drops: the rest.
    Runs on: the thread of the source.
    """
''',
    "operators/louder_than.md": "```marble\n```\n![x](img/louder_than-1.svg)\n```marble\n```\n"
    "## Where it comes from\n",
    "operators/img/louder_than-1.svg": "<svg/>",
    "tests/operators/test_louder_than.py": "check_operator()",
}


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A checkout with one more operator, complete."""
    for path, text in PLANTED.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    for path in ("rxvoice/operators/__init__.py", "operators/README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / path, tmp_path / path)
    with (tmp_path / "operators/README.md").open("a") as index:
        index.write("[`louder_than`](louder_than.md)\n")
    with (tmp_path / "CHANGELOG.md").open("a") as changelog:
        changelog.write("- `louder_than`\n")
    init = tmp_path / "rxvoice/operators/__init__.py"
    init.write_text(init.read_text("utf-8").replace('"chunk",', '"chunk",\n    "louder_than",'))
    return tmp_path


def test_a_complete_operator_misses_nothing(planted: Path) -> None:
    assert list(missing(planted, EXAMPLE)) == []


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        ("rxvoice/operators/louder_than.py", None, "", "the file rxvoice/operators/louder_than.py"),
        ("rxvoice/operators/louder_than.py", "def louder", "def wider", "the function"),
        ("rxvoice/operators/louder_than.py", "Drops:", "Drips:", "the docstring's Drops"),
        (
            "rxvoice/operators/louder_than.py",
            "def",
            "class Z: ...\n\ndef",
            "one public function only",
        ),
        ("rxvoice/operators/__init__.py", '"louder_than",', "", "the export"),
        ("operators/louder_than.md", None, "", "the file operators/louder_than.md"),
        ("operators/louder_than.md", "```marble\n", "", "two diagrams"),
        ("operators/louder_than.md", "## Where", "Where", "where it comes from"),
        ("operators/louder_than.md", "![x](img/louder_than-1.svg)", "", "a picture"),
        ("operators/img/louder_than-1.svg", None, "", "the picture img/louder_than-1.svg"),
        ("operators/README.md", "[`louder_than`]", "", "the row in the index"),
        ("tests/operators/test_louder_than.py", None, "", "the file tests/operators/test_lou"),
        ("tests/operators/test_louder_than.py", "check_operator", "", "the battery"),
        ("CHANGELOG.md", "`louder_than`", "", "the changelog's line"),
    ],
)
def test_what_an_operator_lacks_is_noticed(
    planted: Path, path: str, old: str | None, new: str, told: str
) -> None:
    file = planted / path
    if old is None:
        file.unlink()
    else:
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")
    found = list(missing(planted, EXAMPLE))
    assert len(found) == 1
    assert found[0].startswith(told)


def test_the_commands_are_those_of_the_makefile() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)`", TEXT)) <= targets
