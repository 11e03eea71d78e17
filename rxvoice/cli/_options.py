"""The settings as they are given: as options, and in a settings file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from rxvoice._files.json import read_text, read_toml
from rxvoice.cli._setting import Setting
from rxvoice.cli._settings import GROUPS, CommandSettings, table
from rxvoice.errors import ConfigError


def settings_path() -> Path:
    """Where the settings file is, on every system."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "rxvoice" / "settings.toml"


def add_options(
    parser: argparse.ArgumentParser,
    *,
    only: Collection[str] | None = None,
    **defaults: object,
) -> None:
    """Add an option for each setting.

    Args:
        only: the fields to add; None for all.
        defaults: the defaults that differ from the fields' own, for the help.
    """
    groups: dict[str, Any] = {}
    for name, (setting, default) in table().items():
        field_name = name.replace("-", "_")
        if only is not None and field_name not in only:
            continue
        # An option that is not typed must not hide what the file says.
        options: dict[str, Any] = {"default": argparse.SUPPRESS}
        options["help"] = setting.help + _default(setting, defaults.get(field_name, default))
        if setting.kind == "switch":
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = _reader(setting)
            options["metavar"] = setting.metavar or None
            if setting.choices:
                options["metavar"] = "{" + ",".join(setting.choices) + "}"
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(GROUPS[setting.group])
        groups[setting.group].add_argument(f"--{name}", **options)


def typed(arguments: argparse.Namespace, **defaults: object) -> CommandSettings:
    """The settings as typed; else from `defaults`; else the fields' own defaults."""
    return _settings({**defaults, **_typed(arguments)})


def settings(arguments: argparse.Namespace) -> CommandSettings:
    """The settings as typed; else from the settings file; else the defaults.

    Raises:
        ConfigError: the file that ``--settings`` names is missing, or the file has a mistake.
    """
    named = cast("Path | None", arguments.settings)
    path = named or settings_path()
    found = from_file(path) if named is not None or path.exists() else {}
    return _settings({**found, **_typed(arguments)})


def from_file(path: Path) -> dict[str, object]:
    """Read a settings file, by the names of the fields of `CommandSettings`.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or has an unknown key or a bad value.
    """
    found = read_toml(read_text(path, "the settings"), f"the settings file {str(path)!r}")
    known = table()
    values: dict[str, object] = {}
    for name, value in found.items():
        if name not in known:
            raise ConfigError(f"{path}: there is no setting {name!r}{_hint(name, list(known))}")
        try:
            values[name.replace("-", "_")] = known[name][0].check(value)
        except ValueError as error:
            raise ConfigError(f"{path}: {name} = {_as_toml(value)}: {error}") from error
    return values


def _settings(values: dict[str, object]) -> CommandSettings:
    return CommandSettings(**cast("dict[str, Any]", values))


def _typed(arguments: argparse.Namespace) -> dict[str, object]:
    given = vars(arguments)
    return {it.name: given[it.name] for it in fields(CommandSettings) if it.name in given}


def _reader(setting: Setting) -> Any:
    def value(text: str) -> object:
        try:
            return setting.check(setting.read(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from error

    return value


def _default(setting: Setting, default: object) -> str:
    if default is None:
        return ""
    if setting.kind == "switch":
        return " (on)" if default else " (off)"
    return f" ({default})"


def _hint(name: str, known: list[str]) -> str:
    alike = get_close_matches(name.replace("_", "-").lower(), known, 1)
    return f"; did you mean {alike[0]!r}?" if alike else f"; there are {', '.join(known)}"


def _as_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
