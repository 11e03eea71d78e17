"""The settings of ``rxvoice talk`` and ``run``: one table, for options and the settings file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from rxvoice._files.json import read_text, read_toml
from rxvoice.errors import ConfigError

__all__ = [
    "Settings",
    "add_options",
    "add_settings_file",
    "from_file",
    "settings",
    "settings_path",
    "typed",
]

Kind: TypeAlias = Literal["text", "device", "whole", "number", "switch", "path"]

_MOST = 1_000_000_000  # so that nobody counts with more than a machine's numbers

_GROUPS = {
    "models": "models",
    "devices": "devices",
    "turns": "when it is your turn",
    "interruption": "interrupting the assistant",
    "output": "what is shown and kept",
}


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """What a setting may be, and what it is for."""

    group: str
    kind: Kind
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = _MOST
    unit: str = ""

    @property
    def wanted(self) -> str:
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        if self.kind == "switch":
            return "true or false"
        if self.kind in ("whole", "number"):
            what = "a whole number" if self.kind == "whole" else "a number"
            of = f" of {self.unit}" if self.unit else ""
            most = f" to {self.most:g}" if self.most < _MOST else f" or more, to {_MOST:,}"
            return f"{what}{of}, {self.least:g}{most}"
        return {"device": "a device's name or number", "path": "the path of a file"}.get(
            self.kind, "a text"
        )

    def read(self, text: str) -> object:
        """What was typed, as a file would have it; as it is where it is nothing of the kind."""
        try:
            if self.kind == "whole" or (self.kind == "device" and text.isdecimal()):
                return int(text)
            return float(text) if self.kind == "number" else text
        except ValueError:
            return text

    def check(self, value: object) -> object:
        """The value as `Settings` holds it; ValueError where it may not be."""
        if self.kind == "switch":
            good = isinstance(value, bool)
        elif self.kind in ("whole", "number"):
            numbers = (int,) if self.kind == "whole" else (int, float)
            good = isinstance(value, numbers) and not isinstance(value, bool)
            good = good and self.least <= cast(float, value) <= self.most
        elif self.kind == "device" and isinstance(value, int):
            good = not isinstance(value, bool) and 0 <= value <= _MOST
        else:
            good = isinstance(value, str) and bool(value.strip())
            good = good and (not self.choices or value in self.choices)
        if not good:
            raise ValueError(f"wanted {self.wanted}")
        return Path(str(value)).expanduser() if self.kind == "path" else value


def _setting(default: object, group: str, kind: Kind, help: str, **rest: Any) -> Any:
    setting = _Setting(group=group, kind=kind, help=help, **rest)
    return field(default=default, metadata={"setting": setting})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to talk. A field's name, with dashes, is the option's and the settings file's."""

    models: str = _setting(
        "offline",
        "models",
        "text",
        "hear with pocketsphinx, which knows any voice, or with a small Moonshine on MLX; both "
        "think with a demonstration that knows about twenty subjects, and speak with espeak-ng",
        choices=("offline", "mlx"),
    )
    stt: str | None = _setting(
        None, "models", "text", "hear with this model of mlx-audio instead", metavar="MODEL"
    )
    llm: str | None = _setting(
        None, "models", "text", "think with this model of mlx-lm instead", metavar="MODEL"
    )
    tts: str | None = _setting(
        None, "models", "text", "speak with this model of mlx-audio instead", metavar="MODEL"
    )
    trust_remote_code: bool = _setting(
        False,
        "models",
        "switch",
        "let code and pickles of these models' run; without, a model that has any is refused",
    )
    phrases: str = _setting(
        "demo",
        "models",
        "text",
        "what pocketsphinx listens for: 'demo', the sentences that the demonstration knows; "
        "'any', any English, roughly; or a file with a sentence a line",
        metavar="FILE",
    )
    voice: str | None = _setting(
        None, "models", "text", "as the speech model names it, such as en-gb-x-rp or af_heart"
    )
    system_prompt: str | None = _setting(
        None, "models", "text", "what the language model is told first", metavar="TEXT"
    )

    microphone: int | str | None = _setting(
        None,
        "devices",
        "device",
        "its number, its name or a part of that, as 'rxvoice devices' lists them",
        metavar="DEVICE",
    )
    speaker: int | str | None = _setting(
        None, "devices", "device", "the same for the loudspeaker", metavar="DEVICE"
    )

    silence_ms: int = _setting(
        800,
        "turns",
        "whole",
        "the silence that ends a turn, in milliseconds",
        unit="milliseconds",
        metavar="MS",
    )
    vad_start: float = _setting(
        0.35,
        "turns",
        "number",
        "probability of speech at which it begins",
        most=1,
        metavar="P",
    )
    vad_stop: float = _setting(
        0.2,
        "turns",
        "number",
        "probability of speech below which it is over",
        most=1,
        metavar="P",
    )
    preroll_ms: int = _setting(
        250,
        "turns",
        "whole",
        "audio kept from before speech was noticed, in milliseconds",
        unit="milliseconds",
        metavar="MS",
    )
    max_turn_ms: int = _setting(
        30_000,
        "turns",
        "whole",
        "the longest turn, in milliseconds",
        least=1,
        unit="milliseconds",
        metavar="MS",
    )
    push_to_talk: bool = _setting(
        False,
        "turns",
        "switch",
        "listen only when told to: the space bar begins a turn, and ends it",
    )

    interruptions: bool = _setting(
        True, "interruption", "switch", "stop speaking when you begin to; off: finish first"
    )
    min_speech_ms: int = _setting(
        180,
        "interruption",
        "whole",
        "speech that interrupts, in milliseconds; less is a cough",
        unit="milliseconds",
        metavar="MS",
    )
    min_words: int = _setting(
        1,
        "interruption",
        "whole",
        "words that interrupt, where the recogniser hears them in time",
        unit="words",
        metavar="N",
    )
    echo: str = _setting(
        "correlate",
        "interruption",
        "text",
        "how the assistant does not hear itself: 'correlate' knows its voice in what the "
        "microphone hears, 'cancel' takes it out of that, which changes the user's voice too and "
        "wants rxvoice[echo], 'off' is for headphones",
        choices=("correlate", "cancel", "off"),
    )

    record: Path | None = _setting(  # noqa: RUF009
        None,
        "output",
        "path",
        "record both sides to a WAV, you left and the assistant right",
        metavar="FILE",
    )
    transcript: Path | None = _setting(  # noqa: RUF009
        None,
        "output",
        "path",
        "write what happens as JSON Lines, one event each",
        metavar="FILE",
    )
    plain: bool = _setting(
        False, "output", "switch", "print lines, as when the output is not a terminal"
    )


