"""The specification: every operator has a page, every diagram holds, and could fail."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from thorough import some

import rxvoice as rxv
from docs.spec.block import Block, Line, parse_block
from docs.spec.docstring import SECTIONS, contract
from docs.spec.pages import examples, execute, main, operators, render, render_index, stale
from rxvoice.testing.notation import Mark, parse, write

PAGES = Path(__file__).parents[1] / "operators"
NAMES = sorted(operators())
MOST = 12
"""How many wrong diagrams are tried for a right one."""


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


EXAMPLES = [
    (f"{path.stem}-{example.number}", example.block)
    for path in sorted(PAGES.glob("*.md"))
    for example in examples(path.read_text("utf-8"))
]
BLOCKS = [pytest.param(block, id=name) for name, block in EXAMPLES]


# Completeness


def test_every_operator_has_a_page_and_every_page_an_operator() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_what_a_reader_wants(name: str) -> None:
    text = page(name)
    assert text.startswith(f"# {name}\n")
    assert len(examples(text)) >= 2
    assert "\n## Where it comes from\n\n" in text
    headings = [example.title for example in examples(text)]
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_the_real_signature(name: str) -> None:
    found = re.search(rf"```python\n({name}\(.*?)```", page(name), re.DOTALL)
    assert found
    told = ast.parse(f"def {found[1].strip()}: ...").body[0]
    assert isinstance(told, ast.FunctionDef)
    assert told.name == name
    names = {"silence": rxv.silence, "energy": rxv.energy}
    real = inspect.signature(operators()[name])
    given = told.args
    kinds = {arg.arg: inspect.Parameter.POSITIONAL_OR_KEYWORD for arg in given.args}
    kinds |= {arg.arg: inspect.Parameter.KEYWORD_ONLY for arg in given.kwonlyargs}
    if given.vararg:
        kinds[given.vararg.arg] = inspect.Parameter.VAR_POSITIONAL
    assert kinds == {it.name: it.kind for it in real.parameters.values()}
    defaults = dict(
        zip(reversed([arg.arg for arg in given.args]), reversed(given.defaults), strict=False)
    )
    defaults |= {
        arg.arg: it for arg, it in zip(given.kwonlyargs, given.kw_defaults, strict=True) if it
    }
    assert {key: eval(ast.unparse(it), names) for key, it in defaults.items()} == {
        it.name: it.default for it in real.parameters.values() if it.default is not it.empty
    }
    told_args = [*given.args, *([given.vararg] if given.vararg else []), *given.kwonlyargs]
    types = {arg.arg: ast.unparse(arg.annotation or arg) for arg in told_args}
    assert types == {it.name: it.annotation for it in real.parameters.values()}


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_the_docstring_says(name: str) -> None:
    text = " ".join(page(name).replace("\\|", "|").split())
    doc = " ".join(inspect.cleandoc(operators()[name].__doc__ or "").replace("``", "`").split())
    ends = "|".join([*SECTIONS, "Args"])
    for section in SECTIONS:
        found = re.search(rf"\b{section}: (.*?)(?= (?:{ends}):|$)", doc)
        assert found, f"{name} does not say {section}"
        if section == "Runs on":  # what follows is Args, or where it comes from
            assert doc.find(contract(operators()[name]).sections[section]) > 0
        else:
            assert f"| **{section}** | {found[1]} |" in text
    for parameter in inspect.signature(operators()[name]).parameters:
        assert f"| `{parameter}` |" in text


# Freshness


def test_nothing_is_stale() -> None:
    assert stale(PAGES) == [], "run python -m docs.spec operators"


@pytest.mark.parametrize("name", NAMES)
def test_writing_a_page_again_changes_nothing(name: str) -> None:
    text = page(name)
    assert render(name, text)[f"{name}.md"] == text


def test_the_index_has_every_operator() -> None:
    text = (PAGES / "README.md").read_text("utf-8")
    assert render_index(text) == text
    assert re.findall(r"^\| \[`(\w+)`\]\((\w+)\.md\)", text, re.MULTILINE) == [
        (name, name) for name in NAMES
    ]


def test_the_command_mends_what_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "operators"
    shutil.copytree(PAGES, copy)
    assert main([str(copy), "--check"]) == 0
    (copy / "img" / "chunk-1.svg").write_text("<svg/>", "utf-8")
    (copy / "img" / "chunk-99.svg").write_text("<svg/>", "utf-8")
    text = page("vad")
    (copy / "vad.md").write_text(text.replace("Say of each chunk", "Tell of each chunk"), "utf-8")
    assert main([str(copy), "--check"]) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in ("chunk-1.svg", "chunk-99.svg", "vad.md"))
    assert main([str(copy)]) == 0
    assert main([str(copy), "--check"]) == 0
    for path in sorted(PAGES.rglob("*.*")):
        assert (copy / path.relative_to(PAGES)).read_bytes() == path.read_bytes()


def test_the_command_finds_a_diagram_that_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "operators"
    shutil.copytree(PAGES, copy)
    text = page("chunk")
    (copy / "chunk.md").write_text(text.replace("---c-c-(p|)", "---c-c--(p|)"), "utf-8")
    assert main([str(copy)]) == 1
    assert "chunk.md, diagram 1: marbles differ" in capsys.readouterr().err


# Truth


@pytest.mark.parametrize("block", BLOCKS)
def test_the_diagram_holds(block: Block) -> None:
    execute(block)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_wrong_character_in_the_diagram_fails(block: Block) -> None:
    tried = 0
    for wrong in some([*mutants(block)], MOST):
        shown = "\n".join([wrong.result.text, *(line.text for line in wrong.insides)])
        try:
            execute(wrong)
        except AssertionError as error:
            assert "marbles differ" in str(error)  # noqa: PT017
            tried += 1
        else:
            pytest.fail(f"holds as well:\n{shown}")
    assert tried >= 4


@pytest.mark.parametrize("block", BLOCKS)
def test_the_legend_explains_what_is_there_and_no_more(block: Block) -> None:
    lines = [*block.above, block.result, *block.insides]
    used = {mark.char for line in lines for mark in line.diagram.marks}
    expressions = [block.operator, *block.legend.values(), *block.then]
    used |= {name for text in expressions for name in re.findall(r"\w+", text)}
    names = {*block.legend, *(line.label for line in block.above[1:])}
    assert names - used == set()


def test_the_index_explains_the_notation_with_a_page_s_diagram() -> None:
    (shown,) = examples((PAGES / "README.md").read_text("utf-8"))
    assert shown.block == examples(page("turn_window"))[0].block


def test_the_program_in_the_index_runs() -> None:
    found = re.search(r"```python\n(.*?)```", (PAGES / "README.md").read_text("utf-8"), re.DOTALL)
    assert found
    exec(compile(found[1], "README.md", "exec"), {})
    with pytest.raises(AssertionError, match="marbles differ"):
        exec(compile(found[1].replace("--A-", "-A--"), "README.md", "exec"), {})


def mutants(block: Block) -> Iterator[Block]:
    """The block with one thing wrong in what it expects."""
    for line in wrong_lines(block.result):
        yield replace(block, result=line)
    expected = {mark.char for mark in block.result.diagram.marks}
    for i, inside in enumerate(block.insides):
        if inside.label in expected:
            for line in wrong_lines(inside):
                yield replace(block, insides=(*block.insides[:i], line, *block.insides[i + 1 :]))


def wrong_lines(line: Line) -> Iterator[Line]:
    marks = line.diagram.marks
    letters = sorted({mark.char for mark in marks if mark.char not in "|#"})
    taken = {mark.tick for mark in marks}

    def drawn(wrong: list[Mark]) -> Line:
        text = " " * line.indent + write(wrong)
        return Line(line.label, text, parse(text))

    for i, mark in enumerate(marks):
        before, after = list(marks[:i]), list(marks[i + 1 :])
        yield drawn(before + after)
        yield drawn(before + [replace(it, tick=it.tick + 1) for it in marks[i:]])
        if mark.tick and (i == 0 or marks[i - 1].tick < mark.tick - 1):
            yield drawn([*before, replace(mark, tick=mark.tick - 1), *after])
        if mark.char in "|#":
            yield drawn([*before, replace(mark, char="#" if mark.char == "|" else "|")])
            continue
        for letter in letters:
            if letter != mark.char:
                yield drawn([*before, replace(mark, char=letter), *after])
        if after and after[0].tick == mark.tick and after[0].char not in (mark.char, *"|#"):
            yield drawn([*before, after[0], mark, *after[1:]])
    last = marks[-1].tick if marks else 0
    for tick in range(last):
        if tick not in taken:
            for letter in letters:
                extra = sorted([*marks, Mark(tick, letter)], key=lambda it: it.tick)
                yield drawn(extra)


# Reading blocks


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("in  -a|\nout  -a|", "wanted a source, an operator and a result"),
        ("> f\nout  -a|", "wanted a source, an operator and a result"),
        ("in  -a|\n> f\nout  -a|\n> g", "an operator after its result"),
        ("in  -a|\n> f\nout    -a|\n???", "not a line of marbles"),
        ("in    -a|\n> f\nout -a|", "all lines begin at column 6"),
        ("in  -a|\n> f\nout -A|\nA   ~|", "begins below its letter, at column 1, not 0"),
        ("in  -a|\n> f\nout -a|\nB   ~|", "no line has the turn B"),
        ("in  -a(|\n> f\nout -a|", "a group that is never closed"),
    ],
)
def test_a_malformed_block_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        parse_block(text)


def test_the_word_before_a_line_says_what_its_audio_is() -> None:
    text = "mic     -_~|\n> ops.map(lambda chunk: chunk)\nchunks  -_~|"
    with pytest.raises(ValueError, match="what are '_' and '~' in 'mic'"):
        execute(parse_block(text))
    execute(parse_block(text.replace("mic   ", "chunks")))
    with pytest.raises(AssertionError, match="marbles differ"):
        execute(parse_block(text.replace("mic   ", "judged")))


def test_what_must_be_true_afterwards_is_asked() -> None:
    text = "in   -a|\n> ops.map(seen)\nout  -a|\n\na = 1\nheard = []\n"
    text += "seen = lambda value: heard.append(value) or value\nthen heard == "
    execute(parse_block(text + "[1]"))
    with pytest.raises(AssertionError, match=r"not true after the run: heard == \[2\]"):
        execute(parse_block(text + "[2]"))
