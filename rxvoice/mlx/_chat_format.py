"""How a language model's family writes a conversation, a thought and a call of a tool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from rxvoice._language.calls import WrittenCall, read_call
from rxvoice.conversation import Message
from rxvoice.conversation._turns import alternating
from rxvoice.errors import ConfigError
from rxvoice.mlx._channels import ENDS, ChannelSplitter, channel_call, has_channels
from rxvoice.mlx._template import check_source, check_template
from rxvoice.mlx._text_splitter import Markers, TextSplitter

_ASKS: list[Message] = [{"role": "user", "content": "Hello."}]
_SYSTEM: list[Message] = [{"role": "system", "content": "Be brief."}]
_GREETS: list[Message] = [{"role": "assistant", "content": "Welcome."}]

Schemas = list[dict[str, object]]


class Detokenizer(Protocol):
    """Makes text of tokens, one after another."""

    @property
    def last_segment(self) -> str: ...
    def add_token(self, token: int) -> None: ...
    def finalize(self) -> None: ...


class Tokenizer(Markers, Protocol):
    """What is used of mlx-lm's tokenizers."""

    has_chat_template: bool
    has_tool_calling: bool
    eos_token_ids: set[int]

    @property
    def chat_template(self) -> object: ...

    @property
    def detokenizer(self) -> Detokenizer: ...

    @property
    def tool_parser(self) -> Callable[[str, object], object]: ...

    def get_vocab(self) -> dict[str, int]: ...

    def apply_chat_template(
        self,
        conversation: list[Message],
        *,
        tools: list[dict[str, object]] | None,
        add_generation_prompt: bool,
        enable_thinking: bool,
        reasoning_effort: str = ...,
    ) -> list[int]: ...


class ChatFormat:
    """The format of one model.

    Args:
        name: the model's directory or name, for messages.
        tokenizer: the model's.
        schemas: the tools that it is loaded with.

    Attributes:
        ends: the tokens that end a reply.

    Raises:
        ConfigError: it has no chat template, a broken one, or one that knows no tools.
    """

    def __init__(self, name: str, tokenizer: Tokenizer, schemas: Schemas) -> None:
        if not tokenizer.has_chat_template:
            raise ConfigError(
                f"the language model {name!r} has no chat template, so it cannot hold a "
                "conversation: use an instruction-tuned one, often named '...-Instruct'"
            )
        self._name = name
        self._tokenizer = tokenizer
        template = tokenizer.chat_template
        self._has_channels = isinstance(template, str) and has_channels(template)
        vocabulary = tokenizer.get_vocab() if self._has_channels else {}
        self.ends = tokenizer.eos_token_ids | {vocabulary[it] for it in ENDS if it in vocabulary}
        self.check_tools(schemas)
        named = (
            cast("dict[str, object]", template) if isinstance(template, dict) else {"": template}
        )
        for text in named.values():
            if isinstance(text, str):
                check_source(name, text)
        check_template(name, lambda: self._rendered(_ASKS, schemas))
        told = self._tried([*_SYSTEM, *_ASKS], schemas)
        self._knows_system = told is not None and told != self._rendered(_ASKS, schemas)
        self._lets_greet = self._tried([*_GREETS, *_ASKS], schemas) is not None

    def check_tools(self, schemas: Schemas) -> None:
        """Raise `ConfigError` if there are tools and the model can call none."""
        if schemas and not (self._tokenizer.has_tool_calling or self._has_channels):
            raise ConfigError(
                f"the chat template of the language model {self._name!r} knows no tools that "
                "mlx-lm can read: use a model that was trained to call tools, or give no tools"
            )

    def prompt(self, messages: list[Message], schemas: Schemas) -> list[int]:
        """The tokens of the messages, with the descriptions of the tools."""
        joined = alternating(messages)
        if not self._lets_greet:
            joined = _asked_first(joined)
        return self._rendered(joined if self._knows_system else _without_system(joined), schemas)

    def splitter(self, prompt: list[int]) -> TextSplitter | ChannelSplitter:
        """Splits what the model writes after the prompt."""
        return ChannelSplitter() if self._has_channels else TextSplitter(self._tokenizer, prompt)

    def calls_in(self, text: str, schemas: Schemas) -> list[WrittenCall]:
        """The calls of tools that the model wrote, as the parser of its family reads them."""
        try:
            if self._has_channels:
                return [channel_call(text)]
            parsed = self._tokenizer.tool_parser(text, schemas)
            found = cast("list[object]", parsed) if isinstance(parsed, list) else [parsed]
            return [_call(it) for it in found]
        except Exception as error:  # a parser may stumble in any way
            return [WrittenCall("unreadable", {"text": text}, error)]

    def _rendered(self, messages: list[Message], schemas: Schemas) -> list[int]:
        # gpt-oss always thinks, but it can be told how long.
        effort = {"reasoning_effort": "low"} if self._has_channels else {}
        return self._tokenizer.apply_chat_template(
            messages,
            tools=schemas or None,
            add_generation_prompt=True,
            enable_thinking=False,
            **effort,
        )

    def _tried(self, messages: list[Message], schemas: Schemas) -> list[int] | None:
        """The tokens of the messages; None if the template refuses them."""
        found: list[list[int]] = []
        try:
            check_template(self._name, lambda: found.append(self._rendered(messages, schemas)))
        except ConfigError:
            return None
        return found[0]


def _asked_first(messages: list[Message]) -> list[Message]:
    """The messages with a greeting of the user before that of the assistant.

    Gemma and some Mistrals want the user to begin.
    """
    begins = int(bool(messages) and messages[0]["role"] == "system")
    if len(messages) <= begins or messages[begins]["role"] != "assistant":
        return messages
    return [*messages[:begins], *_ASKS, *messages[begins:]]


def _without_system(messages: list[Message]) -> list[Message]:
    """The messages with the system prompt at the beginning of the first question.

    Gemma 3 does so itself; Gemma 1 and 2 and the first Mistrals refuse a system prompt.
    """
    if not messages or messages[0]["role"] != "system":
        return messages
    system, *rest = messages
    if not rest or rest[0]["role"] != "user":
        return [{**system, "role": "user"}, *rest]
    return [{**rest[0], "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]


def _call(found: object) -> WrittenCall:
    if not isinstance(found, dict):
        raise ValueError(f"wanted an object with name and arguments, got {found!r}")
    given = cast("dict[str, object]", found)
    return read_call(given.get("name"), given.get("arguments", {}))