def settings_path() -> Path:
    """Where the settings are read from, on every system."""
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
        defaults: those that differ from the fields' own, for the help.
    """
    groups: dict[str, Any] = {}
    for name, (setting, default) in _table().items():
        field_name = name.replace("-", "_")
        if only is not None and field_name not in only:
            continue
        # What is not typed must not hide what the file says.
        options: dict[str, Any] = {"default": argparse.SUPPRESS}
        options["help"] = setting.help + _default(setting, defaults.get(field_name, default))
        if setting.kind == "switch":
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["type"] = _typed(setting)
            options["metavar"] = setting.metavar or None
            if setting.choices:
                options["metavar"] = "{" + ",".join(setting.choices) + "}"
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(_GROUPS[setting.group])
        groups[setting.group].add_argument(f"--{name}", **options)


def add_settings_file(parser: argparse.ArgumentParser) -> None:
    """Add ``--settings``."""
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="a settings file to read instead of the usual one",
    )


def typed(arguments: argparse.Namespace, **defaults: object) -> Settings:
    """The settings as typed, else `defaults`, else the fields' own; no file is read."""
    return Settings(**cast("dict[str, Any]", {**defaults, **_typed_ones(arguments)}))


def settings(arguments: argparse.Namespace) -> Settings:
    """The settings: as typed, else as in the file, else the defaults.

    Raises:
        ConfigError: the settings file is missing where one was named, or has something wrong.
    """
    named = cast("Path | None", arguments.settings)
    path = named or settings_path()
    values: dict[str, object] = {}
    if named is not None or path.exists():
        values = from_file(path)
    return Settings(**cast("dict[str, Any]", {**values, **_typed_ones(arguments)}))


def from_file(path: Path) -> dict[str, object]:
    """The settings in a TOML file, by the names of the fields of `Settings`.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or has an unknown key or a bad value.
    """
    found = read_toml(read_text(path, "the settings"), f"the settings file {str(path)!r}")
    table = _table()
    values: dict[str, object] = {}
    for name, value in found.items():
        if name not in table:
            raise ConfigError(f"{path}: there is no setting {name!r}{_hint(name, list(table))}")
        try:
            values[name.replace("-", "_")] = table[name][0].check(value)
        except ValueError as error:
            raise ConfigError(f"{path}: {name} = {_as_toml(value)}: {error}") from error
    return values


def _typed_ones(arguments: argparse.Namespace) -> dict[str, object]:
    given = vars(arguments)
    return {it.name: given[it.name] for it in fields(Settings) if it.name in given}


def _table() -> dict[str, tuple[_Setting, object]]:
    return {
        it.name.replace("_", "-"): (
            cast(_Setting, it.metadata["setting"]),
            cast(object, it.default),
        )
        for it in fields(Settings)
    }


def _typed(setting: _Setting) -> Any:
    def value(text: str) -> object:
        try:
            return setting.check(setting.read(text))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from error

    return value


def _default(setting: _Setting, default: object) -> str:
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
