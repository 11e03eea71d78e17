"""The stream of a reply, read from any of the forms in which servers send it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

from rxvoice._files.json import read_json
from rxvoice._language.calls import WrittenCall, read_call
from rxvoice._text.unicode import whole_text
from rxvoice.conversation import Message
from rxvoice.conversation._turns import alternating
from rxvoice.errors import ConfigError

DONE = object()
"""The last event of a stream."""

_LONGEST_LINE = 1024 * 1024  # bytes
_MOST_CALLS = 128  # of tools in a reply
_LINE_END = re.compile(rb"\r\n|\r|\n")


class ErrorEvent(Exception):
    """A server reports a failure in the middle of its stream.

    Attributes:
        body: what the server says.
    """

    def __init__(self, body: object) -> None:
        super().__init__(str(body))
        self.body = body


def events(parts: Iterable[bytes], media: str) -> Iterator[object]:
    """Yield the JSON of each event of a stream of server-sent events, and `DONE`.

    Each line of data is an event, whether or not a blank line follows. A server that does not
    stream sends plain JSON, which is one event.

    Args:
        media: the type that the server says it sends.

    Raises:
        ErrorEvent: the server reports a failure.
        ValueError: a line is too long, or no JSON.
    """
    if "json" in media:
        yield _json(b"".join(_bounded(parts)))
        return
    kind = b""
    for line in _lines(parts):
        name, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        value = value.strip()
        if name == b"event":
            kind = value
        elif name == b"data" and value == b"[DONE]":
            yield DONE
        elif name == b"data" and kind == b"error":
            raise ErrorEvent(_readable(value))
        elif name == b"data" and value:
            yield _json(value)
        elif not line:
            kind = b""


def _lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for part in parts:
        first, *more = _LINE_END.split(part)
        held += first
        if len(held) > _LONGEST_LINE:
            raise ValueError(f"a line of more than {_LONGEST_LINE} bytes")
        if more:
            yield bytes(held)
            yield from more[:-1]
            held = bytearray(more[-1])
    yield bytes(held)


def _bounded(parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > _LONGEST_LINE:
            raise ValueError(f"more than {_LONGEST_LINE} bytes of JSON")
        yield part


def _readable(value: bytes) -> object:
    try:
        return _json(value)
    except ValueError:
        return value.decode("utf-8", "replace")


def _json(text: bytes) -> object:
    try:
        return read_json(text, "an event")
    except ConfigError as error:  # an error of the server, and not of the app's configuration
        raise ValueError(str(error)) from error


@dataclass(slots=True)
class _Call:
    """A call of a tool, as far as it has arrived."""

    index: object
    identity: object
    name: str = ""
    text: list[str] = field(default_factory=list[str])
    arguments: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class CountedTokens:
    """What an answer cost, as the server counted.

    Attributes:
        prompt_tokens: the length of the question, with the conversation before it.
        prefilled_tokens: how much of that the server read anew; the rest was in its cache.
        generated_tokens: the length of the answer, thoughts and calls of tools included.
    """

    prompt_tokens: int
    prefilled_tokens: int
    generated_tokens: int


@dataclass(slots=True)
class ChatReader:
    """Adds up the events of one reply.

    Attributes:
        is_complete: whether the server has said that the reply ends.
        finish: the reason that it gives; "" without one.
        length: characters so far, in text, thoughts and calls.
        has_text: whether there is text that is not blank.
        has_thought: whether there is a thought in a field of its own.
        has_begun: whether there was a choice, even an empty one.
        tokens: what the server has counted; None if it does not tell.
    """

    is_complete: bool = False
    finish: str = ""
    length: int = 0
    has_text: bool = False
    has_thought: bool = False
    has_begun: bool = False
    tokens: CountedTokens | None = None
    _calls: list[_Call] = field(default_factory=list[_Call])

    def restart(self) -> None:
        """Forget what has come, since another server is asked."""
        self.__init__()

    def read(self, event: object) -> str | None:
        """The new text of an event; None for one that is not about the reply.

        Raises:
            ErrorEvent: the server reports a failure.
            ValueError, TypeError: it is no event of a chat.
        """
        if event is DONE:
            self.is_complete = True
            return None
        given = _object(event)
        if given.get("error") or given.get("object") == "error":
            raise ErrorEvent(given)
        self.count(given)
        pieces = [self._choice(it) for it in map(_object, _list(given.get("choices"))) if it]
        return "".join(pieces) if pieces else None

    def count(self, event: object) -> None:
        """Take the count of tokens from an event that has one, and nothing else."""
        usage = cast("dict[str, object]", event).get("usage") if isinstance(event, dict) else None
        if not isinstance(usage, dict):
            return
        counts = cast("dict[str, object]", usage)
        if prompt := _count(counts.get("prompt_tokens")):
            details = counts.get("prompt_tokens_details")
            known = cast("dict[str, object]", details) if isinstance(details, dict) else {}
            cached = min(prompt, _count(known.get("cached_tokens")))
            written = _count(counts.get("completion_tokens"))
            self.tokens = CountedTokens(prompt, prompt - cached, written)

    def calls(self) -> list[WrittenCall]:
        """The calls of tools so far."""
        return [_written(call) for call in self._calls]

    def _choice(self, choice: dict[str, object]) -> str:
        if choice.get("index") not in (0, None):  # one of several replies, not asked for
            return ""
        self.has_begun = True
        delta = _object(choice.get("delta"))
        if "delta" not in choice and not self.has_text:
            delta = _object(choice.get("message"))  # from a server that does not stream
        text = _text(delta.get("content"))
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        self.length += len(text) + len(thought if isinstance(thought, str) else "")
        self.has_text |= bool(text.strip())
        self.has_thought |= bool(thought)
        for part in map(_object, _list(delta.get("tool_calls"))):
            self._take(part)
        if finish := choice.get("finish_reason"):
            if finish == "error":
                raise ErrorEvent(choice.get("error") or "no reason given")
            self.finish, self.is_complete = str(finish), True
        return text

    def _take(self, part: dict[str, object]) -> None:
        """Take a part of a call. Some servers number the calls, some name them, some do neither."""
        function = _object(part.get("function"))
        name, arguments = function.get("name") or "", function.get("arguments")
        index, identity = part.get("index"), part.get("id")
        same = [it for it in self._calls if it.index == index]
        call = same[-1] if same else None
        if (
            call is None
            or (identity and call.identity and identity != call.identity)
            or (index is None and not identity and name and call.name)
        ):
            if len(self._calls) == _MOST_CALLS:
                raise ValueError(f"more than {_MOST_CALLS} calls of tools in one reply")
            call = _Call(index, identity)
            self._calls.append(call)
        call.identity = call.identity or identity
        call.name = call.name or str(name)
        if isinstance(arguments, dict):
            call.arguments = cast("dict[str, object]", arguments)
        elif arguments is not None:
            call.text.append(str(arguments))
            self.length += len(call.text[-1])


def for_server(messages: list[Message]) -> list[dict[str, object]]:
    """The messages in the form of OpenAI's interface, with the arguments of calls as text."""
    return [_sent(message) for message in alternating(messages)]


