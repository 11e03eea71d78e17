"""A conversation as a language model sees it: messages, which can be cut, saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from rxvoice._check import whole
from rxvoice._files.json import read_json
from rxvoice._files.whole import read_at_most, replace_file
from rxvoice._text.unicode import whole_text
from rxvoice.conversation._message import (
    Message,
    checked_message,
    wrong,
)
from rxvoice.conversation._turns import oldest, summary_of, turns_of, without_oldest
from rxvoice.errors import ConfigError

_LARGEST = 64 * 2**20  # bytes of a file; a year of talk has a tenth of that
_LEVELS = 1_000  # of nested JSON; `to_json` writes fewer


class Conversation:
    """The messages so far, oldest first. For one thread at a time.

    Args:
        system: the system prompt; None for none.
        messages: the messages after it.

    Attributes:
        messages: all messages, the system prompt first if there is one. The app may edit the list.

    Raises:
        ConfigError: a message has another shape than `Message`.
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
        """The system prompt, which is the first message, or None. Can be set."""
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
        """Append what the user said, and return the message."""
        self.messages.append({"role": "user", "content": whole_text(text)})
        return self.messages[-1]

    def add_assistant(self, text: str) -> Message:
        """Append what the assistant said, and return the message."""
        self.messages.append({"role": "assistant", "content": whole_text(text)})
        return self.messages[-1]

    def heard(self, text: str) -> None:
        """Cut the reply to the last question to what the user heard before an interruption.

        White space may differ. A message of which nothing was heard is dropped; calls of tools and
        their results stay, since they did happen. If the reply does not begin with `text`, `text`
        replaces it. Without a reply nothing happens.

        Args:
            text: what was heard; blank for nothing.
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
        """Replace all turns but the last ones by a summary, as a message of the user.

        Returns how many turns it replaced: 0, if there are no more than `keep_turns`. Do not call
        it while a reply is in progress.

        Args:
            summarise: takes the messages of those turns, without the system prompt, and returns
                their summary. The text should say that it is one. If it is blank, the turns go
                without a summary.
            keep_turns: how many of the last turns stay as they are, at least 1.

        Raises:
            ConfigError: `summarise` does not return a str. That, and whatever `summarise` raises,
                leaves the conversation as it was.
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
        """The conversation as JSON, from which `from_json` makes an equal one.

        Raises:
            ConfigError: a message holds something that JSON cannot, such as a Python object as an
                argument of a tool.
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
            ConfigError: the text is not JSON or no conversation; says what is wrong, and where.
        """
        return cls._of(_whole(read_json(text, "the text", levels=_LEVELS)))

    def save(self, path: str | Path) -> None:
        """Write the conversation to a file, as JSON in UTF-8.

        An old file stays as it is until all of the new one is on the disk. If writing fails, it
        stays for good, and nothing is left beside it.

        Raises:
            OSError: the file cannot be written.
            ConfigError: as `to_json`.
        """
        replace_file(path, self.to_json().encode())

    @classmethod
    def load(cls, path: str | Path) -> Conversation:
        """The conversation that `save` wrote, from a file of at most 64 MB.

        Raises:
            OSError: the file cannot be read.
            ConfigError: the file holds no conversation; says what is wrong, and where.
        """
        data = read_at_most(path, _LARGEST)
        try:
            return cls._of(_whole(read_json(data, "the file", levels=_LEVELS)))
        except ConfigError as error:
            raise ConfigError(f"{path} is no conversation: {error}") from error

    @classmethod
    def _of(cls, given: object) -> Conversation:
        if not isinstance(given, dict) or set(cast("dict[str, object]", given)) != {"messages"}:
            wrong("the JSON", 'an object {"messages": [...]}', cast("object", given))
        messages = cast("dict[str, object]", given)["messages"]
        if not isinstance(messages, list):
            wrong("messages", "a list", messages)
        return cls(messages=cast("list[Message]", messages))

    def _last_question(self) -> int:
        """The index of the user's last message; -1 without one."""
        for index in reversed(range(len(self.messages))):
            if self.messages[index]["role"] == "user":
                return index
        return -1


def _whole(given: object) -> object:
    """The value without lone surrogates in any of its texts."""
    try:
        text = json.dumps(given, ensure_ascii=False)
    except RecursionError:
        raise ConfigError(f"it has almost {_LEVELS} levels: flatten it") from None
    whole = whole_text(text)
    return given if whole is text else json.loads(whole)


def _cut(said: str, heard: str) -> tuple[str, str]:
    """The heard part of a message, and the rest of the heard text, for the next message."""
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
    # White space is never spoken, so a whole message keeps the white space at its end.
    return (said if not said[at:].strip() else said[:at]) if at else "", ""
