"""Language models behind a server, as responders that keep the conversation."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Self, Unpack, cast

from rxvoice._language.ending import StretchEnd
from rxvoice._language.model import LanguageModel, Written
from rxvoice._language.options import LlmOptions, shows_options_of
from rxvoice._language.question import Question
from rxvoice.conversation import Message
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.remote._chat import ChatReader, CountedTokens, events, for_server
from rxvoice.remote._context import Context
from rxvoice.remote._failures import ContextExceeded, RemoteError
from rxvoice.remote._host import ServerState
from rxvoice.remote._options import ServerOptions
from rxvoice.remote._pool import Affinity
from rxvoice.remote._server import Call, Server

__all__ = ["RemoteLlm", "llm"]

_LONGEST_TOKEN = 16  # characters, on average over a reply; more is beyond max_tokens
_SESSION_HEADER = "X-Session-ID"
_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_AFTER_THE_END = 0.5  # seconds for the server to close its stream


class RemoteLlmOptions(ServerOptions, LlmOptions, total=False):
    """All options of `llm`.

    Attributes:
        session_header: the header that names the conversation, by a random id that stays the same;
            ``"X-Session-ID"`` by default, None for no such header. A router in front of several
            servers can keep the conversation at the one that has its beginning in the cache.
    """

    session_header: str | None


@shows_options_of(Server.__init__)
@shows_options_of(LanguageModel.__init__)
def llm(model: str, **options: Unpack[RemoteLlmOptions]) -> RemoteLlm:
    """A language model behind a server, for `respond`. It sends nothing before the first question.

    ```python
    rxv.remote.llm("qwen3-4b", base_url="http://127.0.0.1:8080/v1", system_prompt="Be brief.")
    ```

    Args:
        model: the name that the server knows it by.
        **options: where the model is and how patiently to ask it, as `rxvoice.remote.ServerOptions`
            describes it: `base_url`, which is required, `api_key`, `timeout_s`, `total_timeout_s`,
            `retries` and `extra_body`. And what every language model can be told, as
            `rxvoice.remote.LlmOptions` describes it: `system_prompt`, `max_tokens`,
            `temperature`, `tools`, `max_tool_rounds`, `tool_worker`, `while_calling`,
            `conversation`, `compact` and `context_tokens`. And `session_header`, for a router.

    Raises:
        ConfigError: an argument out of range, or a `base_url` that is none.
    """
    given = cast("dict[str, Any]", options)
    asked = {name: given.pop(name) for name in ServerOptions.__annotations__ if name in given}
    header = given.pop("session_header", _SESSION_HEADER)
    return RemoteLlm(Server("language model", model, True, **asked), header, **given)


class RemoteLlm(LanguageModel):
    """A conversation with a language model behind a server; made by `llm`.

    It waits for the server on the thread that calls. It gives one reply at a time; `heard`, `said`
    and `forget` may come from another thread.

    Attributes:
        conversation: what was said so far. The app may edit or replace it between replies.
        stats: what the last answer cost; None while it is being given, if it was not given to its
            end, and if the server does not count.
    """

    stats: CountedTokens | None = None

    def __init__(
        self, server: Server, session_header: str | None, **options: Unpack[LlmOptions]
    ) -> None:
        super().__init__(**options)
        if session_header is not None and not re.fullmatch(_HEADER, session_header):
            raise ConfigError(
                f"session_header must be the name of a header, such as {_SESSION_HEADER!r}, or "
                f"None, got {session_header!r}"
            )
        self._server = server
        self._session_header = session_header
        self._affinity = Affinity()
        limit = self._context_tokens
        self._context = Context(None if limit is None else limit - self._max_tokens)

    def fresh(self) -> Self:
        """Another conversation with the same model, in which nothing was said yet.

        The two ask through the same client, at once if need be. The new one has the options, the
        tools and the system prompt of this one, and its own `conversation`. A server gives each of
        its clients ``respond(llm.fresh(), worker=worker)``.
        """
        own = super().fresh()
        own._affinity = Affinity()
        own.stats = None
        return own

    @property
    def servers(self) -> tuple[ServerState, ...]:
        """How each server fares."""
        return self._server.states

    def load(self) -> None:
        """Load the client now, and not with the first question. It sends nothing.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._server.load()

    def respond(self, text: str, /) -> Generator[str | Notice, None, None]:
        """Reply to `text`, given the conversation so far.

        Gives the new text of each event of the server's stream as it comes; the pieces joined are
        the reply. An empty piece is an event without text, such as a thought. A `Notice` among the
        pieces reports a call of a tool, with its `ToolCall` as the detail, turns that were dropped,
        a reply without text, or one that `max_tokens` cut. Thoughts are not given, neither those in
        fields of their own nor those between marks in the text, such as ``<think>`` and
        ``</think>``.

        The reply ends when the server says that it is complete, which is at the model's end or
        after `max_tokens`, or when it goes far beyond those. Nothing is sent before the first piece
        is asked for. Closing the generator early closes the connection, which tells the server to
        stop. A new question ends a reply that is still in progress.

        The question joins `messages` with the first piece, and the reply grows there with each
        piece. So a reply that is closed early stays as far as it was given, unless it is blank. A
        call of a tool and its result join when the tool has returned; a call that nobody waits for
        joins as given up. If anything fails, the question is taken back, unless a tool was called
        for it, and the error goes to the caller.

        When the conversation and `max_tokens` exceed `context_tokens`, the oldest turns are dropped
        from `messages`, or replaced by their summary, and a `Notice` says so. Enough go to free a
        quarter of the context. If the server says that they exceed its context, the older half goes
        in the same way and the server is asked again, until only this question is left.

        Raises:
            RemoteError: the server cannot be reached, is silent, takes too long, refuses, breaks
                off or gives something else; says what to do.
            MissingDependency: the package openai is not installed.
        """
        return self._respond(text)

    def _prepare(self) -> None:
        self._server.load()

    def _write(self, question: Question) -> Generator[Written, None, None]:
        tools = self._caller.toolbox.schemas
        dropped = self._context.excess(question, tools)
        context = f"context of {self._context_tokens} tokens"
        self.stats = None
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
            except RemoteError as error:
                if not (self._server.counts_tokens and _refuses_to_count(error)):
                    raise
                self._server.counts_tokens, dropped = False, 0
            else:
                break
        yield StretchEnd(is_cut=reader.finish == "length" and reader.has_text)
        yield from reader.calls()

    def _asked(self, question: Question, reader: ChatReader) -> Generator[str | Notice, None, None]:
        """Yield the text of a reply, a piece for each event."""
        asked = list(question.messages)
        request = self._request(asked)

        @contextmanager
        def ask(call: Call) -> Generator[Iterator[str]]:
            reader.restart()
            create: Any = call.client.chat.completions.with_streaming_response.create
            with create(**request) as response:
                yield self._read(response, reader, call)

        with closing(self._server.streamed(ask, self._affinity)) as pieces:
            for piece in pieces:
                yield piece
                if reader.length > self._max_tokens * _LONGEST_TOKEN:
                    yield Notice(
                        f"the server went on far beyond max_tokens={self._max_tokens}: the reply "
                        "ends there"
                    )
                    return
        self.stats = reader.tokens
        if reader.tokens is not None:
            self._context.learn(asked, self._caller.toolbox.schemas, reader.tokens.prompt_tokens)
        if not reader.has_text and not reader.calls():
            thoughts = ", only thoughts" if reader.has_thought else ""
            why = f" (finish_reason {reader.finish!r})" if reader.finish else ""
            yield Notice(
                f"the reply came without text{thoughts}{why}: see whether max_tokens is enough, "
                "and the server's log"
            )

    def _request(self, messages: list[Message]) -> dict[str, object]:
        request: dict[str, object] = {
            "model": self._server.model,
            # As it is: the client would walk through all of it, some 0.15 ms for each message.
            "messages": [],
            "max_tokens": self._max_tokens,
            "temperature": self._temperature,
            "stream": True,
            "extra_body": {"messages": for_server(messages), **self._server.extra_body},
        }
        if self._caller.toolbox.schemas:
            request["tools"] = self._caller.toolbox.schemas
        if self._session_header is not None:
            request["extra_headers"] = {self._session_header: self._affinity.id}
        if self._server.counts_tokens:
            request["stream_options"] = {"include_usage": True}
        return request

    def _read(self, response: Any, reader: ChatReader, call: Call) -> Generator[str, None, None]:
        headers = response.headers
        stream = events(response.iter_bytes(), headers.get("content-type", "").lower())
        for event in stream:
            text = reader.read(event)
            if text is not None:
                yield text
            if reader.is_complete:
                # The rest is a count of tokens and the end. Read, it keeps the connection open.
                call.allowance.hurry(_AFTER_THE_END)
                with suppress(Exception):
                    for rest in stream:
                        reader.count(rest)
                return
        # An answer with a known end is complete, even if it does not say so.
        has_end = "content-length" in headers or "transfer-encoding" in headers
        if not reader.has_begun or not has_end:
            raise call.error(
                "broke off its answer (the connection was closed before its end): "
                "see the server's log"
            )


def _refuses_to_count(error: RemoteError) -> bool:
    return error.status in (400, 422) and "stream_options" in str(error)
