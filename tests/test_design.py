"""The walks of docs/design.md: each file has what its line names, and leads to the next."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "design.md").read_text("utf-8")
WALKS = re.split(r"^<!-- walk: (\w+) -->$", PAGE, flags=re.MULTILINE)
STEP = re.compile(r"^\d+\. (.*?)(?=^\d+\. |^\n|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A line of a walk: a file, what the line names in it, and what the line says."""

    path: str
    names: tuple[str, ...]
    says: str

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")

    @property
    def text(self) -> str:
        return (ROOT / self.path).read_text("utf-8")


def steps(text: str) -> list[Step]:
    """The lines of a walk, up to the next heading."""
    found: list[Step] = []
    for item in STEP.findall(text.partition("\n## ")[0]):
        named, _, says = " ".join(item.split()).partition(": ")
        path, *names = re.findall(r"`([^`]+)`", named)
        found.append(Step(path, tuple(names), says))
    return found


WALK = {WALKS[i]: steps(WALKS[i + 1]) for i in range(1, len(WALKS), 2)}
LINES = [
    pytest.param(step, id=f"{walk}-{step.path}") for walk, them in WALK.items() for step in them
]


def named(tree: ast.Module, name: str) -> ast.AST | None:
    """The function or class of that name, such as ``Ring.callback``."""
    found: ast.AST | None = tree
    for part in name.split("."):
        found = (
            next(
                (
                    it
                    for it in ast.iter_child_nodes(found)
                    if found
                    if isinstance(it, ast.FunctionDef | ast.ClassDef) and it.name == part
                ),
                None,
            )
            if found
            else None
        )
    return found


def words_of(text: str) -> set[str]:
    """The names that some code defines, calls or takes."""
    fields = ("id", "attr", "name", "arg", "value")  # the last, of a name in a string
    found = {getattr(it, field, None) for it in ast.walk(ast.parse(text)) for field in fields}
    return {it for it in found if isinstance(it, str)}


def leads_to(step: Step, following: Step) -> bool:
    """Whether one imports the other, or both speak of what the following line names.

    Between operators, that is the element or the method by which they meet.
    """
    if step.module in following.text or following.module in step.text:
        return True
    leaves = {name.rpartition(".")[2] for name in following.names}
    both = words_of(step.text) & words_of(following.text)
    return bool(both & (leaves | set(re.findall(r"`(\w+)`", following.says))))


def test_there_are_two_walks() -> None:
    assert list(WALK) == ["chunk", "interruption"]
    assert all(len(them) > 15 for them in WALK.values())


@pytest.mark.parametrize("step", LINES)
def test_a_step_names_what_is_there(step: Step) -> None:
    assert step.names
    for name in step.names:
        assert named(ast.parse(step.text), name), f"{step.path} has no {name}"


@pytest.mark.parametrize("walk", WALK)
def test_a_step_leads_to_the_next(walk: str) -> None:
    # A line may name an earlier file from which the walk comes instead.
    missing: list[str] = []
    for at, step in enumerate(WALK[walk][1:], 1):
        before = [WALK[walk][at - 1]]
        told = set(re.findall(r"`(\w+\.py)`", step.says))
        before += [it for it in WALK[walk][:at] if Path(it.path).name in told]
        if not any(leads_to(it, step) for it in before):
            missing.append(f"{before[0].path} -> {step.path}")
    assert missing == []


@pytest.mark.parametrize("walk", WALK)
def test_a_walk_does_not_go_back(walk: str) -> None:
    paths = [step.path for step in WALK[walk]]
    assert len(paths) == len(set(paths))


def test_a_line_that_is_wrong_is_noticed() -> None:
    right, wrong = WALK["chunk"][0], Step("rxvoice/tk.py", ("scheduler",), "")
    assert named(ast.parse(right.text), "Ring.callbacks") is None
    assert not leads_to(wrong, right)
