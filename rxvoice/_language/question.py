"""One question to a language model, with its reply, as messages of a conversation."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from threading import Lock

from rxvoice._text.unicode import whole_text
from rxvoice.conversation import CalledFunction, Conversation, Message
from rxvoice.conversation._turns import oldest, turns_of, without_oldest
from rxvoice.tools import ToolCall


class Question:
    """A question, its reply and the calls of tools for it, as messages.

    The messages are found by identity, since the app may edit or clear the conversation meanwhile.

    Args:
        conversation: the question joins it at once.
        text: the question. None: the conversation ends with it already.
    """

    def __init__(self, conversation: Conversation, text: str | None) -> None:
        self._conversation = conversation
        self._lock = Lock()
        self._own: list[Message] = [] if text is None else [conversation.add_user(text)]
        self._reply: Message | None = None
        self._is_settled = False
        self.was_compacted = False
        """Whether turns were summed up to make room for this question."""

    @property
    def messages(self) -> list[Message]:
        """All messages of the conversation."""
        return self._conversation.messages

    @property
    def is_settled(self) -> bool:
        """Whether the reply is final: nothing is added to it."""
        return self._is_settled

    @property
    def is_open(self) -> bool:
        """Whether the reply can go on: it is not settled, and its messages were not cleared."""
        return not self._is_settled and self._after() is not None

    def begin(self) -> None:
        """Begin another message of the reply with the next piece."""
        self._reply = None

    def say(self, piece: str) -> None:
        """Add a piece to the reply."""
        with self._lock:
            if self._is_settled or not piece:
                return
            if self._reply is None:
                self._reply = self._add({"role": "assistant", "content": ""})
            self._reply["content"] += piece

    def called(self, call: ToolCall) -> None:
        """Add a call of a tool and its result. Both stay, since the tool has run."""
        with self._lock:
            message = self._reply
            if message is None or not self._holds(message):
                message = self._reply = self._add({"role": "assistant", "content": ""})
            calls = message.setdefault("tool_calls", [])
            # Some chat templates take only nine digits.
            known = sum(len(it.get("tool_calls", ())) for it in self.messages)
            identity = f"{known + 1:09d}"
            arguments = dict(call.arguments)
            function: CalledFunction = {"name": call.name, "arguments": arguments}
            calls.append({"id": identity, "type": "function", "function": function})
            told: Message = {"role": "tool", "content": whole_text(call.result), "name": call.name}
            self._add({**told, "tool_call_id": identity})

    def oldest(self, turns: int) -> list[Message]:
        """The messages of the oldest turns."""
        return oldest(self.messages, turns)

    def drop_oldest(self, turns: int, summary: str = "") -> None:
        """Drop the oldest turns of the conversation. A summary that is not "" takes their place."""
        with self._lock:
            self.messages[:] = without_oldest(self.messages, turns, summary)

    def heard(self, text: str) -> None:
        """Cut the reply to what was heard of it, and settle it."""
        with self._lock:
            self._is_settled = True
            self._conversation.heard(text)

    def settle(self) -> None:
        """Keep the reply as it is: nothing is added to it from here on."""
        with self._lock:
            self._is_settled = True

    def forget(self) -> None:
        """Settle the reply, and take the question back."""
        self.settle()
        self.take_back()

    def take_back(self) -> None:
        """Remove the question and its reply, unless a tool was called for it."""
        with self._lock:
            if not any(message["role"] == "tool" for message in self._own):
                self.messages[:] = [it for it in self.messages if not _is_one_of(it, self._own)]

    def _add(self, message: Message) -> Message:
        after = self._after()
        if after is not None:
            self.messages.insert(after + 1, message)
            self._own.append(message)
        return message

    def _after(self) -> int | None:
        """The index of the last message of this question; None if none is left."""
        for index in reversed(range(len(self.messages))):
            if _is_one_of(self.messages[index], self._own):
                return index
        return None

    def _holds(self, message: Message) -> bool:
        return _is_one_of(message, self.messages)


def fewest_turns(messages: list[Message], fits: Callable[[list[Message]], bool]) -> int:
    """How many of the oldest turns have to go, at least one, until the rest fits.

    All but the last, if nothing fits; 0, if there is only one turn.
    """
    most = turns_of(messages) - 1
    if most < 1:
        return 0
    remaining = range(most + 1)
    return min(
        most, bisect_left(remaining, True, lo=1, key=lambda n: fits(without_oldest(messages, n)))
    )


def _is_one_of(message: Message, among: list[Message]) -> bool:
    return any(message is it for it in among)
