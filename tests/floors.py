"""Prints the lowest versions that pyproject.toml allows, as constraints of pip: `make floors`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*)(;.*)?")
_FLOOR = re.compile(r"[>=]=\s*([0-9][^,\s]*)")


def floors(project: dict[str, Any]) -> Iterator[str]:
    """A line for each package that rxvoice or one of its extras names.

    Raises:
        ValueError: one has no lower bound.
    """
    extras: dict[str, list[str]] = project["optional-dependencies"]
    for requirement in (*project["dependencies"], *(it for each in extras.values() for it in each)):
        read = _REQUIREMENT.fullmatch(requirement)
        name, versions, marker = read.groups() if read else (requirement, "", "")
        if name == project["name"]:  # its own extras
            continue
        floor = _FLOOR.search(versions)
        if floor is None:
            raise ValueError(f"{requirement!r} in pyproject.toml has no lower bound, such as >=1.2")
        yield f"{name}=={floor[1]}{f' {marker}' if marker else ''}"


if __name__ == "__main__":
    print(*floors(tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]), sep="\n")
