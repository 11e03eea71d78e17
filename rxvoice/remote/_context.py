"""How much of a conversation a server can take, which only it can count."""

from __future__ import annotations

import json

from rxvoice._question import Question, fewest_turns
from rxvoice.conversation import Message, without_oldest
from rxvoice.remote._chat import for_server

__all__ = ["Context"]

_TOKENS_PER_BYTE = 1 / 3
"""Of most texts this is too many, and so on the safe side until the server has counted."""


class Context:
    """Trims conversations to a number of tokens that is estimated by their length.

    Args:
        room: tokens for all but the answer; None where that is not known.
        tools: the schemas that are sent with each question.
    """

    def __init__(self, room: int | None, tools: list[dict[str, object]]) -> None:
        self._room = room
        self._more = len(json.dumps(tools, ensure_ascii=False).encode()) if tools else 0
        self._tokens_per_byte = _TOKENS_PER_BYTE

    def excess(self, question: Question) -> int:
        """How many of the oldest turns are to go, which leaves a quarter; 0 where there is room."""
        room = self._room
        if room is None or self._tokens(question.messages) <= room:
            return 0
        return fewest_turns(
            question.messages, lambda messages: self._tokens(messages) <= room * 3 / 4
        )

    def half(self, question: Question) -> int:
        """How many turns the older half of the conversation has; 0 if there is only one."""
        messages = question.messages
        # All but what has to stay: the system prompt, this question and the tools.
        least = self._size(without_oldest(messages, len(messages)))
        half = (least + self._size(messages)) / 2
        return fewest_turns(messages, lambda messages: self._size(messages) <= half)

    def learn(self, messages: list[Message], tokens: int) -> None:
        """Set the estimate right by what the server has counted for these messages."""
        # Within what a tokenizer can come to, whatever a server says.
        self._tokens_per_byte = min(1.0, max(0.05, tokens / self._size(messages)))

    def _tokens(self, messages: list[Message]) -> float:
        return self._size(messages) * self._tokens_per_byte

    def _size(self, messages: list[Message]) -> int:
        text = json.dumps(for_server(messages), ensure_ascii=False)
        return len(text.encode()) + self._more
