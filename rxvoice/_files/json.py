"""Text from people and networks: JSON, TOML and files. What is wrong with it is a ConfigError."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from rxvoice.errors import ConfigError

__all__ = ["read_json", "read_text", "read_toml"]

_DEPTH = 100  # of arrays and objects in each other; a model's config.json has some 5
_MOST = 10**308  # about the largest that float() takes


def read_json(text: str | bytes, what: str) -> object:
    """What the JSON says.

    A byte order mark is skipped; bytes may be UTF-8, UTF-16 or UTF-32.

    Args:
        what: it is, for the message, such as ``"the conversation in a.json"``.

    Raises:
        ConfigError: it is not JSON, has more than 100 levels, or a whole number that is too large.
    """
    if isinstance(text, bytes):
        text = _decoded(text, what, json.detect_encoding(text))
    return _parsed(json.loads, text, what, "JSON")


def read_toml(text: str | bytes, what: str) -> dict[str, object]:
    """What the TOML says; as `read_json`, but bytes are UTF-8."""
    if isinstance(text, bytes):
        text = _decoded(text, what, "utf-8")
    return cast("dict[str, object]", _parsed(tomllib.loads, text, what, "TOML"))


def read_text(path: Path, what: str) -> str:
    """A file in UTF-8, without its byte order mark.

    Args:
        what: it is, for the message, which adds the path, such as ``"the settings"``.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: of a path with a null character
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
    except ValueError:  # of int(), for more than 4,300 digits
        raise _too_large(what) from None
    _check(value, what)
    return value


def _check(value: object, what: str) -> None:
    """Raise where something that walks through the value, prints it or counts with it would."""
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
