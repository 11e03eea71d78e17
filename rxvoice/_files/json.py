"""Reads JSON, TOML and text from people and networks; `ConfigError` says what is wrong with it."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from rxvoice.errors import ConfigError

_LEVELS = 100  # of nested arrays and objects; a model's config.json has about 5
_MOST = 10**308  # about the largest that float() takes


def read_json(
    text: str | bytes, what: str, *, levels: int = _LEVELS, finite: bool = False
) -> object:
    """The value that the JSON stands for.

    A byte order mark is skipped. Bytes may be UTF-8, UTF-16 or UTF-32.

    Args:
        what: the subject of the message, such as ``"the conversation in a.json"``.
        levels: how many arrays and objects may be nested in one another.
        finite: whether to refuse NaN and Infinity, which Python reads and JSON does not have, and
            numbers that are too large to be any other.

    Raises:
        ConfigError: it is not JSON, has more levels, or has a whole number that is too large.
    """
    if isinstance(text, bytes):
        text = _decoded(text, what, json.detect_encoding(text))
    return _parsed(_FINITE.decode if finite else json.loads, text, what, "JSON", levels)


def read_toml(text: str | bytes, what: str) -> dict[str, object]:
    """The value that the TOML stands for, as `read_json`; bytes are UTF-8."""
    if isinstance(text, bytes):
        text = _decoded(text, what, "utf-8")
    return cast("dict[str, object]", _parsed(tomllib.loads, text, what, "TOML", _LEVELS))


def read_text(path: Path, what: str) -> str:
    """The text of a file in UTF-8, without its byte order mark.

    Args:
        what: the subject of the message, such as ``"the settings"``; the path is added.

    Raises:
        ConfigError: the file cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        why = (isinstance(error, OSError) and error.strerror) or error
        raise ConfigError(f"cannot read {what} in {path}: {why}") from error
    return _decoded(data, f"{what} in {path}", "utf-8").removeprefix("\ufeff")


def _decoded(data: bytes, what: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} is not text in UTF-8 ({error}): save it as UTF-8") from error


def _parsed(
    loads: Callable[[str], object], text: str, what: str, language: str, levels: int
) -> object:
    try:
        value = loads(text.removeprefix("\ufeff"))
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{what} is not {language}: {error}") from error
    except RecursionError:
        raise _too_deep(what, levels) from None
    except ValueError:  # int() refuses more than 4,300 digits
        raise _too_large(what) from None
    _check(value, what, levels)
    return value


def _finite(number: str) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise json.JSONDecodeError(f"{number:.60} is no number of JSON", number, 0)
    return found


_FINITE = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _check(value: object, what: str, levels: int) -> None:
    """Raise if walking through the value, printing it or counting with it could fail."""
    level = [value]
    for _ in range(levels + 1):
        inner: list[object] = []
        for it in level:
            if isinstance(it, dict):
                inner += cast("dict[str, object]", it).values()
            elif isinstance(it, list):
                inner += cast("list[object]", it)
            elif isinstance(it, int) and abs(it) > _MOST:
                raise _too_large(what)
        level = inner
    if level:
        raise _too_deep(what, levels)


def _too_deep(what: str, levels: int) -> ConfigError:
    return ConfigError(f"{what} has more than {levels} levels of arrays or objects: flatten it")


def _too_large(what: str) -> ConfigError:
    return ConfigError(f"{what} has a whole number of more than 308 digits: write a smaller one")
