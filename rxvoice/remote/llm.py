"""Language models behind a server, as responders that keep the conversation."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from copy import copy
from threading import Lock
from typing import TYPE_CHECKING, cast

from rxvoice._check import at_least, whole
from rxvoice.conversation import Message, alternating
from rxvoice.remote._server import Server

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

__all__ = ["RemoteLlm", "llm"]


def llm(
    model: str,
    *,
    base_url: str,
    api_key: str | None = None,
    system_prompt: str | None = None,
    max_tokens: int = 256,
    temperature: float = 0.0,
    timeout_s: float = 30,
    retries: int = 2,
    extra_body: Mapping[str, object] | None = None,
) -> RemoteLlm:
    """A language model behind a server, for `respond`. Nothing is sent before the first question.

    Args:
        model: the name that the server knows it by.
        base_url: where the interface begins, such as ``"http://127.0.0.1:8080/v1"``.
        api_key: sent as the bearer token; None where the server wants none.
        system_prompt: the first message of every conversation; None for none.
        max_tokens: the longest answer, in tokens, at least 1.
        temperature: 0 always takes the likeliest token; higher is more varied.
        timeout_s: how long the server may be silent, in seconds, above 0: while it is connected
            to, before its answer begins, and within it.
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
        timeout_s=timeout_s,
        retries=retries,
        extra_body=extra_body,
    )


class RemoteLlm:
    """A conversation with a language model; made by `llm`, whose arguments it takes.

    Waits for the server on the thread that calls. One answer at a time; `heard` and `forget`
    may come from another thread.

    Attributes:
        messages: the conversation so far, oldest first, as ``{"role": ..., "content": ...}`` with
            the roles ``system``, ``user`` and ``assistant``. May be edited between answers.
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
        timeout_s: float = 30,
        retries: int = 2,
        extra_body: Mapping[str, object] | None = None,
    ) -> None:
        whole("max_tokens", max_tokens, 1, "tokens")
        at_least("temperature", temperature, 0, "(0 is greedy)")
        self._server = Server(
            "language model",
            model,
            base_url=base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            retries=retries,
        )
        self.messages: list[Message] = []
        self._system_prompt = system_prompt
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._extra_body = dict(extra_body or {})
        self._lock = Lock()
        self._answer: Message | None = None
        self._asked: tuple[Message, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Forget the conversation, all but the system prompt."""
        prompt = self._system_prompt
        self.messages = [] if prompt is None else [{"role": "system", "content": prompt}]

    def fresh(self) -> RemoteLlm:
        """Another conversation with the same model, in which nothing was said yet.

        Both ask through the same client, and may do so at once; the new one has the options and
        the system prompt of this one, and its `messages` to itself. A server gives each of its
        clients ``respond(llm.fresh(), worker=worker)``.
        """
        own = copy(self)
        own._lock = Lock()
        own._answer, own._asked = None, ()
        own.reset()
        return own

    def load(self) -> None:
        """Load the client now rather than at the first answer; nothing is sent.

        Raises:
            MissingDependency: the package openai is not installed.
        """
        self._server.client()

    def respond(self, text: str, /) -> Generator[str, None, None]:
        """Answer `text`, given the conversation so far.

        Gives the new text of each event of the server's stream as it comes; joined, the pieces are
        the answer. An empty piece is an event without text, such as one with a thought. Nothing is
        sent before the first piece is asked for. Ends when the server says that the answer is
        complete, at the model's end or after `max_tokens`. Closed early, the connection is closed,
        by which the server knows to stop.

        The question joins `messages` at the first piece, the answer grows there with each; so
        closed early, what was given so far stays, unless it is blank. When anything fails, both
        are taken back, and the error goes to the caller.

        Raises:
            RemoteError: the server cannot be reached, is silent, refuses, breaks off or gives
                something else; says what to do.
            MissingDependency: the package openai is not installed.
        """
        question: Message = {"role": "user", "content": text}
        answer: Message = {"role": "assistant", "content": ""}
        with self._lock:
            self.messages.append(question)
            self._answer = answer
            self._asked = (question, answer)
            asked = alternating(self.messages)

        @contextmanager
        def ask(client: OpenAI) -> Generator[Iterator[str | None]]:
            with client.chat.completions.create(
                model=self._server.model,
                messages=cast("list[ChatCompletionMessageParam]", asked),
                max_tokens=self._max_tokens,
                temperature=self._temperature,
                stream=True,
                extra_body=self._extra_body,
            ) as events:
                yield _deltas(events)

        try:
            with closing(self._server.streamed(ask)) as deltas:
                complete = False
                for piece in deltas:
                    if piece is None:
                        complete = True
                    elif self._say(question, answer, piece):
                        yield piece
                    else:
                        return
            if not complete:
                raise self._server.error(
                    "broke off its answer (the connection was closed before its end): "
                    "see the server's log"
                )
        except Exception:
            self._take_back(question, answer)
            raise

    def heard(self, text: str, /) -> None:
        """Say what was spoken of the last answer before it was interrupted; blank for nothing.

        The answer to the last question becomes that in `messages`, or is dropped, and ends if it
        is still in progress. To be called before the next question is asked.
        """
        with self._lock:
            self._answer = None
            for index in reversed(range(len(self.messages))):
                message = self.messages[index]
                if message["role"] == "user":
                    return
                if message["role"] == "assistant":
                    said: Message = {**message, "content": text.strip()}
                    self.messages[index : index + 1] = [said] if said["content"] else []
                    return

    def forget(self) -> None:
        """Say that the last question was not asked after all.

        It is removed from `messages` with its answer, which ends if it is still in progress.
        """
        asked, self._asked = self._asked, ()
        with self._lock:
            self._answer = None
        self._take_back(*asked)

    def _say(self, question: Message, answer: Message, piece: str) -> bool:
        """Add to the answer; whether it goes on, which it does not once it is known as heard."""
        with self._lock:
            if self._answer is not answer:
                return False
            was_blank = not answer["content"].strip()
            answer["content"] += piece
            if was_blank and piece.strip():
                at = _position(self.messages, question)
                if at is not None:
                    self.messages.insert(at + 1, answer)
            return True

    def _take_back(self, *own: Message) -> None:
        with self._lock:
            for message in own:
                at = _position(self.messages, message)
                if at is not None:
                    del self.messages[at]


def _deltas(events: Iterator[ChatCompletionChunk]) -> Iterator[str | None]:
    """The new text of each event, then None once the answer is complete."""
    for event in events:
        for choice in event.choices:  # none in an event that only counts tokens
            text = choice.delta.content or ""
            if not isinstance(cast("object", text), str):
                raise TypeError(f"wanted text, got {text!r}")
            yield text
            # Not at the stream's end, which a lost connection may look like.
            if choice.finish_reason is not None:
                yield None
                with suppress(Exception):
                    for _ in events:  # what is left is only so that the server need not notice
                        pass
                return


def _position(messages: list[Message], message: Message) -> int | None:
    # By identity: the caller may have edited or reset the messages in the meantime.
    return next((at for at, it in enumerate(messages) if it is message), None)
