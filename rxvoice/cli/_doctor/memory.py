"""How much memory there is, and which models fit."""

from __future__ import annotations

import os
from pathlib import Path

from rxvoice.cli._catalog import MEMORIES, first_of_each, recommended
from rxvoice.cli._doctor.finding import Finding

_MEMINFO = Path("/proc/meminfo")
_GROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_LEAST_FREE_GB = 2.0


def check() -> list[Finding]:
    """Look at the memory."""
    total = total_gb()
    if total is None:
        return [Finding("memory", "warning", "the system does not tell how much memory it has")]
    return [judged(total, free_gb())]


def judged(total: int, free: float | None) -> Finding:
    """What is to be said of so much memory, in GB."""
    fits = first_of_each(recommended(total)) if total >= MEMORIES[0] else []
    names = {it.slot: it.name for it in fits}
    facts = {"total_gb": total, "free_gb": free, "models": names}
    told = f"{total} GB" + ("" if free is None else f", {free:.1f} GB of it free")
    if not fits:
        remedy = (
            f"the models that rxvoice recommends want {MEMORIES[0]} GB or more: use the embedded "
            "ones, or models behind a server"
        )
        return Finding("memory", "warning", told, remedy, facts)
    shown = [names[it] for it in ("stt", "llm", "tts") if it in names]
    told += f"; models that fit: {', '.join(shown)}"
    if free is not None and free < _LEAST_FREE_GB:
        return Finding(
            "memory", "warning", told, "close other programs before you load models", facts
        )
    return Finding("memory", "ok", told, facts=facts)


def total_gb() -> int | None:
    """GB of memory that this process may use at most; None if the system does not tell."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
    return round(min(total, _limit() or total) / 2**30)


def free_gb() -> float | None:
    """GB that are free on Linux; None elsewhere, where the system frees memory as it is needed."""
    try:
        lines = _MEMINFO.read_text("utf-8").splitlines()
        (kib,) = (int(it.split()[1]) for it in lines if it.startswith("MemAvailable:"))
    except (OSError, ValueError):
        return None
    return round(kib / 2**20, 1)


def _limit() -> int | None:
    """Bytes that the container may use; None without a limit."""
    try:
        return int(_GROUP_LIMIT.read_text("utf-8"))
    except (OSError, ValueError):
        return None
