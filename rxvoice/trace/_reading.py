"""`read`: the lines and the sound of a recorded conversation."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TypeGuard, cast

from rxvoice._check import file_path
from rxvoice._files.json import read_json
from rxvoice.errors import ConfigError
from rxvoice.trace._sound import TraceSound

__all__ = ["SCHEMA", "Trace", "TraceLine", "read"]

SCHEMA = 1
"""The version of the schema that `read` reads."""

_LEVELS = 32
"""Of nested arrays and objects in a line."""
_LONGEST = 16 * 1024 * 1024
"""Bytes of a line."""
_MOST = 2**53
"""Whole numbers up to here are exact everywhere."""
_LONGEST_S = 1e9


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One thing that happened.

    Args:
        kind: what it is, such as ``"block"`` or ``"out"``.
        action: number of the action of the conversation thread in which it happened.
        time: when that action began, in seconds since the trace began.
        samples: samples of the first source that were delivered before it.
        later: seconds between the beginning of the action and this.
        fields: everything else, by its name.
    """

    kind: str
    action: int
    time: float
    samples: int
    later: float = 0.0
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def at(self) -> float:
        """When it happened, in seconds since the trace began."""
        return self.time + self.later

    def text(self, name: str, default: str = "") -> str:
        """The field, if it is a text."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else default

    def number(self, name: str, default: float = 0.0) -> float:
        """The field, if it is a number."""
        value = self.fields.get(name)
        return float(value) if is_number(value) else default

    def count(self, name: str, default: int = 0) -> int:
        """The field, if it is a whole number from 0 to 2**53."""
        value = self.fields.get(name)
        return value if is_count(value) else default

    def table(self, name: str) -> Mapping[str, Any]:
        """The field, if it is an object; else an empty one."""
        value = self.fields.get(name)
        return cast("Mapping[str, Any]", value) if isinstance(value, dict) else _NOTHING


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Trace:
    """A recorded conversation.

    Args:
        path: its directory.
        header: the first line: versions, settings, and when it began.
        lines: what happened, in order.
        torn: whether the last line was not written whole, as after ``kill -9``; it is left out.
    """

    path: Path
    header: Mapping[str, Any]
    lines: tuple[TraceLine, ...]
    torn: bool = False

    @property
    def has_content(self) -> bool:
        """Whether the trace has texts and sound, not only their lengths."""
        return self.header.get("content", True) is not False

    @property
    def finish(self) -> str | None:
        """How the trace ended, such as ``"completed"``; None if the process was killed."""
        last = self.lines[-1] if self.lines else None
        return last.text("how") if last is not None and last.kind == "finish" else None

    @cached_property
    def duration(self) -> float:
        """Seconds from the beginning to the last thing that happened."""
        return max((line.at for line in self.lines), default=0.0)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the command that wrote the trace; empty if an app did."""
        command = self.header.get("command")
        found = cast("dict[str, Any]", command).get("settings") if command else None
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else _NOTHING

    def of(self, *kinds: str) -> Iterator[TraceLine]:
        """The lines of these kinds."""
        return (line for line in self.lines if line.kind in kinds)

    @cached_property
    def microphone(self) -> TraceSound:
        """All blocks of the first source, back to back."""
        return self.sound("microphone")

    def voice(self, number: int = 1) -> TraceSound:
        """The sound that voices gave, back to back: file `number`, from 1."""
        if not 1 <= number <= 9999:
            raise ConfigError(
                f"the trace {str(self.path)!r} names the voice file {number}: they are counted "
                "from 1 to 9999"
            )
        return self.sound("voice" if number == 1 else f"voice-{number}")

    def sound(self, name: str) -> TraceSound:
        """The sound file of this name, such as ``"microphone-clean"``.

        It is empty if the file is missing or cannot be read, and short if it was not written whole.

        Raises:
            ConfigError: it is a link that leads out of the trace's directory.
        """
        sounds = self._sounds
        if name not in sounds:
            sounds[name] = TraceSound(_inside(self.path, f"{name}.flac"))
        return sounds[name]

    @cached_property
    def _sounds(self) -> dict[str, TraceSound]:
        return {}


