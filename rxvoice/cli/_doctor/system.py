"""Which system and which processor this is, and whether rxvoice runs on it."""

from __future__ import annotations

import os
import platform
import sys

from rxvoice import _system
from rxvoice.cli._doctor.finding import Finding


def check() -> list[Finding]:
    """Look at the system. An Intel Python under Rosetta is told from an Intel Mac."""
    why_not = _system.unsupported()
    machine = platform.machine()
    if sys.platform == "darwin":
        name = f"macOS {platform.mac_ver()[0]}"
    else:
        name = f"{_distribution()}, {' '.join(platform.libc_ver())}".rstrip(", ")
    translated = _system.is_translated()
    told = f"{name} on {machine}{' (Rosetta)' if translated else ''}, {os.cpu_count()} cores"
    facts = {
        "platform": platform.platform(),
        "machine": machine,
        "rosetta": translated,
        "cores": os.cpu_count(),
    }
    return [Finding("system", "problem" if why_not else "ok", told, why_not, facts)]


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"
