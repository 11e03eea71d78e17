"""What the site is built from beside docs/, and what fails its build.

README, CHANGELOG, CONTRIBUTING, the operators' pages and the index of the examples stay where a
reader of the checkout looks for them; here they become pages. The reference is written from
``__all__`` and the docstrings, the page of the command line from its ``--help``, the table of
models from the data of ``rxvoice models``. Links between pages are written for the checkout, and
turned here into those of the site.
"""

from __future__ import annotations

import ast
import functools
import logging
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.rxvoice")

TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
BESIDE = ("aio", "operators.kernel", "qt", "serve", "tk", "web")
"""Public modules that are imported by their name: they need a package, or are not for every app."""
MODELS = "<!-- the table of models is written here -->"
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)(#[^)\s]*)?(?=\))")
_FENCE = re.compile(r"(^```.*?^```\n?)", re.MULTILINE | re.DOTALL)


# What must be there


def problems(root: Path) -> list[str]:
    """What a reader would miss: public names without a docstring, operators without a page."""
    return [*undocumented(root), *without_page(root)]


def undocumented(root: Path) -> Iterator[str]:
    """Public names, and public methods of public classes, that no docstring explains."""
    for module in public_modules(root):
        if not module.has_docstring:
            yield f"{module.path} has no docstring"
        for name in names(module):
            try:
                it = origin(module, name)
            except KeyError:
                yield f"{module.path}.__all__ names {name}, which is not there"
                continue
            if not it.has_docstring:
                yield f"{module.path}.{name} has no docstring ({it.path})"
            if it.is_class:
                yield from _undocumented_methods(root, it)


def _undocumented_methods(root: Path, it: griffe.Object) -> Iterator[str]:
    if "Protocol" in [str(base) for base in getattr(it, "bases", ())]:
        return  # its docstring says what an object of the kind must have
    for name, member in it.members.items():
        if name.startswith("_") or member.is_alias:
            continue
        if not (member.is_function or "property" in member.labels):
            continue
        # A slot's method is explained once, at the slot.
        if not member.has_docstring and name not in _slot_methods(root):
            yield f"{it.path}.{name} has no docstring"


@functools.cache
def _slot_methods(root: Path) -> frozenset[str]:
    slots = [it for it in package(root)["slots"].members.values() if not it.is_alias]
    return frozenset(name for slot in slots if slot.is_class for name in slot.members)


def without_page(root: Path) -> Iterator[str]:
    """Operators that the specification has no page for."""
    for name in names(package(root)["operators"]):
        if not (root / "operators" / f"{name}.md").is_file():
            yield f"the operator {name} has no page operators/{name}.md"


# The package, read and not run


_read: dict[Path, griffe.Object] = {}


def package(root: Path) -> griffe.Object:
    """The source of rxvoice, which `on_config` has read."""
    return _read[root]


def names(module: griffe.Object) -> list[str]:
    """``__all__``."""
    return [str(name) for name in module.exports or ()]


def public_modules(root: Path) -> list[griffe.Object]:
    """rxvoice, the modules that its ``__all__`` names, and those beside."""
    top = package(root)
    told = {name for name in names(top) if _is_module(top, name)}
    there = {name for name in BESIDE if _has(top, name)}
    return [top, *(top[name] for name in sorted(told | there))]


def _has(top: griffe.Object, name: str) -> bool:
    try:
        top[name]
    except KeyError:
        return False
    return True


def _is_module(module: griffe.Object, name: str) -> bool:
    it = module.members.get(name)
    # A function hides the module of its own name that it is imported from.
    imported = module.imports.get(name, f"{module.path}.{name}")
    return it is not None and it.path == imported and it.is_module


def origin(module: griffe.Object, name: str) -> griffe.Object:
    """Where a name of ``__all__`` is defined.

    Raises:
        KeyError: it is nowhere.
    """
    path = module.imports.get(name, f"{module.path}.{name}")
    try:
        it = module.modules_collection[path]
        return it.final_target if it.is_alias else it
    except griffe.AliasResolutionError as error:
        raise KeyError(path) from error


# What is written


def reference(root: Path) -> dict[str, str]:
    """The pages of the reference, by their place in the site."""
    pages = {"reference/index.md": _reference_index(root)}
    told: dict[str, str] = {}
    for module in public_modules(root):
        pages[f"reference/{module.path}.md"] = _module_page(module, told)
    pages["reference/cli.md"] = command_line()
    return pages


def _reference_index(root: Path) -> str:
    rows = [f"| [`{it.path}`]({it.path}.md) | {_summary(it)} |" for it in public_modules(root)]
    return "\n".join(
        [
            "# Reference\n",
            "Every public name, from its docstring. What is not here is not public.\n",
            "| module | what it has |",
            "|---|---|",
            *rows,
            "| [`rxvoice`, the command](cli.md) | What `--help` says. |\n",
        ]
    )


def _summary(it: griffe.Object) -> str:
    text = it.docstring.value if it.docstring else ""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def _module_page(module: griffe.Object, told: dict[str, str]) -> str:
    """The page of a module; a name that another page has told of is a link to there."""
    text = module.docstring.value if module.docstring else ""
    parts = [f"# {module.path}\n", text + "\n"]
    for name in names(module):
        if _is_module(module, name):
            parts.append(f"## {name}\n\n[`{module.path}.{name}`]({module.path}.{name}.md)\n")
            continue
        try:
            path = origin(module, name).path
        except KeyError:
            continue  # one of the problems
        if path in told:
            parts.append(f"## {name}\n\n[`{told[path]}.{name}`]({told[path]}.md#{path})\n")
            continue
        told[path] = module.path
        if path != f"{module.path}.{name}":
            parts.append(f"[](){{#{module.path}.{name}}}\n")
        parts.append(
            f'::: {path}\n    options:\n      heading: "{name}"\n      toc_label: "{name}"\n'
        )
        if module.path == "rxvoice.operators":
            parts.append(f"[The page of `{name}`, with its pictures](../operators/{name}.md)\n")
    return "\n".join(parts)


def command_line() -> str:
    """What ``--help`` says, of the command and each of its commands."""
    from rxvoice.cli import parser

    os.environ["COLUMNS"] = "88"  # argparse asks it
    top = parser()
    parts = ["# The command line\n", _help(top.format_help())]
    for action in top._actions:
        if isinstance(action.choices, dict):
            for name, command in action.choices.items():
                parts += [f"## rxvoice {name}\n", _help(command.format_help())]
    return "\n".join(parts)


def _help(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


def example(name: str, source: str) -> str:
    """The page of a program in examples/."""
    doc = ast.get_docstring(ast.parse(source)) or ""
    body = re.sub(r'\A""".*?"""\n*', "", source, flags=re.DOTALL)
    return f"# {name}\n\n{doc}\n\n```python\n{body}```\n"


def models() -> str:
    """The models that ``rxvoice models`` lists, and what they take together, as tables."""
    from rxvoice.cli._catalog import MEMORIES, MODELS, SLOTS
    from rxvoice.cli._totals import total

    rows = [
        "| for | model | parameters | weights | licence | machine |",
        "|---|---|---|---|---|---|",
    ]
    for it in MODELS:
        size = "" if it.bytes is None else _size(it.bytes)
        least, most = min(it.memories), max(it.memories)
        memory = f"{least} GB" if least == most else f"{least} to {most} GB"
        note = "<br>" + it.note if it.note else ""
        what = SLOTS[it.slot][0]
        rows.append(
            f"| {what} | `{it.name}`{note} | {it.parameters} | {size} | {it.licence} | {memory} |"
        )
    rows += [
        "",
        "On a Mac, the first model of each slot takes:",
        "",
        "| machine | models may take | weights | conversations | together |",
        "|---|---|---|---|---|",
    ]
    for it in map(total, MEMORIES):
        talk = f"{_size(it.cache)}: {it.tokens:,} tokens"
        sizes = f"{_size(it.usable)} | {_size(it.weights)} | {talk} | {_size(it.needed)}"
        rows.append(f"| {it.memory_gb} GB | {sizes} |")
    return "\n".join(rows)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


# mkdocs calls these


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put what is written into the navigation."""
    root = _root(config)
    handler: Any = config.plugins["mkdocstrings"].get_handler("python")  # type: ignore[attr-defined]
    # mkdocstrings reads it once, for these hooks and for itself.
    _read[root] = handler.collect("rxvoice", handler.get_options({}))
    operators = names(package(root)["operators"])
    programs = sorted((root / "examples").glob("*.py"))
    sections: dict[str, list[Any]] = {
        "operators/": [
            "operators/README.md",
            *({name: f"operators/{name}.md"} for name in operators),
        ],
        "examples/": [
            "examples/README.md",
            *({it.name: f"examples/{it.stem}.md"} for it in programs),
        ],
        "reference/": [
            "reference/index.md",
            *({it.path: f"reference/{it.path}.md"} for it in public_modules(root)),
            {"The command line": "reference/cli.md"},
        ],
    }
    config.nav = [
        {title: sections.get(at, at) if isinstance(at, str) else at for title, at in entry.items()}
        for entry in config.nav or []
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/, and tell what is missing."""
    root = _root(config)
    for problem in problems(root):
        log.warning(problem)
    for path in sources(root):
        add = functools.partial(File.generated, config, in_site(path))
        if path.endswith(".py"):
            it = root / path
            files.append(add(content=example(it.name, it.read_text("utf-8"))))
        else:
            files.append(add(abs_src_path=str(root / path)))
    for path, text in reference(root).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the checkout into links of the site."""
    uri = page.file.src_uri
    here = _in_checkout(uri)
    if here is None:
        return markdown
    if MODELS in markdown:
        markdown = markdown.replace(MODELS, models())

    def turned(found: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join(posixpath.dirname(here), found[1]))
        link = posixpath.relpath(in_site(there), posixpath.dirname(uri) or ".")
        return link + (found[2] or "")

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(turned, part) for part in parts)


def sources(root: Path) -> Iterable[str]:
    """The files that become pages or pictures, beside those in docs/."""
    yield from TOP
    examples = ("examples/README.md", "examples/*.py", "examples/*.html")
    for pattern in ("operators/*.md", "operators/img/*.svg", *examples):
        for path in sorted(root.glob(pattern)):
            yield path.relative_to(root).as_posix()


def in_site(path: str) -> str:
    """Where a file of the checkout is in the site."""
    if path == "README.md":
        return "index.md"
    if path.startswith("examples/"):
        return re.sub(r"\.py$", ".md", path)
    return path.removeprefix("docs/")


def _in_checkout(uri: str) -> str | None:
    if uri.startswith("reference/"):
        return None
    if uri == "index.md":
        return "README.md"
    if uri.startswith(("operators/", "examples/")) or uri in TOP:
        return uri
    return f"docs/{uri}"


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent
