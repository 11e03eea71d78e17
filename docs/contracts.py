"""For the reference: the sections of our docstrings, which Google's style does not know, and the
options of an operator that its signature does not spell.

``Emits: ...``, one below the other, would be one paragraph; they become a list.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe

from docs.spec.docstring import SECTIONS
from rxvoice import operators

_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):[ \n]", re.MULTILINE)


class Contracts(griffe.Extension):
    """Writes each section as an item of a list."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called with each object that was read."""
        if obj.docstring and _SECTION.search(obj.docstring.value):
            obj.docstring.value = as_list(obj.docstring.value)
        if isinstance(obj, griffe.Function) and obj.docstring:
            spell_out(obj)


def spell_out(function: griffe.Function) -> None:
    """Put the options of an operator in the place of its ``**options``."""
    options = function.parameters[-1] if len(function.parameters) else None
    if options is None or "Unpack" not in str(options.annotation):
        return
    if not function.path.startswith("rxvoice.operators."):  # only an operator spells its own
        return
    del function.parameters[options.name]
    for it in inspect.signature(getattr(operators, function.name)).parameters.values():
        if it.name not in function.parameters:
            function.parameters.add(
                griffe.Parameter(
                    it.name,
                    annotation=str(it.annotation),
                    kind=griffe.ParameterKind.keyword_only,
                    default=repr(it.default),
                )
            )


def as_list(text: str) -> str:
    """The docstring, its sections as a list."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if found := _SECTION.match(line + "\n"):
            if not inside:
                lines += [""] if lines and lines[-1] else []
            inside = True
            lines.append(f"- **{found[1]}:** {line[found.end() :]}".rstrip())
        elif inside and line and not line.startswith(" "):
            inside = False
            lines += ["", line]
        else:
            lines.append(line)
    return "\n".join(lines)
