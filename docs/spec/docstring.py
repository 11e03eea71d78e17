"""An operator's docstring and signature, as its page shows them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

SECTIONS = ("Emits", "Completes", "Errors", "Drops", "Runs on")

_SECTION = re.compile(rf"({'|'.join(SECTIONS)}|Args):\s*(.*)")
_ARGUMENT = re.compile(r"    \*{0,2}(\w+): (.*)")


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract of an operator.

    Args:
        summary: the first paragraph of its docstring.
        about: the other paragraphs before the sections.
        signature: its signature, as in the source.
        takes: the type of its elements, as in the source.
        gives: the type of what it emits, as in the source.
        sections: the text of Emits, Completes, Errors, Drops, Runs on.
        arguments: the name, the default (empty for none) and the text of each argument.
    """

    summary: str
    about: str
    signature: str
    takes: str
    gives: str
    sections: dict[str, str]
    arguments: list[tuple[str, str, str]]


@cache
def contract(operator: Callable[..., object]) -> Contract:
    """Read the contract of an operator from its docstring and source.

    Raises:
        ValueError: a section is missing, or the arguments differ from the signature.
    """
    name = getattr(operator, "__name__", repr(operator))
    source = inspect.getsource(operator)
    function = ast.parse(source).body[0]
    if not isinstance(function, ast.FunctionDef) or not isinstance(function.returns, ast.Subscript):
        raise ValueError(f"{name}: wanted a function that returns Operator[..., ...]")
    head = source.splitlines()[: function.body[0].lineno - 1]
    signature = "\n".join(head).removeprefix("def ").removesuffix(":")
    takes, gives = ast.unparse(function.returns.slice).strip("()").split(", ", 1)

    prose: list[str] = []
    sections: dict[str, list[str]] = {}
    told: dict[str, list[str]] = {}
    into: list[str] | None = prose
    for line in inspect.cleandoc(operator.__doc__ or "").splitlines():
        if found := _SECTION.fullmatch(line):
            into = sections[found[1]] = [found[2]]
        elif "Args" in sections and (found := _ARGUMENT.fullmatch(line)):
            into = told[found[1]] = [found[2]]
        elif line.startswith(" ") or (not sections and into is prose):
            if into is not None:
                into.append(line if into is prose else line.strip())
        else:
            into = None  # the origin of the operator, which its page explains
    missing = [section for section in SECTIONS if section not in sections]
    if missing:
        raise ValueError(f"{name}: its docstring does not say {', '.join(missing)}")

    spelled = inspect.signature(operator)
    parameters = spelled.parameters
    if function.args.kwarg is not None:  # its options are listed elsewhere
        signature = _spelled_out(name, spelled)
    if list(told) != list(parameters):
        raise ValueError(f"{name}: its docstring tells {list(told)}, it takes {list(parameters)}")
    summary, _, about = "\n".join(prose).strip().partition("\n\n")
    return Contract(
        _markdown(summary),
        _markdown(about),
        signature,
        takes,
        gives,
        {section: _markdown("\n".join(sections[section])) for section in SECTIONS},
        [
            (
                arg,
                _default("\n".join(head), function, arg) or _default_of(parameters[arg]),
                _markdown("\n".join(told[arg])),
            )
            for arg in told
        ],
    )


def _default(source: str, function: ast.FunctionDef, name: str) -> str:
    given = function.args
    positional = given.posonlyargs + given.args
    pairs = [
        *zip(reversed(positional), reversed(given.defaults), strict=False),
        *zip(given.kwonlyargs, given.kw_defaults, strict=True),
    ]
    found = next((default for arg, default in pairs if arg.arg == name), None)
    return "" if found is None else ast.get_source_segment(source, found) or ""


def _default_of(parameter: inspect.Parameter) -> str:
    """The default of a parameter that the source does not spell."""
    value: object = parameter.default
    if value is parameter.empty:
        return ""
    return f"{value:_}" if type(value) is int else repr(value)


def _spelled_out(name: str, signature: inspect.Signature) -> str:
    """The signature as source, a parameter a line."""
    lines: list[str] = []
    for it in signature.parameters.values():
        star = "*" if it.kind is it.VAR_POSITIONAL else ""
        default = _default_of(it)
        lines.append(f"    {star}{it.name}: {it.annotation}{f' = {default}' if default else ''},")
    return "\n".join([f"{name}(", *lines, f") -> {signature.return_annotation}"])


def _markdown(text: str) -> str:
    """The text with a line for each paragraph. Code and lists keep their lines."""
    return "\n\n".join(map(_paragraph, text.strip().split("\n\n"))).strip()


def _paragraph(text: str) -> str:
    if text.startswith("```"):
        return text
    joined = "\n- ".join(" ".join(item.split()) for item in re.split(r"^- ", text, flags=re.M))
    return joined.replace("``", "`").strip()
