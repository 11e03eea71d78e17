"""Takes what names the user out of a text that goes into a bug report."""

from __future__ import annotations

import getpass
import re
from contextlib import suppress
from pathlib import Path

_HOMES = re.compile(r"(?:/Users|/home)/[^/\s'\"]+")
_OWNER = re.compile(r"^.{1,40}?['’]s (?=\S)")
_LEAST = 3
"""Letters of a name: a shorter one is a part of other words."""


def without_homes(text: str) -> str:
    """The text with "~" for each home directory."""
    with suppress(RuntimeError):  # nobody has a home here
        home = str(Path.home())
        if len(home) > 1:
            text = re.sub(rf"{re.escape(home)}(?![\w-])", "~", text)
    return _HOMES.sub("~", text)


def without_owner(device: str) -> str:
    """The name of a device, with "…" for the person in it: "Ada's AirPods", "AirPods von Ada"."""
    device = _OWNER.sub("…'s ", device)
    for name in _names():
        device = re.sub(rf"\b{re.escape(name)}\b", "…", device, flags=re.IGNORECASE)
    return device


def _names() -> list[str]:
    """What the user is called on this machine, the longest first."""
    names: set[str] = set()
    with suppress(OSError, KeyError, ImportError):
        login = getpass.getuser()
        names.add(login)
        import pwd

        full = pwd.getpwnam(login).pw_gecos.partition(",")[0]
        names |= {full, *full.split()}
    # The names of system accounts are words of their own.
    names -= {"root", "audio", "user", "admin"}
    return sorted((it for it in names if len(it) >= _LEAST), key=len, reverse=True)
