"""Python functions that a language model may call."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from rxvoice.errors import ConfigError

__all__ = ["Tool", "ToolCall", "Toolbox"]

Tool: TypeAlias = Callable[..., object]
"""A function or method with type hints and a docstring in Google's style, for `Toolbox`."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model made.

    Args:
        name: the tool.
        arguments: as the model gave them.
        result: what the model was told.
        error: why there was no result: the arguments did not fit, or what the function raised.
    """

    name: str
    arguments: Mapping[str, object]
    result: str
    error: Exception | None = None


class Toolbox:
    """The functions that a model may call, described to it by their hints and docstrings.

    The docstring says what a function is for and, under ``Args:``, what each argument is; hints
    may be str, int, float, bool, None, list, tuple, dict, Any, Literal, an Enum and unions of them.

    Args:
        functions: functions and methods. What they return is told to the model: text as it is,
            everything else as JSON.

    Attributes:
        schemas: a JSON schema for each, in the form that chat templates take.

    Raises:
        ConfigError: something that is no plain function, or cannot be described; two of one name.
    """

    def __init__(self, functions: Iterable[Tool] = ()) -> None:
        self._functions: dict[str, Tool] = {}
        self.schemas: list[dict[str, object]] = []
        for function in functions:
            schema = _schema(function)
            name = function.__name__
            if name in self._functions:
                raise ConfigError(f"tools must have different names, got two called {name!r}")
            self._functions[name] = function
            self.schemas.append(schema)

    def __len__(self) -> int:
        return len(self._functions)

    def call(self, name: str, arguments: Mapping[str, object]) -> ToolCall:
        """Call a tool here and now. Its errors are not raised but told, as the result.

        Args:
            name: which one.
            arguments: by name, as JSON has them; checked against the hints, and converted: a whole
                float to int, a value to its Enum, a list to a tuple.
        """
        try:
            result = self._functions[self._known(name)](**self._read(name, arguments))
            told = result if isinstance(result, str) else _json(result)
        except Exception as error:
            return ToolCall(name, arguments, f"Error: {type(error).__name__}: {error}", error)
        return ToolCall(name, arguments, told)

    def _known(self, name: str) -> str:
        if name not in self._functions:
            there = ", ".join(self._functions) or "none"
            raise LookupError(f"there is no tool {name!r}; there are: {there}")
        return name

    def _read(self, name: str, arguments: Mapping[str, object]) -> dict[str, object]:
        function = self._functions[name]
        hints = get_type_hints(function)
        parameters = inspect.signature(function).parameters
        for key in arguments:
            if key not in parameters:
                raise TypeError(f"no argument {key!r}; there are: {', '.join(parameters)}")
        read: dict[str, object] = {}
        for key, parameter in parameters.items():
            if key in arguments:
                read[key] = _read(key, hints[key], arguments[key])
            elif parameter.default is inspect.Parameter.empty:
                raise TypeError(f"the argument {key!r} is missing")
        return read


def _json(result: object) -> str:
    return json.dumps(result, ensure_ascii=False, default=str)


def _schema(function: Tool) -> dict[str, object]:
    from transformers.utils.chat_template_utils import (
        get_json_schema,  # pyright: ignore[reportUnknownVariableType]
    )

    if not inspect.isfunction(function) and not inspect.ismethod(function):
        raise ConfigError(f"a tool must be a function or a method, got {function!r}")
    name = function.__name__
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"the tool {name} is async: give a function that returns its result")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"the tool {name} takes {parameter}: every argument needs a name")
    try:
        return cast("dict[str, object]", get_json_schema(function))
    except Exception as error:  # its own, and those of hints that cannot be resolved
        raise ConfigError(
            f"the tool {name} cannot be described to a model: {error}. It needs a type hint for "
            "every argument and a docstring that says what it does, with a line for each argument "
            "under 'Args:'"
        ) from error


_PLAIN: dict[object, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def _read(where: str, hint: Any, value: Any) -> object:
    """The value as the hint wants it, from what JSON has."""
    origin, args = get_origin(hint) or hint, get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        # What fits without conversion goes first: 2 is the int of `float | int`.
        for arm in sorted(args, key=lambda arm: arm is not type(value)):
            try:
                return _read(where, arm, value)
            except TypeError:
                continue
    elif origin is Literal:
        for choice in args:
            if type(choice) is type(value) and choice == value:
                return value
    elif isinstance(hint, type) and issubclass(hint, Enum):
        for member in hint:
            if type(member.value) is type(value) and member.value == value:
                return member
    elif origin in (list, tuple) and isinstance(value, list):
        items = cast("list[object]", value)
        each = [args[0]] * len(items) if origin is list and args else list(args)
        each = each or [Any] * len(items)
        if len(each) == len(items):
            pairs = enumerate(zip(each, items, strict=True))
            read = [_read(f"{where}[{i}]", h, v) for i, (h, v) in pairs]
            return read if origin is list else tuple(read)
    elif origin is dict and isinstance(value, dict):
        of = args[1] if args else Any
        given = cast("dict[str, object]", value)
        return {key: _read(f"{where}.{key}", of, item) for key, item in given.items()}
    elif hint in (None, type(None)):
        if value is None:
            return None
    elif hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint in (str, int, bool) and type(value) is hint:
        return value
    raise TypeError(f"{where} must be {_wanted(hint)}, got {value!r}")


def _wanted(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(repr, get_args(hint)))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of {', '.join(repr(member.value) for member in hint)}"
    return _PLAIN.get(cast(object, hint)) or inspect.formatannotation(cast(Any, hint))