def _sent(message: Message) -> dict[str, object]:
    sent = cast("dict[str, object]", {**message})
    if message["role"] == "tool":
        sent.pop("name", None)
    if "tool_calls" in message:
        sent["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": _arguments(call["function"])}}
            for call in message["tool_calls"]
        ]
    return sent


def _arguments(function: object) -> str:
    given = cast("dict[str, object]", function)["arguments"]
    return whole_text(json.dumps(given, ensure_ascii=False, default=str))


def _written(call: _Call) -> WrittenCall:
    text = "".join(call.text)
    try:
        return read_call(call.name, text if call.arguments is None else call.arguments)
    except ValueError as error:
        return WrittenCall(call.name or "unreadable", {"text": text}, error)


def _text(content: object) -> str:
    """The text of a content. It may be a list of parts, some of which are thoughts."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(_part(it) for it in cast("list[object]", content))
    if not isinstance(content, str):
        raise TypeError(f"wanted text, got {content!r}")
    return content


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    given = _object(part)
    return _text(given.get("text")) if given.get("type", "text") == "text" else ""


def _count(given: object) -> int:
    return given if isinstance(given, int) and given > 0 else 0


def _object(given: object) -> dict[str, object]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"wanted an object, got {given!r}")
    return cast("dict[str, object]", given)


def _list(given: object) -> list[object]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise ValueError(f"wanted a list, got {given!r}")
    return cast("list[object]", given)
