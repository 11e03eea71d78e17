"""The conversation with a language model, wherever the model runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from asyncio import CancelledError
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, suppress
from copy import copy
from functools import partial
from typing import Self, TypeAlias

from rxvoice._answers.pauses import FLUSH, Flush
from rxvoice._answers.slow_call import SlowCall, called
from rxvoice._check import at_least, whole
from rxvoice._language.calls import Caller, WrittenCall, told
from rxvoice._language.ending import StretchEnd, remarks
from rxvoice._language.question import Question
from rxvoice._language.thoughts import Said
from rxvoice.conversation import Conversation, Message, Summarise
from rxvoice.conversation._turns import summary_of
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.tools import ToolCall, Tools, ToolWorker, WhileCalling

Written: TypeAlias = "str | Notice | WrittenCall | StretchEnd"
"""What a model writes: text, which may be empty, a remark for the app, a call of a tool, or how it
ended."""


class LanguageModel(ABC):
    """Asks a model, and keeps the conversation. A subclass defines how its model writes.

    Args: those of `rxvoice._language.options.LlmOptions`, where they are described.

    Attributes:
        conversation: what was said so far. The app may edit or replace it between replies.
    """

    def __init__(
        self,
        *,
        system_prompt: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        tools: Tools = (),
        max_tool_rounds: int = 4,
        tool_worker: ToolWorker = None,
        while_calling: WhileCalling = None,
        conversation: Conversation | None = None,
        compact: Summarise | None = None,
        context_tokens: int | None = None,
    ) -> None:
        whole("max_tokens", max_tokens, 1, "tokens")
        at_least("temperature", temperature, 0, "(0 is greedy)")
        if context_tokens is not None:
            whole("context_tokens", context_tokens, max_tokens + 1, "tokens (above max_tokens)")
        if compact is not None and not callable(compact):
            raise ConfigError(
                f"compact must be a function that summarises messages, got {compact!r}"
            )
        self._caller = Caller(tools, tool_worker, while_calling, max_tool_rounds)
        self.conversation = Conversation() if conversation is None else conversation
        if system_prompt is not None:
            self.conversation.system = system_prompt
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._context_tokens = context_tokens
        self._compact = compact
        self._question: Question | None = None
        self._reply: Generator[str | Notice, None, None] | None = None

    @property
    def messages(self) -> list[Message]:
        """The messages of `conversation`: the list itself. The app may edit or replace it."""
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
        own._question = own._reply = None
        return own

    def heard(self, text: str, /) -> None:
        """Take note of what the user heard of the last reply before interrupting it.

        Cuts the reply in `messages` to `text`, as `Conversation.heard` does, and ends it if it is
        still in progress. A blank text means that the user heard nothing. Call it before the next
        question, on any thread.
        """
        if self._question is None:
            self.conversation.heard(text)
        else:
            self._question.heard(text)

    def said(self, text: str, /) -> None:
        """Add what the assistant said without a question, such as a greeting."""
        self.conversation.add_assistant(text)

    def forget(self) -> None:
        """Take the last question back, as if it had not been asked.

        Removes it from `messages` with its reply, unless a tool was called for it, and ends the
        reply if it is still in progress. Without a question nothing happens. Call it on any thread.
        """
        if self._question is not None:
            self._question.forget()

    def write(
        self,
        messages: Iterable[Message],
        /,
        *,
        tools: Iterable[Mapping[str, object]] = (),
    ) -> Generator[str | Notice | WrittenCall, None, None]:
        """Write what follows the messages, for an app that keeps the conversation itself.

        Gives pieces of text as `respond` does, and after them the calls of tools that the model
        wrote. They are not made. `conversation` does not change, and the model's own tools are not
        offered. What the model has computed is kept for the next call: messages that begin as the
        last ones did cost only what is new.

        Args:
            messages: all of them, the system prompt first if there is one.
            tools: JSON schemas of the tools, in the form that `rxvoice.tools.Toolbox` has.
        """
        own, offered = self._caller, Caller((), None, None, 1)
        offered.toolbox.schemas.extend(dict(it) for it in tools)
        self._caller = offered
        calls: list[WrittenCall] = []
        try:
            self._prepare()
            question = Question(Conversation(messages=messages), None)
            with closing(self._said(question, calls)) as pieces:
                yield from pieces
            yield from calls
        finally:
            if self._caller is offered:
                self._caller = own

    @abstractmethod
    def _prepare(self) -> None:
        """Get ready for a question, before it joins the conversation."""

    @abstractmethod
    def _write(self, question: Question) -> Generator[Written, None, None]:
        """Yield what the model writes next, after all messages; calls of tools come last.

        The generator is closed if the reply ends early.
        """

    def _respond(self, text: str) -> Generator[str | Notice, None, None]:
        """Reply to a question. A reply that is still in progress ends."""
        if self._reply is not None and self._question is not None:
            self._question.settle()
            # If another thread is running that reply, it ends after its next piece.
            with suppress(ValueError):
                self._reply.close()
        self._reply = self._replied(text)
        yield from self._reply

    def _replied(self, text: str) -> Generator[str | Notice, None, None]:
        caller = self._caller
        caller.choose_for(text)
        self._prepare()
        self._question = question = Question(self.conversation, text)
        spoken = _SpokenText()
        try:
            for rounds in range(caller.max_rounds + 2):
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
                if rounds > caller.max_rounds:
                    break
                for call in calls:
                    if call.error is None and rounds < caller.max_rounds:
                        yield from self._say_before(call, question, spoken)
                        if not question.is_open:
                            return
                    made = yield from self._made(call, rounds, question)
                    question.called(made)
                    yield Notice(told(made), made)
                    if not question.is_open:
                        return
            yield Notice(
                f"the model went on to call tools after {caller.max_rounds} rounds: the reply "
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
        """Yield what to say of what the model writes next, and append its calls to `calls`."""
        said, ending = Said(), StretchEnd()
        with closing(self._write(question)) as pieces:
            for piece in pieces:
                if isinstance(piece, WrittenCall):
                    calls.append(piece)
                elif isinstance(piece, StretchEnd):
                    ending = piece
                else:
                    yield piece if isinstance(piece, Notice | Flush) else said.feed(piece)
        if rest := said.end():
            yield rest
        yield from remarks(ending, said, self._max_tokens)

    def _say_before(
        self, call: WrittenCall, question: Question, spoken: _SpokenText
    ) -> Generator[str | Notice, None, None]:
        """Speak before a call: what the model has said, or else the filler."""
        try:
            filler = self._caller.filler(call)
        except Exception as error:  # the app's function
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
        return self._caller.make(call, rounds, question)

    def _drop_oldest(
        self, question: Question, turns: int, context: str, excess: Callable[[], int]
    ) -> Generator[str | Notice, None, None]:
        """Drop the oldest turns, or put their summary in their place.

        Args:
            context: what the turns do not fit into, for the `Notice`.
            excess: returns how many turns are still too many.
        """
        summary = ""
        became = "dropped"
        if self._compact is not None and not question.was_compacted:
            question.was_compacted = True
            try:
                summary = yield from _summary(self._compact, question.oldest(turns))
            except (Exception, CancelledError) as error:  # the app's function
                yield Notice(f"compact failed, so that turns are dropped: {error!r}", error)
        if summary:
            became = f"replaced by a summary of {len(summary)} characters"
        question.drop_oldest(turns, summary)
        if summary and (more := excess()):
            question.drop_oldest(more)
            became = f"dropped, their summary of {len(summary)} characters too, which was too long"
        yield Notice(f"the oldest {turns} turns no longer fit into the {context} and were {became}")


def _summary(compact: Summarise, oldest: list[Message]) -> Generator[str, None, str]:
    given = called(partial(compact, oldest))
    if isinstance(given, SlowCall):
        yield given.waiting
        given = given.result()
    return summary_of(given)


class _SpokenText:
    """The text of one reply. A space keeps the words before and after a call of a tool apart."""

    def __init__(self) -> None:
        self.has_words = False
        self._last = ""
        self._is_apart = False

    def begin(self) -> None:
        """Begin another stretch."""
        self._is_apart = bool(self._last) and not self._last[-1].isspace()

    def add(self, piece: str) -> str:
        """The piece, with a space before it if it needs one."""
        if not piece:
            return piece
        new = f" {piece}" if self._is_apart else piece
        self._is_apart = False
        self._last = new
        self.has_words = self.has_words or any(map(str.isalnum, piece))
        return new
