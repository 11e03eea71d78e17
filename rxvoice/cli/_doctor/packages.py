"""The packages that rxvoice needs, and the extras that are installed."""

from __future__ import annotations

import shlex
from importlib import metadata

from packaging.requirements import Requirement

from rxvoice._version import __version__
from rxvoice.cli._doctor.finding import Finding
from rxvoice.cli._doctor.requirement import lacking, of_extra

_TOLD = ("mlx", "mlx-lm", "mlx-audio", "transformers", "numpy", "reactivex", "sounddevice", "soxr")
"""The packages whose versions a bug report wants."""

_NOT_FOR_USERS = {"dev", "docs"}


def check() -> list[Finding]:
    """Compare what is installed with what rxvoice names, and say which versions there are."""
    versions = {name: version for name in _TOLD if (version := _version(name))}
    told = f"rxvoice {__version__}; {', '.join(map(' '.join, versions.items()))}"
    facts: dict[str, object] = {"rxvoice": __version__, "versions": versions}
    try:
        needed = [Requirement(it) for it in metadata.requires("rxvoice") or ()]
    except metadata.PackageNotFoundError:
        remedy = "rxvoice is not installed, but runs from a folder: pip install rxvoice"
        return [Finding("packages", "warning", told, remedy, facts)]
    missing = sorted({it for each in needed for it in lacking(each)})
    extras = [it for it in _extras() if _has(it)]
    facts |= {"extras": extras, "missing": missing}
    told += f"; extras: {', '.join(extras) or 'none'}"
    if not missing:
        return [Finding("packages", "ok", told, facts=facts)]
    wants = f"rxvoice wants {', '.join(missing)}: "
    command = f"pip install --upgrade {' '.join(map(shlex.quote, missing))}"
    return [Finding("packages", "problem", told, wants + command, facts)]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> list[str]:
    told = metadata.metadata("rxvoice").get_all("Provides-Extra") or []
    return sorted(set(map(str, told)) - _NOT_FOR_USERS)


def _has(extra: str) -> bool:
    return not any(it for part in of_extra("rxvoice", extra) for it in lacking(part, extra))
