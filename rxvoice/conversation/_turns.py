"""The turns among messages: counting, leaving out and summing up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from reactivex import Observable

from rxvoice._text.marks import HARD, SHOUT
from rxvoice._text.unicode import whole_text
from rxvoice.conversation._message import Message
from rxvoice.errors import ConfigError

Summarise: TypeAlias = Callable[[list[Message]], str | Awaitable[str] | Observable[str]]
"""A function that takes the oldest messages and returns their summary; "" for none."""

_ENDS = (*HARD, *SHOUT, ".", "…")


def turns_of(messages: list[Message]) -> int:
    """How many turns there are. Each begins with a message of the user."""
    return sum(message["role"] == "user" for message in messages)


def without_oldest(messages: list[Message], turns: int, summary: str = "") -> list[Message]:
    """The messages without that many of the oldest turns. System prompt and last turn stay.

    Args:
        summary: takes the place of the turns if it is not "", as a message of the user, which no
            chat template refuses there.
    """
    start, end = _oldest(messages, turns)
    stands: list[Message] = [{"role": "user", "content": summary}] if summary else []
    return [*messages[:start], *stands, *messages[end:]] if end else list(messages)


def oldest(messages: list[Message], turns: int) -> list[Message]:
    """The messages that `without_oldest` leaves out."""
    start, end = _oldest(messages, turns)
    return messages[start:end]


def _oldest(messages: list[Message], turns: int) -> tuple[int, int]:
    """Where the oldest turns begin and end. The last turn is never among them."""
    starts = [at for at, message in enumerate(messages) if message["role"] == "user"]
    first = min(turns, len(starts) - 1)
    if first < 1:
        return 0, 0
    return int(messages[0]["role"] == "system"), starts[first]


def summary_of(given: object) -> str:
    """The summary that the app's function returned; `ConfigError` if it is no str."""
    if not isinstance(given, str):
        raise ConfigError(f"the function that summarises must give a str, got {given!r}")
    return whole_text(given.strip())


def alternating(messages: list[Message]) -> list[Message]:
    """The messages with neighbours of one role joined, which many chat templates refuse.

    A question whose reply was closed before its first word leaves two such messages. After a whole
    sentence the next one stands on a line of its own; a half one is continued. Lone
    surrogates, which an edit may have brought in, are replaced, since no tokenizer and no server
    takes them.
    """
    joined: list[Message] = []
    for given in messages:
        content = whole_text(given["content"])
        message: Message = given if content == given["content"] else {**given, "content": content}
        last = joined[-1] if joined else None
        if last and last["role"] == message["role"] != "tool" and "tool_calls" not in last:
            between = "\n" if last["content"].rstrip().endswith(_ENDS) else " "
            content = last["content"] + between + message["content"]
            joined[-1] = {**message, "content": content}
        else:
            joined.append(message)
    return joined
