"""Python functions that a language model may call."""

from __future__ import annotations

import json
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from reactivex import abc

from rxvoice._answers.pauses import Waiting
from rxvoice._answers.slow_call import SlowCall, called, scheduler_of
from rxvoice.errors import ConfigError
from rxvoice.tools._schema import Described

Tool: TypeAlias = Callable[..., object]
"""A function or method with type hints and a docstring, for `Toolbox`. It may be async."""

Tools: TypeAlias = Iterable[Tool] | Callable[[str], Iterable[Tool]]
"""The tools of a language model, or a function that takes the question and returns them."""

ToolWorker: TypeAlias = abc.SchedulerBase | ThreadPoolExecutor | None
"""Where tools run that are not async. None: on the thread of the reply."""

WhileCalling: TypeAlias = str | Callable[[str, Mapping[str, object]], str | None] | None
"""What to say before a tool is called, or a function of its name and arguments."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model made.

    Args:
        name: the tool.
        arguments: as the model gave them.
        result: what the model is told.
        error: what the function raised, or why the arguments do not fit; None for neither.
    """

    name: str
    arguments: Mapping[str, object]
    result: str
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A call of a slow tool, in progress.

    Args:
        name: the tool.
        arguments: as the model gave them.
        slow: the call.
    """

    name: str
    arguments: Mapping[str, object]
    slow: SlowCall

    @property
    def pause(self) -> Waiting:
        """The pause until the call is over. Taking the pause begins the call."""
        return self.slow.waiting

    def result(self) -> ToolCall:
        """The call with its result. Waits for it."""
        return _outcome(self.name, self.arguments, self.slow.result)

    def given_up(self) -> ToolCall | None:
        """Give the call up. Returns it as far as it came; None if it had not begun."""
        self.slow.give_up()
        return self.result() if self.slow.has_begun else None


class Toolbox:
    """The functions that a model may call, described by their type hints and docstrings.

    The docstring says what the function is for and, under ``Args:``, what each argument is. A hint
    may be anything that pydantic reads: str, int, float, bool, None, list, tuple, dict, Any,
    Literal, an Enum, a date, a dataclass, and unions of them.

    Args:
        functions: functions and methods; they may be async. The model is told what they return:
            text as it is, anything else as JSON. A function may return an awaitable or an
            observable; its result is then what is awaited, or the last element.
        worker: the threads for functions that are not async, a ``ThreadPoolExecutor`` or an RxPY
            scheduler. None: the thread of the reply.

    Attributes:
        schemas: a JSON schema for each function, in the form that chat templates and servers take.

    Raises:
        ConfigError: something that is no plain function or cannot be described, two functions of
            one name, or a `worker` that is none.
    """

    def __init__(self, functions: Iterable[Tool] = (), *, worker: ToolWorker = None) -> None:
        self._worker = scheduler_of("tool_worker", worker)
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
        """Call a tool and wait for it. It raises nothing: an error becomes the result.

        Args:
            name: the tool.
            arguments: by name, as JSON has them. They are checked against the hints, and converted
                if nothing is lost: ``"5"`` and ``5.0`` to the int 5, ``"true"`` to True, a value to
                its Enum, a list to a tuple.
        """
        made = self.run(name, arguments)
        return made.result() if isinstance(made, ToolRun) else made

    def run(self, name: str, arguments: Mapping[str, object]) -> ToolCall | ToolRun:
        """Call a tool as `call` does. For a slow tool, return the call in progress."""
        slow: SlowCall | None = None

        def ask() -> object:
            nonlocal slow
            tool = self._known(name)
            given = called(partial(tool.function, **tool.read(arguments)), self._worker)
            if not isinstance(given, SlowCall):
                return given
            slow = given
            return None

        made = _outcome(name, arguments, ask)
        return made if slow is None else ToolRun(name, arguments, slow)

    def _known(self, name: str) -> Described:
        if name not in self._tools:
            there = ", ".join(self._tools) or "none"
            raise LookupError(f"there is no tool {name!r}; there are: {there}")
        return self._tools[name]


def _outcome(name: str, arguments: Mapping[str, object], ask: Callable[[], object]) -> ToolCall:
    """The call with what `ask` returns or raises."""
    try:
        result = ask()
        told = result if isinstance(result, str) else _json(result)
    except SystemExit as exit:  # the tool's end, not the program's
        error: Exception = RuntimeError(f"the tool ended with sys.exit({exit.code!r})")
    except CancelledError:
        error = RuntimeError("the tool's own work was cancelled")
    except Exception as raised:
        error = raised
    else:
        return ToolCall(name, arguments, told)
    return ToolCall(name, arguments, f"Error: {type(error).__name__}: {error}", error)


def _json(result: object) -> str:
    return json.dumps(result, ensure_ascii=False, default=str)
