"""The settings as they are given: as options, and in a settings file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

from rxvoice._files.json import read_text, read_toml
from rxvoice.cli._setting import Setting
from rxvoice.cli._settings import GROUPS, CommandSettings, table
from rxvoice.errors import ConfigError

S = TypeVar("S")

SECTIONS = ("serve",)
"""The tables of the settings file that belong to one command."""


def settings_path() -> Path:
    """Where the settings file is, on every system."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "rxvoice" / "settings.toml"


def add_options(
    parser: argparse.ArgumentParser,
    *,
    only: Collection[str] | None = None,
    of: type = CommandSettings,
    groups: Mapping[str, str] = GROUPS,
    **defaults: object,
) -> None:
    """Add an option for each setting.

    Args:
        only: the fields to add; None for all.
        of: the dataclass of settings.
        groups: the heading of each group.
        defaults: the defaults that differ from the fields' own, for the help.
    """
    made: dict[str, Any] = {}
    for name, (setting, default) in table(of).items():
        field_name = name.replace("-", "_")
        if only is not None and field_name not in only:
            continue
        # An option that is not typed must not hide what the file says.
        options: dict[str, Any] = {"default": argparse.SUPPRESS}
        options["help"] = setting.help + _default(setting, defaults.get(field_name, default))
        if setting.kind == "switch":
            options["action"] = argparse.BooleanOptionalAction
        else:
            if setting.kind == "texts":
                options["action"] = _Further
            options["type"] = _reader(setting)
            options["metavar"] = setting.metavar or None
            if setting.choices:
                options["metavar"] = "{" + ",".join(setting.choices) + "}"
        if setting.group not in made:
            made[setting.group] = parser.add_argument_group(groups[setting.group])
        made[setting.group].add_argument(f"--{name}", **options)


def typed(arguments: argparse.Namespace, **defaults: object) -> CommandSettings:
    """The settings as typed; else from `defaults`; else the fields' own defaults."""
    return CommandSettings(**cast("Any", {**defaults, **_typed(arguments, CommandSettings)}))


def settings(arguments: argparse.Namespace) -> CommandSettings:
    """The settings of ``rxvoice talk``, as `settings_of` finds them."""
    return settings_of(arguments, CommandSettings)


def settings_of(arguments: argparse.Namespace, of: type[S], section: str | None = None) -> S:
    """The settings as typed; else from the settings file; else the defaults.

    Args:
        of: the dataclass of settings.
        section: the table of the file that has them; None for what stands outside of any.

    Raises:
        ConfigError: the file that ``--settings`` names is missing, or the file has a mistake.
    """
    named = cast("Path | None", arguments.settings)
    path = named or settings_path()
    is_there = named is not None or path.exists()
    found = from_file(path, of, section) if is_there else {}
    return of(**cast("Any", {**found, **_typed(arguments, of)}))


def from_file(
    path: Path, of: type = CommandSettings, section: str | None = None
) -> dict[str, object]:
    """Read a settings file, by the names of the fields of `of`.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or has an unknown key or a bad value.
    """
    found = read_toml(read_text(path, "the settings"), f"the settings file {str(path)!r}")
    known = table(of)
    values: dict[str, object] = {}
    if section is not None:
        found = _table(found.get(section, {}), section, path)
    else:
        found = {name: it for name, it in found.items() if name not in SECTIONS}
    for name, value in found.items():
        if name not in known:
            raise ConfigError(f"{path}: there is no setting {name!r}{_hint(name, list(known))}")
        try:
            values[name.replace("-", "_")] = known[name][0].check(value)
        except ValueError as error:
            raise ConfigError(f"{path}: {name} = {_as_toml(value)}: {error}") from error
    return values


class _Further(argparse.Action):
    """An option that may be given several times."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the value to those that came before."""
        setattr(namespace, self.dest, (*getattr(namespace, self.dest, ()), *values))


def _table(given: object, section: str, path: Path) -> dict[str, object]:
    if not isinstance(given, dict):
        raise ConfigError(f"{path}: {section} must be a table, [{section}], got {given!r}")
    return cast("dict[str, object]", given)


def _typed(arguments: argparse.Namespace, of: type) -> dict[str, object]:
    given = vars(arguments)
    return {it.name: given[it.name] for it in fields(of) if it.name in given}


def _reader(setting: Setting) -> Any:
    def value(text: str) -> object:
        try:
            return setting.check(setting.read(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from error

    return value


def _default(setting: Setting, default: object) -> str:
    if default is None or default == ():
        return ""
    if setting.kind == "switch":
        return " (on)" if default else " (off)"
    return f" ({default})"


def _hint(name: str, known: list[str]) -> str:
    alike = get_close_matches(name.replace("_", "-").lower(), known, 1)
    return f"; did you mean {alike[0]!r}?" if alike else f"; there are {', '.join(known)}"


def _as_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