def read(path: str | os.PathLike[str]) -> Trace:
    """Read a trace.

    A last line that was not written whole is left out; missing sound is found out when it is read.

    Args:
        path: the directory of the trace, or its ``trace.jsonl``; or the file of ``--transcript``,
            which has what came out, and no sound.

    Raises:
        ConfigError: there is no trace, it has another schema, or a line is not what the schema
            says. The message has the number of the line.
    """
    directory = file_path("the trace", path)
    if directory.name == "trace.jsonl":
        directory = directory.parent
    is_transcript = directory.suffix == ".jsonl" and directory.is_file()
    file = directory if is_transcript else _inside(directory, "trace.jsonl")
    try:
        with file.open("rb") as stream:
            found = _lines(stream, str(file))
            first = next(found, None)
            if first is None:
                raise ConfigError(
                    f"the trace {str(file)!r} is empty: its first line must be a whole header"
                )
            header = _header(first, str(file))
            lines = list(found)
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(
            f"cannot read the trace {str(directory)!r}: {why}; it must be a directory with a "
            "trace.jsonl, as `rxvoice talk --trace DIR` writes it"
        ) from error
    torn = bool(lines) and lines[-1] is None
    whole = (it for it in lines if it is not None)
    return Trace(
        directory,
        MappingProxyType(header),
        tuple(_line(it, f"line {n} of the trace {str(file)!r}") for n, it in enumerate(whole, 2)),
        torn,
    )


def _inside(directory: Path, name: str) -> Path:
    """The file of that name, which must not be a link to somewhere else."""
    file = directory / name
    try:
        real, home = file.resolve(), directory.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a null character; links in a circle
        raise ConfigError(f"cannot read the trace {str(directory)!r}: {error}") from error
    if not real.is_relative_to(home):
        raise ConfigError(
            f"{str(file)!r} is a link that leads out of the trace's directory: copy the file there"
        )
    return file


def _lines(stream: BinaryIO, name: str) -> Iterator[dict[str, Any] | None]:
    """The objects of the lines. The last one is None if it is not whole."""
    number = 0
    while raw := stream.readline(_LONGEST + 1):
        number += 1
        what = f"line {number} of the trace {name!r}"
        if len(raw) > _LONGEST:
            raise ConfigError(f"{what} has more than {_LONGEST // 1024 // 1024} MiB")
        if not raw.strip():
            continue
        try:
            yield _object(raw, what)
        except ConfigError:
            if raw.endswith(b"\n"):
                raise
            yield None  # the process was killed while it wrote this


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} is not text in UTF-8 ({error})") from error
    try:
        # Most lines cannot be too deep, and need no walk through them.
        if text.count("[") + text.count("{") <= _LEVELS:
            value = _DECODER.decode(text)
        else:
            value = read_json(text, what, levels=_LEVELS)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{what} must be an object, got {text.strip()[:60]!r}")
    return cast("dict[str, Any]", value)


def _not_a_number(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_not_a_number)


def _header(value: dict[str, Any] | None, name: str) -> dict[str, Any]:
    schema = None if value is None else value.get("schema")
    if value is None or not is_count(schema):
        raise ConfigError(
            f"the trace {name!r} has no header: its first line must be an object with "
            f'"schema": {SCHEMA}'
        )
    if schema != SCHEMA:
        by = value.get("rxvoice")
        raise ConfigError(
            f"the trace {name!r} has schema {schema}, written by rxvoice "
            f"{by if isinstance(by, str) else '(unknown)'}; this rxvoice reads schema {SCHEMA}: "
            "read it with the rxvoice that wrote it"
        )
    command = value.get("command")
    if command is not None and not isinstance(command, dict):
        raise ConfigError(f"the header of the trace {name!r} has a command that is no object")
    return value


def _line(value: dict[str, Any], what: str) -> TraceLine:
    kind, action, time = value.pop("k", None), value.pop("a", 0), value.pop("t", 0.0)
    samples, later = value.pop("s", 0), value.pop("d", 0.0)
    if not isinstance(kind, str):
        raise _wrong(what, "k", "a text", kind)
    if not is_count(action):
        raise _wrong(what, "a", "a whole number from 0", action)
    if not is_count(samples):
        raise _wrong(what, "s", "a whole number from 0", samples)
    for name, seconds in (("t", time), ("d", later)):
        if not (is_number(seconds) and 0 <= seconds <= _LONGEST_S):
            raise _wrong(what, name, "seconds from 0", seconds)
    return TraceLine(kind, action, float(time), samples, float(later), value)


def _wrong(what: str, name: str, wanted: str, got: object) -> ConfigError:
    return ConfigError(f'{what}: "{name}" must be {wanted}, got {str(got)[:60]!r}')


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a finite number, and exact everywhere if it is whole."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    return abs(value) <= _MOST if isinstance(value, int) else math.isfinite(value)


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a whole number from 0 to 2**53."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
