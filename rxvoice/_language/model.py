"""The conversation with a language model, wherever the model runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import CancelledError
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, suppress
from copy import copy
from dataclasses import dataclass
from functools import partial
from reprlib import Repr
from typing import Self, TypeAlias, cast

from rxvoice._answers.pauses import FLUSH, Flush
from rxvoice._answers.slow_call import SlowCall, called
from rxvoice._check import whole
from rxvoice._language.question import Question
from rxvoice._language.thoughts import Said
from rxvoice.conversation import Conversation, Message, Summarise
from rxvoice.conversation._turns import summary_of
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.tools import Tool, ToolCall, Tools, ToolWorker, WhileCalling
from rxvoice.tools._toolbox import Toolbox, ToolRun

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
        tools: Tools,
        max_tool_rounds: int,
        tool_worker: ToolWorker = None,
        while_calling: WhileCalling = None,
        compact: Summarise | None = None,
    ) -> None:
        whole("max_tool_rounds", max_tool_rounds, 1, "rounds")
        if not (while_calling is None or isinstance(while_calling, str) or callable(while_calling)):
            raise ConfigError(
                "while_calling must be what to say, or a function of a tool's name and arguments "
                f"that gives it, got {while_calling!r}"
            )
        if compact is not None and not callable(compact):
            raise ConfigError(
                f"compact must be a function that summarises messages, got {compact!r}"
            )
        self.conversation = Conversation() if conversation is None else conversation
        if system_prompt is not None:
            self.conversation.system = system_prompt
        self._tool_worker = tool_worker
        self._choose: Callable[[str], Iterable[Tool]] | None = tools if callable(tools) else None
        self._functions = () if callable(tools) else tuple(tools)
        self._toolbox = Toolbox(self._functions, worker=tool_worker)
        self._while_calling = while_calling
        self._compact = compact
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
        if self._choose is not None and (chosen := tuple(self._choose(text))) != self._functions:
            self._toolbox = Toolbox(chosen, worker=self._tool_worker)
            self._functions = chosen
        self._prepare()
        self._question = question = Question(self.conversation, text)
        spoken = _Spoken()
        try:
            for rounds in range(self._max_tool_rounds + 2):
                calls: list[WrittenCall] = []
                question.begin()
                spoken.begin()
                with closing(self._said(question, calls)) as pieces:
                    for piece in pieces:
                        if isinstance(piece, Notice):
                            yield piece
                            continue
                        question.say(piece)
                        if not question.is_settled:
                            yield spoken.add(piece)
                        if question.is_settled:
                            return
                if not calls:
                    return
                if rounds > self._max_tool_rounds:
                    break
                for call in calls:
                    if call.error is None and rounds < self._max_tool_rounds:
                        yield from self._say_before(call, question, spoken)
                        if not question.is_open:
                            return
                    made = yield from self._made(call, rounds, question)
                    question.called(made)
                    yield Notice(_told(made), made)
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
                    yield piece if isinstance(piece, Notice | Flush) else said.feed(piece)
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

    def _say_before(
        self, call: WrittenCall, question: Question, spoken: _Spoken
    ) -> Generator[str | Notice, None, None]:
        """Speak before a call: what the model has said, or else what it is to say meanwhile."""
        try:
            filler = _filler(self._while_calling, call)
        except Exception as error:  # the user's function
            yield Notice(f"while_calling failed at {call.name}: {error!r}", error)
            return
        if not filler:
            return
        if not spoken.has_words:
            question.say(filler)
            if question.is_settled:
                return
            yield spoken.add(filler)
        yield FLUSH

    def _made(
        self, call: WrittenCall, rounds: int, question: Question
    ) -> Generator[str, None, ToolCall]:
        """Make the call; nobody's thread is held while a slow one runs."""
        if call.error is not None:
            told = f"Error: this call of a tool could not be read: {call.error}"
            return ToolCall(call.name, call.arguments, told, call.error)
        if rounds >= self._max_tool_rounds:
            error = RuntimeError("no more tools may be called now: answer without")
            return ToolCall(call.name, call.arguments, f"Error: {error}", error)
        made = self._toolbox.run(call.name, call.arguments)
        if not isinstance(made, ToolRun):
            return made
        try:
            yield made.pause
            return made.result()
        except BaseException:
            # It was made, whatever comes of it: the model is to know.
            if (lost := made.given_up()) is not None:
                question.called(lost)
            raise

    def _drop_oldest(
        self, question: Question, turns: int, context: str, excess: Callable[[], int]
    ) -> Generator[str | Notice, None, None]:
        """Drop the oldest turns, or put their summary in their place.

        Args:
            excess: how many turns are still too many.
        """
        summary = ""
        became = "dropped"
        if self._compact is not None and not question.was_compacted:
            question.was_compacted = True
            try:
                summary = yield from self._summary(self._compact, question.oldest(turns))
            except (Exception, CancelledError) as error:  # the user's function
                yield Notice(f"compact failed, so that turns are dropped: {error!r}", error)
        if summary:
            became = f"replaced by a summary of {len(summary)} characters"
        question.drop_oldest(turns, summary)
        if summary and (more := excess()):
            question.drop_oldest(more)
            became = f"dropped, their summary of {len(summary)} characters too, which was too long"
        yield Notice(f"the oldest {turns} turns no longer fit into the {context} and were {became}")

    def _summary(self, compact: Summarise, oldest: list[Message]) -> Generator[str, None, str]:
        given = called(partial(compact, oldest))
        if isinstance(given, SlowCall):
            yield given.waiting
            given = given.result()
        return summary_of(given)


class _Spoken:
    """What is said in one answer: before a tool is called and after it are not one word."""

    def __init__(self) -> None:
        self.has_words = False
        self._last = ""
        self._is_apart = False

    def begin(self) -> None:
        """What follows is a stretch of its own."""
        self._is_apart = bool(self._last) and not self._last[-1].isspace()

    def add(self, piece: str) -> str:
        """The piece as it is to be given."""
        if not piece:
            return piece
        new = f" {piece}" if self._is_apart else piece
        self._is_apart = False
        self._last = new
        self.has_words = self.has_words or any(map(str.isalnum, piece))
        return new


def _filler(while_calling: WhileCalling, call: WrittenCall) -> str | None:
    if while_calling is None or isinstance(while_calling, str):
        return while_calling
    filler = while_calling(call.name, call.arguments)
    if filler is not None and not isinstance(cast("object", filler), str):
        raise TypeError(f"wanted a str or None, got {filler!r}")
    return filler


def _told(call: ToolCall) -> str:
    given = ", ".join(f"{name}={_SHOWN.repr(it)}" for name, it in call.arguments.items())
    came = f"gave {call.result}" if call.error is None else f"failed: {call.error}"
    return f"{call.name}({given}) {came}"
