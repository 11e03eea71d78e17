"""Language models behind a server, as responders that keep the conversation."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from rxvoice._check import at_least, whole
from rxvoice._language.model import LanguageModel, Written
from rxvoice._language.question import Question
from rxvoice.conversation import Conversation, Message, Summarise
from rxvoice.events import Notice
from rxvoice.remote._chat import ChatReader, events, for_server
from rxvoice.remote._context import Context
from rxvoice.remote._failures import ContextExceeded
from rxvoice.remote._limits import Allowance
from rxvoice.remote._server import Server
from rxvoice.tools import Tools, ToolWorker, WhileCalling

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["RemoteLlm", "llm"]

_LONGEST_TOKEN = 16  # characters, on average over an answer: more is beyond max_tokens
_AFTER_THE_END = 0.5  # seconds, in which a server may close its stream


def llm(
    model: str,
    *,
    base_url: str,
    api_key: str | None = None,
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
    timeout_s: float = 30,
    total_timeout_s: float | None = 120,
    retries: int = 2,
    extra_body: Mapping[str, object] | None = None,
) -> RemoteLlm:
    """A language model behind a server, for `respond`. Nothing is sent before the first question.

    Args:
        model: the name that the server knows it by.
        base_url: where the interface begins, such as ``"http://127.0.0.1:8080/v1"``.
        api_key: sent as the bearer token; None where the server wants none.
        system_prompt: the first message of every conversation; None for none, or for that of
            `conversation`.
        max_tokens: the longest answer, in tokens, at least 1; with tools, the longest stretch
            between two rounds of calls.
        temperature: 0 always takes the likeliest token; higher is more varied.
        tools: functions the model may call, async ones too, as `rxvoice.tools.Toolbox` takes them;
            one after the other. Async ones run on the conversation's event loop. Or a function of
            each question that gives those for its answer.
        max_tool_rounds: how often in one answer the model may stop to call tools, at least 1. Then
            it is told to answer without.
        tool_worker: where the other tools run, a ``ThreadPoolExecutor`` or an RxPY scheduler;
            meanwhile no model and no conversation waits. None: on the thread of the answer, which
            does.
        while_calling: what to say before a tool is called, such as "One moment.", where the answer
            has nothing to be spoken yet; or a function of the tool's name and its arguments that
            gives it, None for nothing. It is spoken at once, and belongs to the answer. What the
            model said itself before the call is then spoken at once as well.
        conversation: one to go on with; None for a new one.
        compact: a function that sums up messages: where the oldest turns would be dropped, it is
            given their messages, and what it gives takes their place, as a message of the user. It
            is called on the thread of the answer; one that takes its time is async. Where it
            raises, the turns are dropped. None: they are.
        context_tokens: how many tokens the model can have at once, conversation and answer; more
            than `max_tokens`. A server does not tell how it counts, so this is estimated by the
            length of the text, and set right by the ``usage`` that the server is then asked for.
            None where it is not known: the server says so when it is exceeded.
        timeout_s: how long the server may be silent, in seconds, above 0: while it is connected
            to, before its answer begins, and within it.
        total_timeout_s: how long one answer may keep us waiting in all, in seconds, above 0,
            pauses between retries included; each round of tools anew. What is read slowly does not
            count. None for no limit.
        retries: how often to ask again, at least 0, when the server cannot be reached, is silent
            or refuses for the moment (408, 409, 429, 5xx); never once its answer has begun. Waits
            half a second at first, then longer, or as long as the server says.
        extra_body: what else the request says, as the server names it, such as
            ``{"chat_template_kwargs": {"enable_thinking": False}}``.

    Raises:
        ConfigError: an argument out of range, or no such `base_url`.
    """
    return RemoteLlm(
        model,
        base_url=base_url,
        api_key=api_key,
        system_prompt=system_prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        tools=tools,
        max_tool_rounds=max_tool_rounds,
        tool_worker=tool_worker,
        while_calling=while_calling,
        conversation=conversation,
        compact=compact,
        context_tokens=context_tokens,
        timeout_s=timeout_s,
        total_timeout_s=total_timeout_s,
        retries=retries,
        extra_body=extra_body,
    )


class RemoteLlm(LanguageModel):
    """A conversation with a language model; made by `llm`, whose arguments it takes.

    Waits for the server on the thread that calls. One answer at a time; `heard` and `forget`
    may come from another thread.

    Attributes:
        conversation: what was said so far. May be edited or replaced between answers.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str,
        api_key: str | None = None,
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
        timeout_s: float = 30,
        total_timeout_s: float | None = 120,
        retries: int = 2,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        whole("max_tokens", max_tokens, 1, "tokens")
        at_least("temperature", temperature, 0, "(0 is greedy)")
        if context_tokens is not None:
            whole("context_tokens", context_tokens, max_tokens + 1, "tokens (above max_tokens)")
        super().__init__(
            system_prompt=system_prompt,
            conversation=conversation,
            tools=tools,
            max_tool_rounds=max_tool_rounds,
            tool_worker=tool_worker,
            while_calling=while_calling,
            compact=compact,
        )
        self._server = Server(
            "language model",
            model,
            base_url=base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            total_timeout_s=total_timeout_s,
            retries=retries,
            has_context=True,
        )
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._context_tokens = context_tokens
        room = None if context_tokens is None else context_tokens - max_tokens
        self._context = Context(room)
        self._extra_body = dict(extra_body or {})

    def fresh(self) -> Self:
        """Another conversation with the same model, in which nothing was said yet.

        Both ask through the same client, and may do so at once; the new one has the options, the
        tools and the system prompt of this one, and its `conversation` to itself. A server gives
        each of its clients ``respond(llm.fresh(), worker=worker)``.
        """
        return super().fresh()

    def load(self) -> None:
        """Load the client now rather than at the first answer; nothing is sent.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._server.client()

    def respond(self, text: str, /) -> Generator[str | Notice, None, None]:
        """Answer `text`, given the conversation so far.

        Gives the new text of each event of the server's stream as it comes; joined, the pieces are
        the answer. An empty piece is an event without text, such as one with a thought. A `Notice`
        among the pieces tells of a tool that was called, its `ToolCall` the detail, of turns
        dropped, or of an answer without text. Nothing is sent before the first piece is asked for.
        Ends when the server says that the answer is complete, at the model's end or after
        `max_tokens`, or goes on far beyond those. Thoughts are not given, neither those in fields
        of their own nor those that stand in the text between marks such as ``<think>`` and
        ``</think>``. Closed early, the connection is closed, by which the server knows to stop. A
        new question ends an answer that is still in progress.

        The question joins `messages` at the first piece, the answer grows there with each; so
        closed early, what was given so far stays, unless it is blank. A tool's call and its result
        join them when it has returned; a call that nobody waits for any more joins them as given
        up. When anything fails, the question is taken back, unless a tool was called for it, and
        the error goes to the caller.

        When the conversation and `max_tokens` exceed `context_tokens`, the oldest turns are dropped
        from `messages`, or replaced by their summary, and a `Notice` says so: as many as it takes
        to free a quarter of it. When the server says that they exceed what it has, the older half
        goes in the same way, and it is asked again, as long as there is more than this question.

        Raises:
            RemoteError: the server cannot be reached, is silent, takes too long, refuses, breaks
                off or gives something else; says what to do.
            MissingDependency: the package openai is not installed.
        """
        return self._respond(text)

    def _prepare(self) -> None:
        self._server.client()

    def _write(self, question: Question) -> Generator[Written, None, None]:
        tools = self._toolbox.schemas
        dropped = self._context.excess(question, tools)
        context = f"context of {self._context_tokens} tokens"
        while True:
            if dropped:
                yield from self._drop_oldest(
                    question, dropped, context, lambda: self._context.excess(question, tools)
                )
            reader = ChatReader()
            try:
                yield from self._asked(question, reader)
            except ContextExceeded:
                dropped = 0 if reader.has_begun else self._context.half(question, tools)
                if not dropped:
                    raise
                context = "server's context"
            else:
                break
        yield from reader.calls()

    def _asked(self, question: Question, reader: ChatReader) -> Generator[str | Notice, None, None]:
        """The text of an answer, a piece for an event."""
        asked = list(question.messages)
        request = self._request(asked)

        @contextmanager
        def ask(client: OpenAI, allowance: Allowance) -> Generator[Iterator[str]]:
            create: Any = client.chat.completions.with_streaming_response.create
            with create(**request) as response:
                yield self._read(response, reader, allowance)

        with closing(self._server.streamed(ask)) as pieces:
            for piece in pieces:
                yield piece
                if reader.length > self._max_tokens * _LONGEST_TOKEN:
                    yield Notice(
                        f"the server went on far beyond max_tokens={self._max_tokens}: the answer "
                        "ends there"
                    )
                    return
        if reader.prompt_tokens:
            self._context.learn(asked, self._toolbox.schemas, reader.prompt_tokens)
        if not reader.has_text and not reader.calls():
            thoughts = ", only thoughts" if reader.has_thought else ""
            why = f" (finish_reason {reader.finish!r})" if reader.finish else ""
            yield Notice(
                f"the answer came without text{thoughts}{why}: see whether max_tokens is enough, "
                "and the server's log"
            )

    def _request(self, messages: list[Message]) -> dict[str, object]:
        request: dict[str, object] = {
            "model": self._server.model,
            "messages": for_server(messages),
            "max_tokens": self._max_tokens,
            "temperature": self._temperature,
            "stream": True,
            "extra_body": self._extra_body,
        }
        if self._toolbox.schemas:
            request["tools"] = self._toolbox.schemas
        if self._context_tokens is not None:
            request["stream_options"] = {"include_usage": True}
        return request

    def _read(
        self, response: Any, reader: ChatReader, allowance: Allowance
    ) -> Generator[str, None, None]:
        headers = response.headers
        stream = events(response.iter_bytes(), headers.get("content-type", "").lower())
        for event in stream:
            text = reader.read(event)
            if text is not None:
                yield text
            if reader.is_complete:
                # What is left is a count of tokens, and the end, so that the connection is kept.
                allowance.hurry(_AFTER_THE_END)
                with suppress(Exception):
                    for rest in stream:
                        reader.count(rest)
                return
        # An answer of a known end is complete even where nothing says so in it.
        has_end = "content-length" in headers or "transfer-encoding" in headers
        if not reader.has_begun or not has_end:
            raise self._server.error(
                "broke off its answer (the connection was closed before its end): "
                "see the server's log"
            )
