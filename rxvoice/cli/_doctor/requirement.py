"""Whether what a requirement names is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement


def lacking(requirement: Requirement, extra: str = "") -> Iterator[str]:
    """What is missing for it, as pip takes it: itself, or parts of the extras that it names.

    Args:
        extra: the extra that brings it; "" for none.
    """
    if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
        return
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        yield named(requirement)
        return
    if version not in requirement.specifier:
        yield named(requirement)
        return
    for each in requirement.extras:
        for part in of_extra(requirement.name, each):
            yield from lacking(part, each)


def of_extra(package: str, extra: str) -> Iterator[Requirement]:
    """What an extra of an installed package brings on this system."""
    for text in metadata.requires(package) or ():
        part = Requirement(text)
        marker = part.marker
        if marker and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""}):
            yield part


def named(requirement: Requirement) -> str:
    """The requirement without its marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"
