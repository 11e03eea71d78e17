"""Language models that mlx-lm runs, as responders that keep the conversation."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Protocol, cast

import mlx.core as mx

from rxvoice._check import at_least, whole, within
from rxvoice.errors import ConfigError

__all__ = ["Llm", "llm"]

_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")


class _Response(Protocol):
    @property
    def text(self) -> str: ...


class _Tokenizer(Protocol):
    has_chat_template: bool

    def apply_chat_template(
        self,
        conversation: list[dict[str, str]],
        *,
        add_generation_prompt: bool,
        enable_thinking: bool,
    ) -> list[int]: ...


_Responses = Generator[_Response, None, None]
_Generate = Callable[[list[int]], _Responses]


def llm(
    model: str | Path,
    *,
    system_prompt: str | None = None,
    max_tokens: int = 256,
    temperature: float = 0.0,
    top_p: float = 1.0,
) -> Llm:
    """A language model of mlx-lm, for `respond`. Nothing is loaded before the first question.

    Args:
        model: a directory with config.json, model.safetensors, tokenizer.json and
            tokenizer_config.json, or a name on the Hugging Face hub, fetched once and then cached.
        system_prompt: the first message of every conversation; None for none.
        max_tokens: the longest answer, in tokens, at least 1.
        temperature: 0 always takes the likeliest token; higher is more varied.
        top_p: samples among the likeliest tokens that have this probability together, above 0, to
            1 (all of them). Has no effect at temperature 0.

    Raises:
        ConfigError: an argument out of range, or `model` neither a directory nor like a hub name.
    """
    return Llm(
        model,
        system_prompt=system_prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
    )


class Llm:
    """A conversation with a language model; made by `llm`, whose arguments it takes.

    Everything runs on the thread that calls, and MLX wants it to be one: load, iterate and close
    the answers of one `Llm` on the same thread.

    Attributes:
        messages: the conversation so far, oldest first, as ``{"role": ..., "content": ...}`` with
            the roles ``system``, ``user`` and ``assistant``. May be edited between answers.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        system_prompt: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
    ) -> None:
        whole("max_tokens", max_tokens, 1, "tokens")
        at_least("temperature", temperature, 0, "(0 is greedy)")
        within("top_p", top_p, 0, 1, "a probability")
        if top_p == 0:
            raise ConfigError("top_p must be above 0 (a probability), got 0: 1 keeps every token")
        if not Path(model).is_dir() and not _HUB_NAME.fullmatch(str(model)):
            raise ConfigError(
                f"model must be a directory or a Hugging Face name, such as "
                f"'mlx-community/Qwen3-4B-Instruct-2507-4bit'; there is no directory {str(model)!r}"
            )
        self.messages: list[dict[str, str]] = []
        self._model = str(model)
        self._system_prompt = system_prompt
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._top_p = top_p
        self._tokenizer: _Tokenizer | None = None
        self._generate: _Generate | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the conversation, all but the system prompt. The model stays loaded."""
        prompt = self._system_prompt
        self.messages = [] if prompt is None else [{"role": "system", "content": prompt}]

    def load(self) -> None:
        """Load the model on this thread, now rather than at the first answer; once.

        Raises:
            ConfigError: the model is no directory, cannot be fetched, cannot be loaded, or has
                no chat template.
        """
        self._loaded()

    def respond(self, text: str, /) -> Generator[str, None, None]:
        """Answer `text`, given the conversation so far.

        Gives the new text of each token as it is generated, never empty, without the token that
        ends the answer; joined, the pieces are the answer. Nothing happens before the first piece
        is asked for. Ends at the model's end token or after `max_tokens`. Where the chat template
        knows about thinking, thinking is off.

        The question joins `messages` at the first piece. The answer follows it when the iterator
        ends; closed early, what was given so far does, unless it is blank. When the model raises,
        the question is taken back and the error goes to the caller.
        """
        tokenizer, generate = self._loaded()
        question = {"role": "user", "content": text}
        self.messages.append(question)
        said = ""
        try:
            prompt = tokenizer.apply_chat_template(
                _alternating(self.messages), add_generation_prompt=True, enable_thinking=False
            )
            with closing(_pieces(generate(prompt))) as pieces:
                for piece in pieces:
                    said += piece
                    yield piece
        except Exception:
            self._replace(question, [])
            raise
        except GeneratorExit:
            self._answered(question, said)
            raise
        self._answered(question, said)

    def _answered(self, question: dict[str, str], said: str) -> None:
        answer = [{"role": "assistant", "content": said}] if said.strip() else []
        self._replace(question, [question, *answer])

    def _replace(self, question: dict[str, str], new: list[dict[str, str]]) -> None:
        # By identity: the caller may have edited or reset the messages in the meantime.
        for index, message in enumerate(self.messages):
            if message is question:
                self.messages[index : index + 1] = new
                return

    def _loaded(self) -> tuple[_Tokenizer, _Generate]:
        if self._tokenizer is None or self._generate is None:
            self._tokenizer, self._generate = self._open()
        return self._tokenizer, self._generate

    def _open(self) -> tuple[_Tokenizer, _Generate]:
        import mlx_lm
        from mlx_lm.sample_utils import make_sampler

        try:
            model, loaded = mlx_lm.load(self._model)[:2]
        except (OSError, ValueError) as error:
            raise ConfigError(_not_loaded(self._model, error)) from error
        tokenizer = cast(_Tokenizer, loaded)
        if not tokenizer.has_chat_template:
            raise ConfigError(
                f"the language model {self._model!r} has no chat template, so it cannot hold a "
                "conversation: use an instruction-tuned one, often named '...-Instruct'"
            )
        sampler = make_sampler(temp=self._temperature, top_p=self._top_p)

        def generate(prompt: list[int]) -> _Responses:
            return mlx_lm.stream_generate(  # pyright: ignore[reportUnknownMemberType]
                model, loaded, prompt, max_tokens=self._max_tokens, sampler=sampler
            )

        return tokenizer, generate


def _pieces(responses: _Responses) -> Generator[str, None, None]:
    """The text of each response that has any, with the thread's default stream left as it was.

    mlx-lm's generator holds its own stream while it is suspended, and two of them that end out of
    order would leave that one behind.
    """
    try:
        while True:
            stream = mx.default_stream(mx.default_device())
            try:
                response = next(responses, None)
            finally:
                mx.set_default_stream(stream)
            if response is None:
                return
            if response.text:
                yield response.text
    finally:
        stream = mx.default_stream(mx.default_device())
        try:
            responses.close()
        finally:
            mx.set_default_stream(stream)


def _alternating(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with neighbours of one role joined, since many chat templates refuse them.

    A question whose answer was closed before its first word leaves two.
    """
    joined: list[dict[str, str]] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            content = f"{joined[-1]['content']} {message['content']}"
            joined[-1] = {**message, "content": content}
        else:
            joined.append(message)
    return joined


def _not_loaded(model: str, error: Exception) -> str:
    if Path(model).is_dir():
        return (
            f"the directory {model!r} holds no language model that mlx-lm can load ({error}): it "
            "needs config.json, model.safetensors, tokenizer.json and tokenizer_config.json"
        )
    return (
        f"the language model {model!r} is not a directory here and could not be fetched from the "
        f"Hugging Face hub ({error}): check the path or the name, the network, and for a private "
        "model the login"
    )
