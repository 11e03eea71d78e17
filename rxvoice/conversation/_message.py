"""The messages of a conversation: their types, and a check of values from outside."""

from __future__ import annotations

from typing import Literal, NoReturn, NotRequired, TypedDict, cast

from rxvoice._text.unicode import whole_text
from rxvoice.errors import ConfigError


class CalledFunction(TypedDict):
    """The tool that was called, and its arguments."""

    name: str
    arguments: dict[str, object]


class MessageCall(TypedDict):
    """A call of a tool, in a message of the assistant."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class Message(TypedDict):
    """One message, as chat templates take it.

    A message of the assistant that calls tools has ``tool_calls``. The ``tool`` messages after it
    are the results, each with the ``tool_call_id`` of its call and the ``name`` of the tool.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: NotRequired[list[MessageCall]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]


_KEYS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "tool_call_id", "name"},
}


def checked_message(where: str, given: object, index: int) -> Message:
    """The same message, checked, and without lone surrogates.

    Args:
        where: its name in errors.
        index: its place in the conversation.

    Raises:
        ConfigError: it has another shape than `Message`.
    """
    message = _object(where, given)
    role = message.get("role")
    if not isinstance(role, str) or role not in _KEYS:
        wrong(f"{where}.role", f"one of {', '.join(_KEYS)}", role)
    if role == "system" and index:
        wrong(where, "no system message but the first", given)
    for key in message:
        if key not in _KEYS[role]:
            wrong(where, f"only {', '.join(sorted(_KEYS[role]))} in a message of {role}", key)
    for key in ("content", "tool_call_id", "name"):
        if key in message or key == "content":
            _text(f"{where}.{key}", message.get(key))
    if "tool_calls" in message:
        calls = message["tool_calls"]
        if not isinstance(calls, list) or not calls:
            wrong(f"{where}.tool_calls", "a list of calls", message["tool_calls"])
        for at, call in enumerate(cast("list[object]", calls)):
            _call(f"{where}.tool_calls[{at}]", call)
    content = cast("str", message["content"])
    whole = whole_text(content)
    return cast("Message", given if whole == content else {**message, "content": whole})


def _call(where: str, given: object) -> None:
    call = _object(where, given)
    if set(call) != {"id", "type", "function"}:
        wrong(where, "an object with id, type and function", given)
    _text(f"{where}.id", call["id"])
    if call["type"] != "function":
        wrong(f"{where}.type", "'function'", call["type"])
    function = _object(f"{where}.function", call["function"])
    if set(function) != {"name", "arguments"}:
        wrong(f"{where}.function", "an object with name and arguments", function)
    _text(f"{where}.function.name", function["name"])
    _object(f"{where}.function.arguments", function["arguments"])


def _object(where: str, given: object) -> dict[str, object]:
    if not isinstance(given, dict):
        wrong(where, "an object", given)
    return cast("dict[str, object]", given)


def _text(where: str, given: object) -> None:
    if not isinstance(given, str):
        wrong(where, "text", given)


def wrong(where: str, wanted: str, given: object) -> NoReturn:
    """Raise the error that something else was wanted there."""
    try:
        shown = repr(given)
    except (RecursionError, ValueError):  # nested too deep, or a number of too many digits
        shown = f"one of type {type(given).__name__} that cannot be shown"
    raise ConfigError(
        f"{where}: wanted {wanted}, got {shown if len(shown) <= 80 else shown[:77] + '...'}"
    )
