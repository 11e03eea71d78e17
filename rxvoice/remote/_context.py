"""An estimate of how much of a conversation fits into a server's context."""

from __future__ import annotations

import json
from typing import TypeAlias

from rxvoice._language.question import Question, fewest_turns
from rxvoice.conversation import Message
from rxvoice.conversation._turns import without_oldest
from rxvoice.remote._chat import for_server

Schemas: TypeAlias = list[dict[str, object]]

_TOKENS_PER_BYTE = 1 / 3
"""Too many for most texts, and so on the safe side until the server has counted."""


class Context:
    """Says how many turns have to go. It estimates tokens by the length of the text.

    Args:
        room: tokens for all but the reply; None if that is not known.
    """

    def __init__(self, room: int | None) -> None:
        self._room = room
        self._tokens_per_byte = _TOKENS_PER_BYTE

    def excess(self, question: Question, tools: Schemas) -> int:
        """How many of the oldest turns have to go to free a quarter; 0 while there is room.

        Args:
            tools: the schemas that go with the question.
        """
        room = self._room
        if room is None or self._tokens(question.messages, tools) <= room:
            return 0
        return fewest_turns(question.messages, lambda it: self._tokens(it, tools) <= room * 3 / 4)

    def half(self, question: Question, tools: Schemas) -> int:
        """How many turns are in the older half of the conversation; 0 if there is only one turn."""
        messages = question.messages
        # What has to stay: the system prompt, this question and the tools.
        least = _size(without_oldest(messages, len(messages)), tools)
        half = (least + _size(messages, tools)) / 2
        return fewest_turns(messages, lambda it: _size(it, tools) <= half)

    def learn(self, messages: list[Message], tools: Schemas, tokens: int) -> None:
        """Correct the estimate by the number of tokens that the server counted for the messages."""
        # Within what tokenizers give, whatever the server says.
        self._tokens_per_byte = min(1.0, max(0.05, tokens / _size(messages, tools)))

    def _tokens(self, messages: list[Message], tools: Schemas) -> float:
        return _size(messages, tools) * self._tokens_per_byte


def _size(messages: list[Message], tools: Schemas) -> int:
    parts: list[object] = [for_server(messages), *([tools] if tools else [])]
    return sum(len(json.dumps(it, ensure_ascii=False).encode()) for it in parts)
