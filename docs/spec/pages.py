"""The pages of the operators: runs and draws their diagrams, and writes their generated parts.

``python -m docs.spec operators`` writes the generated parts of the pages in that directory: the
contract from the docstring of each operator, the drawings, and the index. With ``--check`` it
writes nothing, and fails if a file is stale or a diagram does not hold.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import reactivex as rx
from reactivex import operators as ops

import rxvoice as rxv
from docs.spec.block import AUDIO, Block, Line, parse_block
from docs.spec.docstring import Contract, contract
from docs.spec.svg import draw
from rxvoice import operators as vox
from rxvoice.testing import fakes
from rxvoice.testing.marbles import Audio, Like, Window, audio, like, marbles, sound, turn, window

INDEX = "README.md"
_BEGIN = "<!-- written by python -m docs.spec: edit the docstring instead -->"
_END = "<!-- end of what is written -->"
_WRITTEN = re.compile(rf"{_BEGIN}.*?{_END}", re.DOTALL)
_FENCE = re.compile(r"^```marble\n(.*?)^```\n(\n!\[[^\n]*\n)?", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """A diagram and its place in a page.

    Args:
        title: the heading above the diagram.
        block: the parsed diagram.
        number: the number of the diagram in the page, from 1.
    """

    title: str
    block: Block
    number: int


def operators() -> dict[str, Callable[..., object]]:
    """The public operators, by name."""
    return {name: it for name in vox.__all__ if inspect.isfunction(it := getattr(vox, name))}


def examples(page: str) -> list[Example]:
    """The diagrams in the text of a page."""
    return [
        Example(_title(page, found.start()), parse_block(found[1]), number)
        for number, found in enumerate(_FENCE.finditer(page), 1)
    ]


def execute(block: Block) -> None:
    """Run a diagram against the operators, in virtual time.

    Raises:
        AssertionError: the diagram does not hold.
    """
    __tracebackhide__ = True
    runner = marbles(tick_ms=block.tick_ms)
    names: dict[str, object] = {
        name: getattr(rxv, name) for name in rxv.__all__ if name[0].isupper()
    }
    names |= {"np": np, "ops": ops, "rx": rx, "rxv": rxv, "vox": vox}
    names |= {name: getattr(fakes, name) for name in fakes.__all__}
    names["clock"] = runner.scheduler
    names |= {"audio": audio, "like": like, "sound": sound, "turn": turn, "window": window}
    legend: dict[str, object] = {}
    for name, expression in block.legend.items():
        value: object = _evaluate(expression, names)
        if len(name) == 1:
            legend[name] = value
        if name != "#":
            names[name] = value
    for inside in block.insides:
        legend[inside.label] = _window(inside, legend)
    for line in block.above:
        names[line.label] = runner.cold(line.text, legend, audio=_audio(line))
    source = cast("rx.Observable[object]", names[block.above[0].label])
    operator = _evaluate(block.operator, names)
    result = cast("Callable[[rx.Observable[object]], rx.Observable[object]]", operator)(source)
    runner.expect(result, block.result.text, legend, audio=_audio(block.result))
    for expression in block.then:
        if not _evaluate(expression, names):
            raise AssertionError(f"not true after the run: {expression}")


def _evaluate(expression: str, names: Mapping[str, object]) -> object:
    return eval(expression, cast("dict[str, object]", names))


def _window(inside: Line, legend: Mapping[str, object]) -> Window:
    about = legend.get(inside.label)
    if isinstance(about, Like):
        return window(inside.text, legend, **about.attributes)
    return window(inside.text, legend)


def _audio(line: Line) -> Audio:
    if line.label not in AUDIO and any(mark.char in "_~" for mark in line.diagram.marks):
        raise ValueError(
            f"what are '_' and '~' in {line.label!r}? Call the line {', '.join(AUDIO)}"
        )
    return AUDIO.get(line.label, "judged")


def render(name: str, page: str) -> dict[str, str]:
    """The right content of the page of an operator and of its drawings, by path."""
    files: dict[str, str] = {}
    if len(_WRITTEN.findall(page)) != 1:
        raise ValueError(f"{name}.md: wanted one place for what is written:\n{_BEGIN}\n{_END}")
    page = _WRITTEN.sub(lambda _: _contract(contract(operators()[name])), page)
    images = iter(examples(page))

    def with_image(found: re.Match[str]) -> str:
        example = next(images)
        path = f"img/{name}-{example.number}.svg"
        title = f"{name}: {example.title}"
        files[path] = draw(example.block, title)
        return f"```marble\n{found[1]}```\n\n![{title}]({path})\n"

    files[f"{name}.md"] = _FENCE.sub(with_image, page)
    return files


def _title(page: str, position: int) -> str:
    headings = [found[1] for found in _HEADING.finditer(page, 0, position)]
    return headings[-1].replace("`", "") if headings else ""


def _contract(it: Contract) -> str:
    arguments = [
        f"| `{name}` | {f'`{default}`' if default else 'none'} | {_cell(text)} |"
        for name, default, text in it.arguments
    ]
    about = ["", it.about] if it.about else []
    return "\n".join(
        [
            _BEGIN,
            it.summary,
            *about,
            "",
            "```python",
            it.signature,
            "```",
            "",
            "| | |",
            "|---|---|",
            *(f"| **{name}** | {_cell(text)} |" for name, text in it.sections.items()),
            "",
            "| parameter | default | what it is, its unit and range |",
            "|---|---|---|",
            *(arguments or ["| none | | |"]),
            _END,
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def render_index(index: str) -> str:
    """The right content of the index."""
    rows = [
        f"| [`{name}`]({name}.md) | {_types(it.takes)} → {_types(it.gives)} | {it.summary} |"
        for name, operator in operators().items()
        for it in [contract(operator)]
    ]
    table = ["| operator | from → to | what it does |", "|---|---|---|", *rows]
    if len(_WRITTEN.findall(index)) != 1:
        raise ValueError(f"{INDEX}: wanted one place for the table:\n{_BEGIN}\n{_END}")
    return _WRITTEN.sub(lambda _: "\n".join([_BEGIN, *table, _END]), index)


def _types(text: str) -> str:
    return " or ".join(f"`{part}`" for part in text.split(" | ") if part != "Event")


def rendered(directory: Path) -> Iterator[tuple[Path, str]]:
    """Every file with a generated part, and its right content."""
    for name in operators():
        for path, text in render(name, (directory / f"{name}.md").read_text("utf-8")).items():
            yield directory / path, text
    yield directory / INDEX, render_index((directory / INDEX).read_text("utf-8"))


def stale(directory: Path) -> list[Path]:
    """The files whose content is wrong, and the drawings that belong to no diagram."""
    wanted = dict(rendered(directory))
    changed = [
        path
        for path, text in wanted.items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    return changed + [path for path in sorted(directory.glob("img/*.svg")) if path not in wanted]


def main(argv: list[str] | None = None) -> int:
    """Write the generated parts of the pages, or check them."""
    parser = argparse.ArgumentParser(prog="python -m docs.spec")
    parser.add_argument("directory", type=Path, help="where the pages are")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when stale")
    options = parser.parse_args(argv)
    directory: Path = options.directory
    failed = False
    for name in operators():
        for example in examples((directory / f"{name}.md").read_text("utf-8")):
            try:
                execute(example.block)
            except Exception as error:  # an expression in the page may raise anything
                failed = True
                print(f"{name}.md, diagram {example.number}: {error}", file=sys.stderr)
    old = stale(directory)
    wanted = {} if options.check else dict(rendered(directory))
    for path in old:
        if options.check:
            print(f"stale: {path}", file=sys.stderr)
        elif path in wanted:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted[path], "utf-8")
            print(f"written: {path}")
        else:
            path.unlink()
            print(f"removed: {path}")
    return int(failed or (options.check and bool(old)))
