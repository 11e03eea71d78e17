"""A language model of mlx-lm: loaded, prompted, and asked for one token after another."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple, cast

import mlx.core as mx

from rxvoice._check import at_least, whole, within
from rxvoice.errors import ConfigError
from rxvoice.mlx._batch import PENALIZED, ChatModel
from rxvoice.mlx._batches import Batches
from rxvoice.mlx._cache_size import cache_size, default_cache_bytes
from rxvoice.mlx._chat_format import ChatFormat, Schemas, Tokenizer
from rxvoice.mlx._opening import code_refused, directory_of, opening, refusal
from rxvoice.mlx._precision import Dtype, convert, wanted
from rxvoice.mlx._prompt_cache import Layer, PromptCache
from rxvoice.mlx._shelf import Shelf
from rxvoice.mlx._window import positions_of, window_of


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
        chat: how it writes a conversation.
        batches: the answers that it is writing.
        window: how many tokens it can take at once; None if that is not known.
        shelf: the caches of its conversations.
    """

    name: str
    model: ChatModel
    tokenizer: Tokenizer
    chat: ChatFormat
    batches: Batches
    max_tokens: int
    window: int | None
    shelf: Shelf

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
        ends, text, count = self.chat.ends, self.tokenizer.detokenizer, 0
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
    cache_bytes: int | None,
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

    network, given = cast("ChatModel", model), cast("dict[str, object]", config)
    size = cache_size(network, empty_layers)
    room = cache_bytes or default_cache_bytes()
    return LoadedLlm(
        name,
        network,
        cast("Tokenizer", tokenizer),
        ChatFormat(name, cast("Tokenizer", tokenizer), schemas),
        Batches(network, empty_layers, sampler, penalties, batch),
        max_tokens,
        window_of(name, context_tokens or positions_of(given), size, room, max_tokens),
        Shelf(room, size),
    )
