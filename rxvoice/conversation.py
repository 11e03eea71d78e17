"""A conversation as a language model is told it: messages, which can be cut, saved and loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NoReturn, NotRequired, TypedDict, cast

from rxvoice.errors import ConfigError

__all__ = ["CalledFunction", "Conversation", "Message", "MessageCall", "alternating"]


class CalledFunction(TypedDict):
    """Which tool was called, and with what."""

    name: str
    arguments: dict[str, object]


class MessageCall(TypedDict):
    """A call of a tool, as it stands in an assistant's message."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class Message(TypedDict):
    """One message, as chat templates take it.

    An assistant's message that called tools has ``tool_calls``; the ``tool`` messages after it are
    the results, each with the ``tool_call_id`` of its call and the ``name`` of the tool.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: NotRequired[list[MessageCall]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]


class Conversation:
    """What was said so far, oldest first. For one thread at a time.

    Args:
        system: the system prompt; None for none.
        messages: what comes after it.

    Attributes:
        messages: all of it, the system prompt first where there is one. May be edited.

    Raises:
        ConfigError: a message of another shape than `Message`.
    """

    def __init__(self, *, system: str | None = None, messages: Iterable[Message] = ()) -> None:
        self.messages: list[Message] = [
            _message(f"messages[{index}]", message, index) for index, message in enumerate(messages)
        ]
        if system is not None:
            self.system = system

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Conversation) and self.messages == other.messages

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Conversation of {len(self.messages)} messages>"

    @property
    def system(self) -> str | None:
        """The system prompt, the first message; None where there is none. Can be set."""
        if self.messages and self.messages[0]["role"] == "system":
            return self.messages[0]["content"]
        return None

    @system.setter
    def system(self, prompt: str | None) -> None:
        new: list[Message] = [] if prompt is None else [{"role": "system", "content": prompt}]
        self.messages[: self.system is not None] = new

    def add_user(self, text: str) -> Message:
        """Append what the user said; gives the message."""
        self.messages.append({"role": "user", "content": text})
        return self.messages[-1]

    def add_assistant(self, text: str) -> Message:
        """Append what the assistant said; gives the message."""
        self.messages.append({"role": "assistant", "content": text})
        return self.messages[-1]

    def heard(self, text: str) -> None:
        """Cut the answer to the last question to what was spoken of it before an interruption.

        Whitespace need not agree. A message of which nothing was heard is dropped; calls of tools
        and their results stay, since they did happen. A text that the answer does not begin with
        replaces it. Without an answer nothing happens.

        Args:
            text: what was heard; blank where nothing was.
        """
        start = self._last_question() + 1
        kept: list[Message] = []
        rest = text.strip()
        for message in self.messages[start:]:
            if message["role"] == "assistant":
                message["content"], rest = _cut(message["content"], rest)
                if not message["content"] and "tool_calls" not in message:
                    continue
            kept.append(message)
        self.messages[start:] = kept

    def clear(self) -> None:
        """Forget everything but the system prompt."""
        del self.messages[self.system is not None :]

    def to_json(self) -> str:
        """The conversation as JSON; `from_json` gives an equal one."""
        return json.dumps({"messages": self.messages}, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Conversation:
        """The conversation that `to_json` wrote.

        Raises:
            ConfigError: it is not JSON, or not a conversation; says what is wrong, and where.
        """
        try:
            given: object = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"wanted a conversation as JSON, got no JSON: {error}") from error
        if not isinstance(given, dict) or set(cast("dict[str, object]", given)) != {"messages"}:
            _wrong("the JSON", 'an object {"messages": [...]}', cast("object", given))
        messages = cast("dict[str, object]", given)["messages"]
        if not isinstance(messages, list):
            _wrong("messages", "a list", messages)
        return cls(messages=cast("list[Message]", messages))

    def save(self, path: str | Path) -> None:
        """Write it to a file, as JSON in UTF-8; what was there stays until all is written."""
        part = Path(f"{path}.part")
        part.write_text(self.to_json(), "utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | Path) -> Conversation:
        """The conversation that `save` wrote.

        Raises:
            OSError: the file cannot be read.
            ConfigError: it holds no conversation; says what is wrong, and where.
        """
        try:
            return cls.from_json(Path(path).read_bytes().decode("utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is no conversation: {error}") from error

    def _last_question(self) -> int:
        """Where the last message of the user is; -1 without one."""
        for index in reversed(range(len(self.messages))):
            if self.messages[index]["role"] == "user":
                return index
        return -1


def alternating(messages: list[Message]) -> list[Message]:
    """The messages with what one said in a row joined, since many chat templates refuse it.

    A question whose answer was closed before its first word leaves two.
    """
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if last and last["role"] == message["role"] != "tool" and "tool_calls" not in last:
            content = f"{last['content']} {message['content']}"
            joined[-1] = {**message, "content": content}
        else:
            joined.append(message)
    return joined


def _cut(said: str, heard: str) -> tuple[str, str]:
    """What was heard of a message, and what is left of the heard text for the next one."""
    at = 0
    for index, letter in enumerate(heard):
        if letter.isspace():
            continue
        while at < len(said) and said[at].isspace():
            at += 1
        if at == len(said):
            return said, heard[index:]
        if said[at] != letter:
            return heard, ""
        at += 1
    # Whitespace is never spoken; whole answers keep what they end with.
    return (said if not said[at:].strip() else said[:at]) if at else "", ""


_KEYS = {
    "system": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "tool_call_id", "name"},
}


def _message(where: str, given: object, index: int) -> Message:
    message = _object(where, given)
    role = message.get("role")
    if not isinstance(role, str) or role not in _KEYS:
        _wrong(f"{where}.role", f"one of {', '.join(_KEYS)}", role)
    if role == "system" and index:
        _wrong(where, "no system message but the first", given)
    for key in message:
        if key not in _KEYS[role]:
            _wrong(where, f"only {', '.join(sorted(_KEYS[role]))} in a message of {role}", key)
    for key in ("content", "tool_call_id", "name"):
        if key in message or key == "content":
            _text(f"{where}.{key}", message.get(key))
    if "tool_calls" in message:
        calls = message["tool_calls"]
        if not isinstance(calls, list) or not calls:
            _wrong(f"{where}.tool_calls", "a list of calls", message["tool_calls"])
        for at, call in enumerate(cast("list[object]", calls)):
            _call(f"{where}.tool_calls[{at}]", call)
    return cast("Message", given)


def _call(where: str, given: object) -> None:
    call = _object(where, given)
    if set(call) != {"id", "type", "function"}:
        _wrong(where, "an object with id, type and function", given)
    _text(f"{where}.id", call["id"])
    if call["type"] != "function":
        _wrong(f"{where}.type", "'function'", call["type"])
    function = _object(f"{where}.function", call["function"])
    if set(function) != {"name", "arguments"}:
        _wrong(f"{where}.function", "an object with name and arguments", function)
    _text(f"{where}.function.name", function["name"])
    _object(f"{where}.function.arguments", function["arguments"])


def _object(where: str, given: object) -> dict[str, object]:
    if not isinstance(given, dict):
        _wrong(where, "an object", given)
    return cast("dict[str, object]", given)


def _text(where: str, given: object) -> None:
    if not isinstance(given, str):
        _wrong(where, "text", given)


def _wrong(where: str, wanted: str, given: object) -> NoReturn:
    shown = repr(given)
    raise ConfigError(
        f"{where}: wanted {wanted}, got {shown if len(shown) <= 80 else shown[:77] + '...'}"
    )
