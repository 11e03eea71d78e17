"""A language model of mlx-lm: loaded, prompted, and asked for one token after another."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple, Protocol, cast

import mlx.core as mx

from rxvoice._check import at_least, whole, within
from rxvoice._language.calls import WrittenCall, read_call
from rxvoice.conversation import Message
from rxvoice.conversation._turns import alternating
from rxvoice.errors import ConfigError
from rxvoice.mlx._batch import PENALIZED, ChatModel
from rxvoice.mlx._batches import Batches
from rxvoice.mlx._opening import code_refused, directory_of, opening, refusal
from rxvoice.mlx._precision import Dtype, convert, wanted
from rxvoice.mlx._prompt_cache import Layer, PromptCache
from rxvoice.mlx._template import check_template
from rxvoice.mlx._text_splitter import Markers

_POSITIONS = "max_position_embeddings"


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
    def detokenizer(self) -> Detokenizer: ...

    @property
    def tool_parser(self) -> Callable[[str, object], object]: ...

    def apply_chat_template(
        self,
        conversation: list[Message],
        *,
        tools: list[dict[str, object]] | None,
        add_generation_prompt: bool,
        enable_thinking: bool,
    ) -> list[int]: ...


Schemas = list[dict[str, object]]


class Piece(NamedTuple):
    """The text of one token.

    Attributes:
        text: may be empty.
        is_shared: whether it was written with tokens of other answers.
        is_cut: whether the answer had all its tokens, and did not end.
    """

    text: str
    is_shared: bool = False
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a model is fed and its tokens are chosen; `rxvoice.mlx.llm` describes the fields."""

    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    prefill_step_size: int = 256

    def __post_init__(self) -> None:
        within("top_p", self.top_p, 0, 1, "a probability")
        if self.top_p == 0:
            raise ConfigError("top_p must be above 0 (a probability), got 0: 1 keeps every token")
        whole("top_k", self.top_k, 0, "tokens")
        within("min_p", self.min_p, 0, 1, "a part of the likeliest token's probability")
        at_least("repetition_penalty", self.repetition_penalty, 0, "(1 is none)")
        if self.repetition_penalty == 0:
            raise ConfigError("repetition_penalty must be above 0, got 0: 1 is none")
        whole("prefill_step_size", self.prefill_step_size, 1, "tokens")


@dataclass(frozen=True, slots=True)
class LoadedLlm:
    """A language model that is ready.

    Attributes:
        name: its directory or its name on the hub.
        batches: the answers that it is writing.
        window: how many tokens it can take at once; None if that is not known.
    """

    name: str
    model: ChatModel
    tokenizer: Tokenizer
    batches: Batches
    max_tokens: int
    window: int | None

    def check_tools(self, schemas: Schemas) -> None:
        """Raise `ConfigError` if there are tools and the model can call none."""
        if schemas and not self.tokenizer.has_tool_calling:
            raise ConfigError(
                f"the chat template of the language model {self.name!r} knows no tools that "
                "mlx-lm can read: use a model that was trained to call tools, or give no tools"
            )

    def prompt(self, messages: list[Message], schemas: Schemas) -> list[int]:
        """The tokens of the messages, with the descriptions of the tools."""
        return self.tokenizer.apply_chat_template(
            alternating(messages),
            tools=schemas or None,
            add_generation_prompt=True,
            enable_thinking=False,
        )

    def calls_in(self, text: str, schemas: Schemas) -> list[WrittenCall]:
        """The calls of tools that the model wrote, as the parser of its family reads them."""
        try:
            parsed = self.tokenizer.tool_parser(text, schemas)
            found = cast("list[object]", parsed) if isinstance(parsed, list) else [parsed]
            return [_call(it) for it in found]
        except Exception as error:  # a parser may stumble in any way
            return [WrittenCall("unreadable", {"text": text}, error)]

    def feed(self, tokens: list[int], cache: PromptCache) -> None:
        """Compute a part of the prompt, on this thread."""
        self.model(mx.array(tokens)[None], cache=cache.layers)
        mx.eval(*(layer.state for layer in cache.layers))  # pyright: ignore
        mx.clear_cache()
        cache.took(tokens)

    def texts(self, cache: PromptCache, prompt: list[int]) -> Generator[Piece]:
        """Yield the text of each token of an answer.

        Args:
            cache: was fed all of the prompt but its last token.
            prompt: its last tokens.
        """
        ends, text, count = self.tokenizer.eos_token_ids, self.tokenizer.detokenizer, 0
        shared = is_cut = False
        with closing(self.batches.write(cache, prompt, self.max_tokens, ends)) as tokens:
            for token, shared in tokens:
                count += 1
                if token in ends:
                    break
                text.add_token(token)
                if count == self.max_tokens:
                    is_cut = True
                    break
                yield Piece(text.last_segment, shared)
        text.finalize()
        yield Piece(text.last_segment, shared, is_cut)


