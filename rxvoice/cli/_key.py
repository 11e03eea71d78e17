"""Keys, which are read from a file or from the environment, and never typed as an option."""

from __future__ import annotations

import os
from pathlib import Path

from rxvoice._files.json import read_text
from rxvoice.errors import ConfigError


def key_from(option: str, given: str | None, variable: str, environment: dict[str, str]) -> str:
    """Read a key from a file, or from the environment if `given` is ``env``; "" without.

    Raises:
        ConfigError: there is none.
    """
    if given is None:
        return ""
    if given == "env":
        found, where = environment.get(variable, ""), f"${variable}"
    else:
        # os.path leaves a path with ~ as it is if there is no such user, and Path raises.
        found, where = read_text(Path(os.path.expanduser(given)), "the key"), given
    if not (key := found.strip()):
        raise ConfigError(f"{option} {given}: there is no key in {where}")
    return key
