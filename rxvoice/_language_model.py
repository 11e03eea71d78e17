"""The conversation with a language model, wherever the model runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, suppress
from copy import copy
from dataclasses import dataclass
from reprlib import Repr
from typing import Self, TypeAlias

from rxvoice._check import whole
from rxvoice._question import Question
from rxvoice._thoughts import Said
from rxvoice.conversation import Conversation, Message
from rxvoice.elements import Notice
from rxvoice.tools import Tool, Toolbox, ToolCall

__all__ = ["LanguageModel", "Written", "WrittenCall"]

# A model may write arguments of any length and depth.
_SHOWN = Repr()
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 200


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call of a tool as the model wrote it.

    Args:
        name: the tool; ``"unreadable"`` where not even that could be read.
        arguments: by name.
        error: why it could not be read, where it could not.
    """

    name: str
    arguments: Mapping[str, object]
    error: Exception | None = None


Written: TypeAlias = "str | Notice | WrittenCall"
"""A piece of what a model writes: text, which may be empty, a remark for the app, or a call."""


class LanguageModel(ABC):
    """Asks a model, and keeps what is said. Subclasses say how a model writes.

    Attributes:
        conversation: what was said so far. May be edited or replaced between answers.
    """

    def __init__(
        self,
        *,
        system_prompt: str | None,
        conversation: Conversation | None,
        tools: Iterable[Tool],
        max_tool_rounds: int,
    ) -> None:
        whole("max_tool_rounds", max_tool_rounds, 1, "rounds")
        self.conversation = Conversation() if conversation is None else conversation
        if system_prompt is not None:
            self.conversation.system = system_prompt
        self._toolbox = Toolbox(tools)
        self._max_tool_rounds = max_tool_rounds
        self._question: Question | None = None
        self._answer: Generator[str | Notice, None, None] | None = None

    @property
    def messages(self) -> list[Message]:
        """The messages of `conversation`: the list itself, which may be edited or replaced."""
        return self.conversation.messages

    @messages.setter
    def messages(self, messages: list[Message]) -> None:
        self.conversation.messages = messages

    def reset(self) -> None:
        """Forget the conversation, all but the system prompt."""
        self.conversation.clear()

    def fresh(self) -> Self:
        """Another conversation with the same model, in which nothing was said yet."""
        own = copy(self)
        own.conversation = Conversation(system=self.conversation.system)
        own._question = own._answer = None
        return own

    def heard(self, text: str, /) -> None:
        """Say what was spoken of the last answer before it was interrupted; blank for nothing.

        The answer in `messages` is cut to it, as `Conversation.heard` says, and ends if it is
        still in progress. To be called before the next question is asked. May be called on another
        thread than the one that answers.
        """
        if self._question is None:
            self.conversation.heard(text)
        else:
            self._question.heard(text)

    def said(self, text: str, /) -> None:
        """Say what was spoken without a question, such as a greeting: it is the assistant's."""
        self.conversation.add_assistant(text)

    def forget(self) -> None:
        """Say that the last question was not asked after all.

        It is removed from `messages` with its answer, which ends if it is still in progress; unless
        a tool was called for it. Without a question nothing happens. May be called on another
        thread than the one that answers.
        """
        if self._question is not None:
            self._question.forget()

    @abstractmethod
    def _prepare(self) -> None:
        """Get ready for a question, before it joins the conversation."""

    @abstractmethod
    def _write(self, question: Question) -> Generator[Written, None, None]:
        """What the model writes next, given all messages; from the end of them, not of the answer.

        What it has called it gives at last. It is closed where the answer ends early.
        """

    def _respond(self, text: str) -> Generator[str | Notice, None, None]:
        """Answer a question; an answer that is still in progress ends."""
        if self._answer is not None and self._question is not None:
            self._question.settle()
            # One that another thread is in the middle of ends after its next piece.
            with suppress(ValueError):
                self._answer.close()
        self._answer = self._answered(text)
        yield from self._answer

    def _answered(self, text: str) -> Generator[str | Notice, None, None]:
        self._prepare()
        self._question = question = Question(self.conversation, text)
        last = ""
        try:
            for rounds in range(self._max_tool_rounds + 2):
                calls: list[WrittenCall] = []
                question.begin()
                # What was said before a tool was called and after it are not one word.
                is_apart = last and not last[-1].isspace()
                with closing(self._said(question, calls)) as pieces:
                    for piece in pieces:
                        if isinstance(piece, Notice):
                            yield piece
                            continue
                        new = f" {piece}" if is_apart and piece else piece
                        is_apart = is_apart and not piece
                        last = new or last
                        question.say(piece)
                        if not question.is_settled:
                            yield new
                        if question.is_settled:
                            return
                if not calls:
                    return
                if rounds > self._max_tool_rounds:
                    break
                for call in self._made(calls, rounds):
                    question.called(call)
                    yield Notice(_told(call), call)
                    if not question.is_open:
                        return
            yield Notice(
                f"the model went on to call tools after {self._max_tool_rounds} rounds: the answer "
                "ends there"
            )
        except GeneratorExit:
            raise
        except BaseException:
            question.take_back()
            raise

    def _said(
        self, question: Question, calls: list[WrittenCall]
    ) -> Generator[str | Notice, None, None]:
        """What is to be said of what the model writes next; its calls join the list."""
        said = Said()
        with closing(self._write(question)) as pieces:
            for piece in pieces:
                if isinstance(piece, WrittenCall):
                    calls.append(piece)
                else:
                    yield piece if isinstance(piece, Notice) else said.feed(piece)
        if rest := said.end():
            yield rest
        if said.is_thinking:
            yield Notice(
                "the answer ended within a thought, which is not spoken: raise max_tokens, or turn "
                "the model's thinking off"
            )
        if said.has_lost_mark:
            yield Notice(
                "the answer began within a thought that nothing marks as one, so it was spoken: "
                "turn the model's thinking off, or let the server take thoughts out"
            )

    def _made(self, calls: list[WrittenCall], rounds: int) -> Generator[ToolCall, None, None]:
        """Each call, made as it is asked for."""
        for call in calls:
            if call.error is not None:
                told = f"Error: this call of a tool could not be read: {call.error}"
                yield ToolCall(call.name, call.arguments, told, call.error)
            elif rounds < self._max_tool_rounds:
                yield self._toolbox.call(call.name, call.arguments)
            else:
                error = RuntimeError("no more tools may be called now: answer without")
                yield ToolCall(call.name, call.arguments, f"Error: {error}", error)


def _told(call: ToolCall) -> str:
    given = ", ".join(f"{name}={_SHOWN.repr(it)}" for name, it in call.arguments.items())
    came = f"gave {call.result}" if call.error is None else f"failed: {call.error}"
    return f"{call.name}({given}) {came}"
