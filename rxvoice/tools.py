"""Python functions that a language model may call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from rxvoice._tool_schema import Described
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

    The docstring says what a function is for and, under ``Args:``, what each argument is. A hint is
    anything that pydantic reads: str, int, float, bool, None, list, tuple, dict, Any, Literal, an
    Enum, a date, a dataclass, and unions of them.

    Args:
        functions: functions and methods. What they return is told to the model: text as it is,
            everything else as JSON.

    Attributes:
        schemas: a JSON schema for each, in the form that chat templates and servers take.

    Raises:
        ConfigError: something that is no plain function, or cannot be described; two of one name.
    """

    def __init__(self, functions: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Described] = {}
        for function in functions:
            tool = Described(function)
            if tool.name in self._tools:
                raise ConfigError(f"tools must have different names, got two called {tool.name!r}")
            self._tools[tool.name] = tool
        self.schemas: list[dict[str, object]] = [tool.schema for tool in self._tools.values()]

    def __len__(self) -> int:
        return len(self._tools)

    def call(self, name: str, arguments: Mapping[str, object]) -> ToolCall:
        """Call a tool here and now. Its errors are not raised but told, as the result.

        Args:
            name: which one.
            arguments: by name, as JSON has them; checked against the hints, and converted where
                nothing is lost: ``"5"`` and ``5.0`` to the int 5, ``"true"`` to True, a value to
                its Enum, a list to a tuple.
        """
        try:
            tool = self._known(name)
            result = tool.function(**tool.read(arguments))
            told = result if isinstance(result, str) else _json(result)
        except SystemExit as exit:  # the tool's end, not the program's
            error = RuntimeError(f"the tool ended with sys.exit({exit.code!r})")
        except Exception as raised:
            error = raised
        else:
            return ToolCall(name, arguments, told)
        return ToolCall(name, arguments, f"Error: {type(error).__name__}: {error}", error)

    def _known(self, name: str) -> Described:
        if name not in self._tools:
            there = ", ".join(self._tools) or "none"
            raise LookupError(f"there is no tool {name!r}; there are: {there}")
        return self._tools[name]


def _json(result: object) -> str:
    return json.dumps(result, ensure_ascii=False, default=str)
