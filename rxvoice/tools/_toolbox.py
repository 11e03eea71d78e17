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

__all__ = ["Tool", "ToolCall", "ToolWorker", "Toolbox", "Tools", "WhileCalling"]

Tool: TypeAlias = Callable[..., object]
"""A function or method, async ones too, with type hints and a docstring, for `Toolbox`."""

Tools: TypeAlias = Iterable[Tool] | Callable[[str], Iterable[Tool]]
"""The tools of a language model, or a function of each question that gives those for its answer."""

ToolWorker: TypeAlias = abc.SchedulerBase | ThreadPoolExecutor | None
"""Where tools run that are not async; None: on the thread of the answer."""

WhileCalling: TypeAlias = str | Callable[[str, Mapping[str, object]], str | None] | None
"""What is said before a tool is called; a function of the tool's name and its arguments."""


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


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A call of a tool that takes its time.

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
        """The pause until it is over; it begins with that."""
        return self.slow.waiting

    def result(self) -> ToolCall:
        """The call, with its result; waits for it."""
        return _outcome(self.name, self.arguments, self.slow.result)

    def given_up(self) -> ToolCall | None:
        """The call, for which nobody waits any more; None where it was not made."""
        self.slow.give_up()
        return self.result() if self.slow.has_begun else None


class Toolbox:
    """The functions that a model may call, described to it by their hints and docstrings.

    The docstring says what a function is for and, under ``Args:``, what each argument is. A hint is
    anything that pydantic reads: str, int, float, bool, None, list, tuple, dict, Any, Literal, an
    Enum, a date, a dataclass, and unions of them.

    Args:
        functions: functions and methods, async ones too. What they return is told to the model:
            text as it is, everything else as JSON. One may return an awaitable or an observable:
            what is awaited, and the last element, is its result.
        worker: the threads on which functions are called that are not async, a
            ``ThreadPoolExecutor`` or an RxPY scheduler; None: the thread of the answer.

    Attributes:
        schemas: a JSON schema for each, in the form that chat templates and servers take.

    Raises:
        ConfigError: something that is no plain function, or cannot be described; two of one name;
            no such worker.
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
        """Call a tool, and wait for it here. Its errors are not raised but told, as the result.

        Args:
            name: which one.
            arguments: by name, as JSON has them; checked against the hints, and converted where
                nothing is lost: ``"5"`` and ``5.0`` to the int 5, ``"true"`` to True, a value to
                its Enum, a list to a tuple.
        """
        made = self.run(name, arguments)
        return made.result() if isinstance(made, ToolRun) else made

    def run(self, name: str, arguments: Mapping[str, object]) -> ToolCall | ToolRun:
        """Call a tool, as `call` does; one that takes its time is to be waited for."""
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
    """What became of a call: what is given, or raised."""
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
