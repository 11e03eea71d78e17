"""The layers of docs/layers.toml: the code imports what they allow, and nothing else."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import rxvoice
from docs import layers

ROOT = Path(__file__).parent.parent
HOUSE = layers.floors()
LONGEST = 320  # lines
LONGER = {
    "rxvoice/sinks/speaker.py": "the methods of a sink, with their docstrings",
}
"""Files that are longer, and why."""

SAME_NAME: dict[str, str] = {}
"""Class names that more than one file has, and why."""


def modules(root: Path) -> dict[str, Path]:
    """The modules of the package by name, as ``rxvoice.sinks.wav``."""
    found: dict[str, Path] = {}
    for path in (root / "rxvoice").rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imported(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a module imports: at its top, in a function, or for its types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "an import says the whole name of what it imports"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            names = [it if it in known else module for it in names]
        else:
            continue
        yield from (name for name in names if name in known)


def graph(root: Path) -> dict[str, set[str]]:
    """What each module imports."""
    known = modules(root)
    return {
        name: set(imported(ast.parse(path.read_text("utf-8")), known)) - {name}
        for name, path in known.items()
    }


def package(module: str) -> str:
    """Its line in the layers: ``sinks`` of ``rxvoice.sinks.wav``, ``rxvoice`` of the face."""
    return module.split(".")[1] if "." in module else module


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """What each module of the package imports."""
    return graph(ROOT)


def wrong(imports: dict[str, set[str]]) -> Iterator[str]:
    """The imports between packages that the layers do not allow."""
    may = layers.allowed(HOUSE)
    for module, others in sorted(imports.items()):
        here = package(module)
        for other in sorted(others):
            there = package(other)
            if here != there and there not in may.get(here, ()):
                yield f"{module} imports {other}"


def circle(imports: dict[str, set[str]]) -> list[str]:
    """The modules of a circle of imports; none where there is no circle."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module not in done:
            for other in sorted(imports.get(module, ())):
                if found := visit(other, [*path, module]):
                    return found
            done.add(module)
        return []

    for module in sorted(imports):
        if found := visit(module, []):
            return found
    return []


# What must hold


def test_every_package_has_its_line(imports: dict[str, set[str]]) -> None:
    there = {package(name) for name in imports}
    told = [name for floor in HOUSE for name in floor.packages]
    assert len(told) == len(set(told))
    assert there == set(told)


def test_no_import_runs_back_up(imports: dict[str, set[str]]) -> None:
    assert list(wrong(imports)) == []


def test_a_floor_may_import_only_from_those_below_it() -> None:
    before: list[str] = []
    for floor in HOUSE:
        assert set(floor.below) <= set(before), floor.name
        before.append(floor.name)


def test_the_layers_allow_no_more_than_the_code_needs(imports: dict[str, set[str]]) -> None:
    floor_of = {name: floor.name for floor in HOUSE for name in floor.packages}
    needed = {
        (floor_of[package(module)], floor_of[package(other)])
        for module, others in imports.items()
        for other in others
    }
    told = {(floor.name, below) for floor in HOUSE for below in floor.below}
    assert told - needed == set(), "no file needs this: delete it from docs/layers.toml"


def test_there_is_no_circle_between_modules(imports: dict[str, set[str]]) -> None:
    assert circle(imports) == []


def test_only_rxvoice_mlx_imports_mlx() -> None:
    importing = {
        package(name)
        for name, path in modules(ROOT).items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for module in _modules_of(node)
        if module.partition(".")[0] in {"mlx", "mlx_lm", "mlx_audio"}
    }
    assert importing == {"mlx"}


def _modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_a_class_has_a_name_of_its_own() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for name, path in modules(ROOT).items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(name)
    same = {name: sorted(them) for name, them in where.items() if len(them) > 1}
    assert {name: them for name, them in same.items() if name not in SAME_NAME} == {}
    assert set(SAME_NAME) <= set(same), "no longer the same: delete it from SAME_NAME"


def test_a_file_can_be_read_in_one_sitting() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in modules(ROOT).values()
    }
    long = {name: count for name, count in lines.items() if count > LONGEST}
    assert {name: count for name, count in long.items() if name not in LONGER} == {}
    assert set(LONGER) <= set(long), "short enough: delete it from LONGER"


def test_the_table_and_the_picture_are_of_the_layers() -> None:
    stale = [path for path, text in layers.rendered().items() if path.read_text("utf-8") != text]
    assert stale == [], "run python -m docs.layers"
    assert layers.BEGIN in (ROOT / "docs" / "design.md").read_text("utf-8")


# What does not hold is noticed


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import rxvoice.errors", {"rxvoice.errors"}),
        ("from rxvoice import errors, silero", {"rxvoice.errors", "rxvoice"}),
        ("from rxvoice.errors import ConfigError", {"rxvoice.errors"}),
        ("def late():\n    from rxvoice.mlx import llm", {"rxvoice.mlx.llm"}),
        ("if TYPE_CHECKING:\n    from rxvoice.turn import Turn", {"rxvoice.turn"}),
        ("import numpy", set[str]()),
    ],
)
def test_every_kind_of_import_is_seen(source: str, found: set[str]) -> None:
    assert set(imported(ast.parse(source), modules(ROOT))) == found


def test_an_import_that_runs_back_up_is_noticed() -> None:
    planted = {
        "rxvoice.errors": {"rxvoice.turn"},
        "rxvoice.cli.run": {"rxvoice.errors"},
        "rxvoice.operators.vad": {"rxvoice.mlx.llm"},
    }
    assert list(wrong(planted)) == [
        "rxvoice.errors imports rxvoice.turn",
        "rxvoice.operators.vad imports rxvoice.mlx.llm",
    ]


def test_a_circle_is_noticed() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def test_the_package_is_the_one_that_is_read() -> None:
    assert Path(rxvoice.__file__).parent == ROOT / "rxvoice"
