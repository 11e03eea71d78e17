"""The calls of tools that a model writes: read, made and told."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import cast

from rxvoice._check import whole
from rxvoice._files.json import read_json
from rxvoice._language.question import Question
from rxvoice.errors import ConfigError
from rxvoice.tools import Tool, ToolCall, Tools, ToolWorker, WhileCalling
from rxvoice.tools._toolbox import Toolbox, ToolRun

# A model may write arguments of any length and depth.
_SHOWN = Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 200


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call of a tool as the model wrote it.

    Args:
        name: the tool, or ``"unreadable"``.
        arguments: by name.
        error: why the call cannot be read; None if it can.
    """

    name: str
    arguments: Mapping[str, object]
    error: Exception | None = None


def read_call(name: object, arguments: object) -> WrittenCall:
    """The call with this name and these arguments, which may be JSON, and JSON within JSON.

    Raises:
        ValueError: the name or the arguments are of another type.
    """
    given, no_arguments = arguments, dict[str, object]()
    for _ in range(2):
        if isinstance(given, str):
            given = read_json(given, "what the model wrote") if given.strip() else no_arguments
    if not isinstance(name, str) or not name or not isinstance(given, dict):
        raise ValueError(
            f"wanted a name and an object of arguments, got {name!r} and {arguments!r}"
        )
    return WrittenCall(name, cast("dict[str, object]", given))


class Caller:
    """Makes the calls of one conversation, and knows what to say meanwhile.

    Args:
        tools: the functions, or a function that takes the question and returns them.
        worker: where they run if they are not async.
        while_calling: what to say before a call.
        max_rounds: how many rounds of calls one reply may have.
    """

    def __init__(
        self, tools: Tools, worker: ToolWorker, while_calling: WhileCalling, max_rounds: int
    ) -> None:
        whole("max_tool_rounds", max_rounds, 1, "rounds")
        if not (while_calling is None or isinstance(while_calling, str) or callable(while_calling)):
            raise ConfigError(
                "while_calling must be what to say, or a function that takes a tool's name and "
                f"arguments and returns it, got {while_calling!r}"
            )
        self._choose = tools if callable(tools) else None
        self._functions: tuple[Tool, ...] = ()
        self._worker = worker
        self._while_calling = while_calling
        self.max_rounds = max_rounds
        self.toolbox = Toolbox(worker=worker)
        if not callable(tools):
            self._use(tools)

    def choose_for(self, question: str) -> None:
        """Take the tools that the app gives for this question, where it chooses them."""
        if self._choose is not None:
            self._use(self._choose(question))

    def filler(self, call: WrittenCall) -> str | None:
        """What to say before the call, if the model has said nothing; whatever the app raises."""
        if self._while_calling is None or isinstance(self._while_calling, str):
            return self._while_calling
        filler = self._while_calling(call.name, call.arguments)
        if filler is not None and not isinstance(cast("object", filler), str):
            raise TypeError(f"wanted a str or None, got {filler!r}")
        return filler

    def make(
        self, call: WrittenCall, rounds: int, question: Question
    ) -> Generator[str, None, ToolCall]:
        """Make the call. A slow one gives a pause, so that it holds nobody's thread."""
        if call.error is not None:
            told = f"Error: this call of a tool could not be read: {call.error}"
            return ToolCall(call.name, call.arguments, told, call.error)
        if rounds >= self.max_rounds:
            error = RuntimeError("no more tools may be called now: answer without")
            return ToolCall(call.name, call.arguments, f"Error: {error}", error)
        made = self.toolbox.run(call.name, call.arguments)
        if not isinstance(made, ToolRun):
            return made
        try:
            yield made.pause
            return made.result()
        except BaseException:
            # The tool has run or is running, so the model has to know of it.
            if (lost := made.given_up()) is not None:
                question.called(lost)
            raise

    def _use(self, tools: Iterable[Tool]) -> None:
        functions = tuple(tools)
        if functions != self._functions:
            self.toolbox = Toolbox(functions, worker=self._worker)
            self._functions = functions


def told(call: ToolCall) -> str:
    """The call and its outcome in one line, for a `Notice`."""
    given = ", ".join(f"{name}={_SHOWN.repr(it)}" for name, it in call.arguments.items())
    came = f"gave {call.result}" if call.error is None else f"failed: {call.error}"
    return f"{call.name}({given}) {came}"
