"""One question and what becomes of it in a conversation."""

from __future__ import annotations

from threading import Lock

from rxvoice.conversation import CalledFunction, Conversation, Message
from rxvoice.tools import ToolCall

__all__ = ["Exchange"]


class Exchange:
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
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether `heard` or `forget` has been called: it is known what became of the answer."""
        return self._settled

    @property
    def open(self) -> bool:
        """Whether it can go on: not once it is settled, or the messages were cleared."""
        return not self._settled and self._after() is not None

    def begin(self) -> None:
        """What is said from now on is a message of its own."""
        self._answer = None

    def say(self, piece: str) -> None:
        """Add to the answer."""
        with self._lock:
            if self._settled or not piece:
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
            known = sum(len(it.get("tool_calls", ())) for it in self._conversation.messages)
            identity = f"{known + 1:09d}"
            arguments = dict(call.arguments)
            function: CalledFunction = {"name": call.name, "arguments": arguments}
            calls.append({"id": identity, "type": "function", "function": function})
            told: Message = {"role": "tool", "content": call.result, "name": call.name}
            self._add({**told, "tool_call_id": identity})

    def heard(self, text: str) -> None:
        """Cut the answer to what was heard of it; nothing is added to it any more."""
        with self._lock:
            self._settled = True
            self._conversation.heard(text)

    def forget(self) -> None:
        """Take it back; nothing is added to it any more."""
        with self._lock:
            self._settled = True
        self.take_back()

    def take_back(self) -> None:
        """Remove the question and its answer, unless a tool has been called for it."""
        with self._lock:
            if not any(message["role"] == "tool" for message in self._own):
                messages = self._conversation.messages
                messages[:] = [it for it in messages if not any(it is own for own in self._own)]

    def _add(self, message: Message) -> Message:
        after = self._after()
        if after is not None:
            self._conversation.messages.insert(after + 1, message)
            self._own.append(message)
        return message

    def _after(self) -> int | None:
        """Where the last message of this exchange is."""
        for index in reversed(range(len(self._conversation.messages))):
            if any(self._conversation.messages[index] is own for own in self._own):
                return index
        return None

    def _holds(self, message: Message) -> bool:
        return any(message is it for it in self._conversation.messages)
