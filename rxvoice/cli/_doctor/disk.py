"""How much room there is for models, and what the hub's cache holds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rxvoice.cli._cached import Cached, cache_directory, cached
from rxvoice.cli._catalog import MODELS, Model, first_of_each, recommended
from rxvoice.cli._doctor.finding import Finding
from rxvoice.cli._doctor.memory import total_gb

_GB = 10**9
_MARGIN = 2 * _GB
"""What a machine wants for itself beside the models."""


def check() -> list[Finding]:
    """Look at the disk of the hub's cache, and at the models there."""
    directory = cache_directory()
    models = cached()
    begin_with = first_of_each(recommended(total_gb() or 8))
    return [
        room(directory, shutil.disk_usage(_nearest(directory)).free, begin_with, models),
        holds(directory, models, os.access(_nearest(directory), os.W_OK)),
    ]


def room(directory: Path, free: int, begin_with: list[Model], models: list[Cached]) -> Finding:
    """Whether the models that are not there yet find room."""
    here = {it.name for it in models if it.complete}
    wanted = sum(it.bytes or 0 for it in begin_with if it.name not in here)
    told = f"{free / _GB:.0f} GB free for models, in {directory}"
    facts = {"free_bytes": free, "wanted_bytes": wanted, "cache": str(directory)}
    if free >= wanted + _MARGIN:
        return Finding("disk", "ok", told, facts=facts)
    remedy = (
        f"the recommended models for this machine take {wanted / _GB:.1f} GB more: make room, or "
        "set HF_HOME to a directory on another disk"
    )
    return Finding("disk", "warning", told, remedy, facts)


def holds(directory: Path, models: list[Cached], writable: bool) -> Finding:
    """What the cache holds. Models that rxvoice does not list are counted and not named."""
    size = sum(it.bytes for it in models)
    listed = {it.name for it in MODELS}
    partial = [it.name for it in models if not it.complete and it.name in listed]
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    names = [it.name for it in models if it.complete and it.name in listed]
    facts = {
        "models": len(models),
        "bytes": size,
        "listed": names,
        "partial": partial,
        "writable": writable,
        "offline": offline,
    }
    count = f"{len(models)} model{'' if len(models) == 1 else 's'}"
    told = f"{count} of {size / _GB:.1f} GB in the hub's cache"
    if names:
        told += f", among them {', '.join(names)}"
    if offline:
        told += "; HF_HUB_OFFLINE is set, so that none is fetched"
    if not writable:
        remedy = f"{directory} cannot be written: set HF_HOME to a directory of yours"
        return Finding("cache", "problem", told, remedy, facts)
    if partial:
        remedy = (
            f"{', '.join(partial)} is not complete: load it once with the network, as rxvoice talk "
            "does before it listens"
        )
        return Finding("cache", "warning", told, remedy, facts)
    return Finding("cache", "ok", told, facts=facts)


def _nearest(directory: Path) -> Path:
    """The directory, or the nearest one above it that exists."""
    return next(it for it in (directory, *directory.absolute().parents) if it.exists())