def load_llm(
    name: str,
    decoding: Decoding,
    schemas: Schemas,
    *,
    max_tokens: int,
    temperature: float,
    context_tokens: int | None,
    batch: int,
    dtype: Dtype | None,
    trust: bool,
) -> LoadedLlm:
    """Load a model, and check that it can hold a conversation with these tools.

    Raises:
        ConfigError: says what is wrong with the model, or how to choose another one.
    """
    import mlx_lm
    from mlx_lm.sample_utils import make_logits_processors, make_sampler

    needs = "config.json, model.safetensors, tokenizer.json and tokenizer_config.json"
    with (
        opening(name, refusal(name, "language model", "mlx-lm", needs)),
        code_refused(trust_remote_code=trust),
    ):
        path = directory_of(name, "mlx_lm", trust_remote_code=trust)
        model, tokenizer, config = mlx_lm.load(  # pyright: ignore
            str(path),
            lazy=True,
            tokenizer_config={"trust_remote_code": trust},
            return_config=True,
            trust_remote_code=trust,
        )[:3]
        convert(model, wanted(dtype))
        mx.eval(model.parameters())  # pyright: ignore
    sampler = make_sampler(
        temp=temperature, top_p=decoding.top_p, top_k=decoding.top_k, min_p=decoding.min_p
    )
    penalty = decoding.repetition_penalty
    penalties = make_logits_processors(
        repetition_penalty=None if penalty == 1 else penalty, repetition_context_size=PENALIZED
    )

    def empty_layers() -> list[Layer]:
        from mlx_lm.models.cache import make_prompt_cache

        return cast("list[Layer]", make_prompt_cache(model))

    loaded = LoadedLlm(
        name,
        cast("ChatModel", model),
        cast("Tokenizer", tokenizer),
        Batches(cast("ChatModel", model), empty_layers, sampler, penalties, batch),
        max_tokens,
        context_tokens or _window(name, cast("dict[str, object]", config), max_tokens),
    )
    if not loaded.tokenizer.has_chat_template:
        raise ConfigError(
            f"the language model {name!r} has no chat template, so it cannot hold a "
            "conversation: use an instruction-tuned one, often named '...-Instruct'"
        )
    loaded.check_tools(schemas)
    check_template(name, lambda: loaded.prompt([{"role": "user", "content": "Hello."}], schemas))
    return loaded


def _window(name: str, config: Mapping[str, object], max_tokens: int) -> int | None:
    # Models that also see or hear keep it with their language part.
    parts = (config, cast("dict[str, object]", config.get("text_config") or {}))
    found = next((p[_POSITIONS] for p in parts if _POSITIONS in p), None)
    if not isinstance(found, int):
        return None
    if found <= max_tokens:
        raise ConfigError(
            f"max_tokens must be below the {found} tokens that the language model "
            f"{name!r} can have at once, got {max_tokens}"
        )
    return found


def _call(found: object) -> WrittenCall:
    if not isinstance(found, dict):
        raise ValueError(f"wanted an object with name and arguments, got {found!r}")
    given = cast("dict[str, object]", found)
    return read_call(given.get("name"), given.get("arguments", {}))
