"""Reads JSON, TOML and text from users and networks. Whatever is wrong is a `ConfigError`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from rxvoice.errors import ConfigError

_DEPTH = 100  # levels of arrays and objects; a model's config.json has about 5
_MOST = 10**308  # about the largest whole number that float() takes


def read_json(text: str | bytes, what: str) -> object:
    """Read JSON.

    Bytes may be UTF-8, UTF-16 or UTF-32. A byte order mark is skipped.

    Args:
        what: names the text in the message, such as ``"the conversation in a.json"``.

    Raises:
        ConfigError: it is not JSON, has more than 100 levels, or a whole number that is too large.
    """
    if isinstance(text, bytes):
        text = _decoded(text, what, json.detect_encoding(text))
    return _parsed(json.loads, text, what, "JSON")


def read_toml(text: str | bytes, what: str) -> dict[str, object]:
    """Read TOML, as `read_json` reads JSON; bytes must be UTF-8."""
    if isinstance(text, bytes):
        text = _decoded(text, what, "utf-8")
    return cast("dict[str, object]", _parsed(tomllib.loads, text, what, "TOML"))


def read_text(path: Path, what: str) -> str:
    """Read a file in UTF-8, without its byte order mark.

    Args:
        what: names the file in the message, before its path, such as ``"the settings"``.

    Raises:
        ConfigError: the file cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: the path has a null character
        why = (isinstance(error, OSError) and error.strerror) or error
        raise ConfigError(f"cannot read {what} in {path}: {why}") from error
    return _decoded(data, f"{what} in {path}", "utf-8").removeprefix("\ufeff")


def _decoded(data: bytes, what: str, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} is not text in UTF-8 ({error}): save it as UTF-8") from error


def _parsed(loads: Callable[[str], object], text: str, what: str, language: str) -> object:
    try:
        value = loads(text.removeprefix("\ufeff"))
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{what} is not {language}: {error}") from error
    except RecursionError:
        raise _too_deep(what) from None
    except ValueError:  # from int(), for more than 4,300 digits
        raise _too_large(what) from None
    _check(value, what)
    return value


def _check(value: object, what: str) -> None:
    """Raise for a value that code cannot walk through, print or compute with."""
    level = [value]
    for _ in range(_DEPTH + 1):
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
        raise _too_deep(what)


def _too_deep(what: str) -> ConfigError:
    return ConfigError(f"{what} has more than {_DEPTH} levels of arrays or objects: flatten it")


def _too_large(what: str) -> ConfigError:
    return ConfigError(f"{what} has a whole number of more than 308 digits: write a smaller one")
