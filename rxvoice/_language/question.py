"""One question to a language model, and what becomes of it in a conversation."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from threading import Lock

from rxvoice._text.unicode import whole_text
from rxvoice.conversation import CalledFunction, Conversation, Message
from rxvoice.conversation._turns import oldest, turns_of, without_oldest
from rxvoice.tools import ToolCall

__all__ = ["Question", "fewest_turns"]


class Question:
    """A question, its answer and the tools that were called for it, as messages.

    They are found again by identity: the user may edit or clear the conversation in the meantime.

    Args:
        conversation: where the question goes at once.
        text: the question.
    """

    def __init__(self, conversation: Conversation, text: str) -> None:
        self._conversation = conversation
        self._lock = Lock()
        self._own: list[Message] = [conversation.add_user(text)]
        self._answer: Message | None = None
        self._is_settled = False
        self.was_compacted = False
        """Whether turns were summed up to make room for it."""

    @property
    def messages(self) -> list[Message]:
        """All of the conversation, up to this question and what belongs to it."""
        return self._conversation.messages

    @property
    def is_settled(self) -> bool:
        """Whether it is known what becomes of the answer: nothing is added to it any more."""
        return self._is_settled

    @property
    def is_open(self) -> bool:
        """Whether it can go on: not once it is settled, or the messages were cleared."""
        return not self._is_settled and self._after() is not None

    def begin(self) -> None:
        """What is said from now on is a message of its own."""
        self._answer = None

    def say(self, piece: str) -> None:
        """Add to the answer."""
        with self._lock:
            if self._is_settled or not piece:
                return
            if self._answer is None:
                self._answer = self._add({"role": "assistant", "content": ""})
            self._answer["content"] += piece

    def called(self, call: ToolCall) -> None:
        """Note a call and its result; both stay, since the tool did what it does."""
        with self._lock:
            answer = self._answer
            if answer is None or not self._holds(answer):
                answer = self._answer = self._add({"role": "assistant", "content": ""})
            calls = answer.setdefault("tool_calls", [])
            # Nine digits: some chat templates take no other length.
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
        """Drop the oldest turns of the conversation; a summary takes their place, if not blank."""
        with self._lock:
            self.messages[:] = without_oldest(self.messages, turns, summary)

    def heard(self, text: str) -> None:
        """Cut the answer to what was heard of it; nothing is added to it any more."""
        with self._lock:
            self._is_settled = True
            self._conversation.heard(text)

    def settle(self) -> None:
        """Keep the answer as it is; nothing is added to it any more."""
        with self._lock:
            self._is_settled = True

    def forget(self) -> None:
        """Take it back; nothing is added to it any more."""
        self.settle()
        self.take_back()

    def take_back(self) -> None:
        """Remove the question and its answer, unless a tool has been called for it."""
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
        """Where the last message of this question is."""
        for index in reversed(range(len(self.messages))):
            if _is_one_of(self.messages[index], self._own):
                return index
        return None

    def _holds(self, message: Message) -> bool:
        return _is_one_of(message, self.messages)


def fewest_turns(messages: list[Message], fits: Callable[[list[Message]], bool]) -> int:
    """How many of the oldest turns have to go, one at least, until the rest fits.

    All but the last where nothing fits, and 0 where there is no other.
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
