"""What an app that ships rxvoice takes on: ``python -m docs.licences``.

The metadata of the installed packages is the source, with ``docs/licences.toml`` for what it does
not say. This writes the tables of ``docs/licences.md``, and wants every extra to be installed.

With ``--check`` it writes nothing, and fails when the page says too little: when a package that
rxvoice names is missing, when a licence asks for more than the page says, or when a library under
such a licence lies in a wheel and is not named. A newer version of a package may bring another
permissive one; that is no fault of the page.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rxvoice.offline.weights import PUBLISHED

HERE = Path(__file__).parent
PAGE = HERE / "licences.md"
TOML = HERE / "licences.toml"
BEGIN = "written by python -m docs.licences: edit docs/licences.toml instead -->"
END = "<!-- end of what is written -->"
CORE = "core"
_NOT_FOR_USERS = {"dev", "docs"}

# Where rxvoice runs

_SYSTEMS = {
    "Linux": [
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": it}
        for it in ("x86_64", "aarch64")
    ],
    "Mac": [
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    ],
}
_PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def _environments(system: str) -> list[dict[str, str]]:
    fixed = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
    }
    return [
        {**fixed, **it, "python_version": python, "python_full_version": f"{python}.0"}
        for it in _SYSTEMS[system]
        for python in _PYTHONS
    ]


# Which packages


@dataclass
class Package:
    """One that comes with rxvoice.

    Attributes:
        licence: as the page says it, in SPDX's words where they are known; None when the package
            is not installed here.
        brought_by: the extras, or `CORE`; and the systems on which each brings it.
    """

    name: str
    licence: str | None
    brought_by: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    @property
    def comes_with(self) -> str:
        """As a cell of the table."""
        return ", ".join(
            f"`{extra}`" + ("" if len(systems) == len(_SYSTEMS) else f" ({min(systems)})")
            for extra, systems in self.brought_by.items()
        )


def project() -> dict[str, list[str]]:
    """What pyproject.toml requires: for the core, and for each extra that is for users."""
    about = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras: dict[str, list[str]] = about["optional-dependencies"]
    rest = {name: of for name, of in extras.items() if name not in _NOT_FOR_USERS}
    return {CORE: about["dependencies"], **rest}


def packages(said: dict[str, str]) -> dict[str, Package]:
    """All that rxvoice and its extras need, with what that needs in turn.

    Args:
        said: licences that the metadata does not say.
    """
    found: dict[str, Package] = {}
    for extra, requirements in project().items():
        for system in _SYSTEMS:
            for name in _needed(requirements, _environments(system)):
                package = found.setdefault(name, Package(name, licence_of(name, said)))
                if CORE not in package.brought_by or extra == CORE:
                    package.brought_by.setdefault(extra, set()).add(system)
    return found


def _needed(requirements: Iterable[str], environments: list[dict[str, str]]) -> set[str]:
    """The names of all that is needed in one of these environments."""
    seen: set[tuple[str, str]] = set()
    todo = [(Requirement(it), "") for it in requirements]
    while todo:
        requirement, extra = todo.pop()
        marker = requirement.marker
        if marker and not any(marker.evaluate({**it, "extra": extra}) for it in environments):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                todo += [(Requirement(it), wanted) for it in _requires(name)]
    return {name for name, _ in seen}


@cache
def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


# Under which licence

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "apache-2.0": "Apache-2.0",
}


def licence_of(name: str, said: dict[str, str]) -> str | None:
    """The licence of an installed package; None when it is not installed.

    Raises:
        SystemExit: its metadata does not say.
    """
    if name in said:
        return said[name]
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    line = about.get("License-Expression") or about.get("License")
    classifiers = [it for it in about.get_all("Classifier") or [] if it.startswith("License :: ")]
    if not line and classifiers:
        line = " OR ".join(sorted({_spdx(it.rpartition(" :: ")[2]) for it in classifiers}))
    if not line or len(line) > 100:
        sys.exit(f"{name} does not say its licence: add it to {TOML}")
    return _spdx(line.strip())


def _spdx(line: str) -> str:
    return _SPDX.get(line, line)


def asks(licence: str) -> int:
    """How much a licence asks of who ships it: 0 a notice, 1 MPL, 2 LGPL, 3 GPL.

    What may be chosen is what asks least.
    """
    return min(
        max(_asks_one(part) for part in re.split(r"\bAND\b", choice))
        for choice in re.split(r"\bOR\b", licence)
    )


def _asks_one(licence: str) -> int:
    if "GCC-exception" in licence:
        return 0
    for level, pattern in ((2, r"LGPL|Lesser"), (3, r"GPL|General Public"), (1, r"MPL|Mozilla")):
        if re.search(pattern, licence):
            return level
    return 0


# The tables


def copyleft(found: dict[str, Package], about: dict[str, Any]) -> str:
    """What asks for more than a notice, and native libraries; what asks most comes first."""
    rows = [
        (it.licence, f"`{it.name}`", it.comes_with)
        for it in found.values()
        if it.licence and asks(it.licence)
    ]
    for it in about["inside"]:
        names: list[str] = it["package"].split(", ")
        where = ", ".join(f"`{name}`" for name in names)
        extras = {extra for name in names if name in found for extra in found[name].brought_by}
        brought = ", ".join(f"`{extra}`" for extra in project() if extra in extras)
        rows.append((it["licence"], f"{it['library']}, in the wheel of {where}", brought))
    rows.sort(key=lambda row: (-asks(row[0]), row[0], row[1]))
    return _table(("licence", "what", "comes with"), rows)


def weights(about: dict[str, Any]) -> str:
    """Models that are in rxvoice, or in a wheel."""
    rows = [(it["model"], it["licence"], it["where"], it["note"]) for it in about["weights"]]
    rows += [
        (
            it.name,
            it.licence,
            f"`{it.package}`, " + ("of `offline`" if it.extra else "which no extra brings"),
            it.note,
        )
        for it in PUBLISHED
    ]
    return _table(("model", "licence", "where it is", "note"), rows)


def everything(found: dict[str, Package]) -> str:
    """Every package, by what brings it."""
    order = list(project())
    rows = sorted(found.values(), key=lambda it: (order.index(next(iter(it.brought_by))), it.name))
    head = ("package", "licence", "comes with")
    return _table(head, [(f"`{it.name}`", str(it.licence), it.comes_with) for it in rows])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def rendered(page: str, found: dict[str, Package], about: dict[str, Any]) -> str:
    """The page with new tables."""
    tables = {
        "": copyleft(found, about),
        "weights ": weights(about),
        "packages ": everything(found),
    }
    for name, table in tables.items():
        begin = f"<!-- {name}{BEGIN}"
        written = re.compile(rf"{re.escape(begin)}.*?{re.escape(END)}", re.DOTALL)
        page = written.sub(lambda _, new=f"{begin}\n{table}\n{END}": new, page)
    return page


# What the page says too little of


def listed(page: str) -> dict[str, tuple[str, set[str]]]:
    """What the page says of each package: its licence, and what brings it."""
    _, _, table = page.partition(f"<!-- packages {BEGIN}")
    rows = re.findall(r"^\| `([\w.-]+)` \| (.*?) \| (.*?) \|$", table, re.MULTILINE)
    return {name: (licence, set(re.findall(r"`(\w+)`", by))) for name, licence, by in rows}


def missing(page: str, found: dict[str, Package], about: dict[str, Any]) -> list[str]:
    """What the page should say and does not, a line for each."""
    says, faults = listed(page), list[str]()
    for extra, requirements in project().items():
        for it in requirements:
            name = canonicalize_name(Requirement(it).name)
            if not says.get(name, ("", set[str]()))[1] & {extra, CORE}:
                faults.append(f"{name} comes with {extra}, and the page does not say so")
    for it in found.values():
        licence = says.get(it.name, ("", set[str]()))[0]
        if it.licence and asks(it.licence) > asks(licence):
            faults.append(
                f"{it.name} is under {it.licence}, and the page says {licence or 'nothing'}"
            )
        if it.licence and not asks(it.licence):
            faults += [
                f"{file} is in the wheel of {it.name}, and the page does not say so"
                for file in unnamed(it.name, libraries(it.name), about)
            ]
    if weights(about) not in page:
        faults.append("the table of weights is another one")
    return faults


_COPYLEFT = re.compile(
    "lib(x26[45]|av(codec|device|filter|format|util)|sw(scale|resample)|postproc|mp3lame|mpg123|"
    r"sndfile|soxr|gmp|nettle|hogweed|gnutls|unistring|asound|quadmath|gfortran|gomp|espeak|Qt\d|"
    "fribidi|fluidsynth|pulse|samplerate|rubberband|fftw|readline|gsl|iconv|intl)"
)
"""How the names of shared libraries begin whose licence asks for more than a notice."""


def unnamed(package: str, files: Iterable[str], about: dict[str, Any]) -> list[str]:
    """The libraries of a wheel whose licence asks for something, and which are not written down."""
    mine = [it for it in about["inside"] if package in it["package"].split(", ")]
    named = tuple(start for it in mine for start in it.get("files", []))
    return sorted(it for it in files if _COPYLEFT.match(it) and not it.startswith(named))


@cache
def libraries(package: str) -> set[str]:
    """The names of the shared libraries in a package; none when it is not installed."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return set()
    return {it.name for it in files if re.search(r"\.(so|dylib)(\.|$)", it.name)}


def main(argv: list[str] | None = None) -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(prog="python -m docs.licences")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when it is short")
    check: bool = parser.parse_args(argv).check
    about = tomllib.loads(TOML.read_text("utf-8"))
    page, found = PAGE.read_text("utf-8"), packages(about["says"])
    if check:
        faults = missing(page, found, about)
        for fault in faults:
            print(f"{PAGE}: {fault}: run python -m docs.licences", file=sys.stderr)
        return int(bool(faults))
    if absent := [it.name for it in found.values() if it.licence is None]:
        print(
            f"not installed, so their licences are not known: {', '.join(absent)}", file=sys.stderr
        )
        return 1
    PAGE.write_text(rendered(page, found, about), "utf-8")
    print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
