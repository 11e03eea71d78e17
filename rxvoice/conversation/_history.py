"""A conversation as a language model is told it: messages, which can be cut, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from rxvoice._check import whole
from rxvoice._files.whole import read_at_most, replace_file
from rxvoice._text.unicode import whole_text
from rxvoice.conversation._message import (
    Message,
    checked_message,
    wrong,
)
from rxvoice.conversation._turns import oldest, summary_of, turns_of, without_oldest
from rxvoice.errors import ConfigError

__all__ = [
    "Conversation",
]

_LARGEST = 64 * 2**20  # bytes of a file; a year of talk has a tenth of that


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
            checked_message(f"messages[{index}]", message, index)
            for index, message in enumerate(messages)
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
        new: list[Message] = []
        if prompt is not None:
            new = [{"role": "system", "content": whole_text(prompt)}]
        self.messages[: self.system is not None] = new

    def add_user(self, text: str) -> Message:
        """Append what the user said; gives the message."""
        self.messages.append({"role": "user", "content": whole_text(text)})
        return self.messages[-1]

    def add_assistant(self, text: str) -> Message:
        """Append what the assistant said; gives the message."""
        self.messages.append({"role": "assistant", "content": whole_text(text)})
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
        rest = whole_text(text.strip())
        for message in self.messages[start:]:
            if message["role"] == "assistant":
                message["content"], rest = _cut(message["content"], rest)
                if not message["content"] and "tool_calls" not in message:
                    continue
            kept.append(message)
        self.messages[start:] = kept

    def compact(self, summarise: Callable[[list[Message]], str], *, keep_turns: int = 2) -> int:
        """Replace all but the last turns by a summary, in a message of the user's.

        Not while an answer is in progress. Gives how many turns it stands for; where there are no
        more than are to be kept, 0, and nothing happens.

        Args:
            summarise: is given the messages of those turns, all but the system prompt; gives the
                summary, which reads best if it says that it is one. Blank: nothing takes their
                place.
            keep_turns: the last turns, at least 1, that stay as they are.

        Raises:
            ConfigError: `summarise` gives no str. It, and whatever it raises, leaves all as it was.
        """
        whole("keep_turns", keep_turns, 1, "turns")
        turns = turns_of(self.messages) - keep_turns
        if turns < 1:
            return 0
        summary = summary_of(summarise(oldest(self.messages, turns)))
        self.messages[:] = without_oldest(self.messages, turns, summary)
        return turns

    def clear(self) -> None:
        """Forget everything but the system prompt."""
        del self.messages[self.system is not None :]

    def to_json(self) -> str:
        """The conversation as JSON; `from_json` gives an equal one.

        Raises:
            ConfigError: a message holds what JSON cannot, such as a tool's argument that is an
                object of Python.
        """
        try:
            text = json.dumps({"messages": self.messages}, ensure_ascii=False, indent=1)
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(f"the conversation cannot be written as JSON: {error}") from error
        return whole_text(text) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Conversation:
        """The conversation that `to_json` wrote.

        Raises:
            ConfigError: it is not JSON, or not a conversation; says what is wrong, and where.
        """
        try:
            given: object = json.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"wanted a conversation as JSON, got no JSON: {error}") from error
        if not isinstance(given, dict) or set(cast("dict[str, object]", given)) != {"messages"}:
            wrong("the JSON", 'an object {"messages": [...]}', cast("object", given))
        messages = cast("dict[str, object]", given)["messages"]
        if not isinstance(messages, list):
            wrong("messages", "a list", messages)
        return cls(messages=cast("list[Message]", messages))

    def save(self, path: str | Path) -> None:
        """Write it to a file, as JSON in UTF-8.

        A file that was there stays as it is until all of the new one is on the disk, and where that
        fails; nothing else is left beside it.

        Raises:
            OSError: the file cannot be written.
            ConfigError: as of `to_json`.
        """
        replace_file(path, self.to_json().encode())

    @classmethod
    def load(cls, path: str | Path) -> Conversation:
        """The conversation that `save` wrote, in a file of at most 64 MB.

        Raises:
            OSError: the file cannot be read.
            ConfigError: it holds no conversation; says what is wrong, and where.
        """
        data = read_at_most(path, _LARGEST)
        try:
            return cls.from_json(data.decode("utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is no conversation: {error}") from error

    def _last_question(self) -> int:
        """Where the last message of the user is; -1 without one."""
        for index in reversed(range(len(self.messages))):
            if self.messages[index]["role"] == "user":
                return index
        return -1


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
