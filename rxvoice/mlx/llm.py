"""Language models that mlx-lm runs, as responders that keep the conversation."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self, Unpack

from rxvoice._check import model_name, whole
from rxvoice._language.calls import WrittenCall
from rxvoice._language.ending import StretchEnd
from rxvoice._language.model import LanguageModel, Written
from rxvoice._language.options import LlmOptions, shows_options_of
from rxvoice._language.question import Question
from rxvoice.conversation import Message
from rxvoice.events import Notice
from rxvoice.mlx._batch import PENALIZED
from rxvoice.mlx._llm_model import Decoding, LoadedLlm, Piece, load_llm
from rxvoice.mlx._precision import Dtype, check_dtype, wanted
from rxvoice.mlx._prefill import prefill
from rxvoice.mlx._prompt_cache import PromptCache
from rxvoice.mlx._window import cache_need, fitted
from rxvoice.tools import ToolCall

__all__ = ["Llm", "LlmStats", "llm"]


@shows_options_of(LanguageModel.__init__)
def llm(
    model: str | Path,
    *,
    top_p: float = 1.0,
    top_k: int = 0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    prefill_step_size: int = 256,
    batch: int = 8,
    cache_bytes: int | None = None,
    dtype: Dtype | None = None,
    trust_remote_code: bool = False,
    **options: Unpack[LlmOptions],
) -> Llm:
    """A language model of mlx-lm, for `respond`. It loads with the first question.

    ```python
    rxv.mlx.llm("mlx-community/Qwen3-4B-Instruct-2507-4bit", system_prompt="Be brief.")
    ```

    Args:
        model: a directory with config.json, model.safetensors, tokenizer.json and
            tokenizer_config.json, or a name on the Hugging Face hub, which is fetched once and
            then cached.
        top_p: samples among the likeliest tokens that have this probability together, above 0, to
            1, which keeps all. At temperature 0 this and the next two have no effect.
        top_k: samples among this many of the likeliest tokens; 0 for all of them.
        min_p: samples among the tokens with at least this part of the likeliest one's
            probability, from 0, which keeps all, to 1.
        repetition_penalty: above 1 makes each of the last 20 tokens less likely; 1 is no penalty.
            Above 0.
        prefill_step_size: the most tokens of a prompt that one step feeds, at least 1. A larger
            step is faster; a smaller one lets other work in sooner.
        batch: how many answers of one `fresh` family are written together at the most, at least 1.
            One step then gives a token of each, in little more time than one token takes. With 1,
            and with a network that cannot do it, answers take turns.
        cache_bytes: the most memory for what the model has computed of one conversation. Where a
            long one exceeds it, its oldest turns are dropped as where it exceeds the context. The
            conversations of a `fresh` family share it: of those that wait, the one that waited the
            longest is computed anew when it goes on. None for an eighth of the memory that models
            may take on this machine.
        dtype: the type of number that it computes in: ``"float32"``, ``"bfloat16"`` or
            ``"float16"``. None for float32 on a CPU, where MLX is 3 to 30 times slower in the
            others, and for that of the weights on Metal. float32 takes twice the memory of 16-bit
            weights.
        trust_remote_code: let the model's own code and pickles run. Without it, a model that has
            any is refused before anything of it is loaded.
        **options: what every language model can be told, as `rxvoice.mlx.LlmOptions` describes it:
            `system_prompt`, `max_tokens`, `temperature`, `tools`, `max_tool_rounds`,
            `tool_worker`, `while_calling`, `conversation`, `compact` and `context_tokens`.

    Raises:
        ConfigError: an argument out of range, a tool that cannot be described to the model, or a
            `model` that is neither a directory nor like a hub name.
    """
    decoding = Decoding(top_p, top_k, min_p, repetition_penalty, prefill_step_size)
    return Llm(
        model,
        decoding,
        batch=batch,
        cache_bytes=cache_bytes,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        **options,
    )


@dataclass(slots=True)
class LlmStats:
    """What one reply costs. The numbers grow while it is given.

    Attributes:
        prompt_tokens: the length of the whole prompt, with the conversation; after a call of a
            tool, of the prompt with the tool's result.
        prefilled_tokens: how many tokens of prompts the model was fed; it still knew the others.
        generated_tokens: how many tokens it wrote, with the end token and the calls of tools.
        batched_tokens: how many of those were written in one step with tokens of other answers.
        dropped_turns: how many of the oldest turns were dropped to make room.
        tool_calls: how many calls of tools it made.
    """

    prompt_tokens: int = 0
    prefilled_tokens: int = 0
    generated_tokens: int = 0
    batched_tokens: int = 0
    dropped_turns: int = 0
    tool_calls: int = 0


@dataclass(slots=True)
class _Family:
    """What all that come of one `llm` by `fresh` share: the model, once one has loaded it."""

    model: LoadedLlm | None = None


class Llm(LanguageModel):
    """A conversation with a language model on this machine; made by `llm`.

    Everything runs on the thread that calls, and MLX wants that to be one thread: load the models
    of a `fresh` family, iterate their replies and close them on the same thread. Replies may be
    interleaved there. `heard`, `said`, `forget` and `fresh` may come from any thread.

    The model keeps what it has computed from reply to reply. Each prompt is rendered from the whole
    conversation, and only what comes after the known part is fed. So a turn costs its own length,
    and replies are the same as if the model was fed everything.

    Attributes:
        conversation: what was said so far. The app may edit or replace it between replies.
        stats: what the last reply cost.
    """

    def __init__(
        self,
        model: str | Path,
        decoding: Decoding | None = None,
        *,
        batch: int = 8,
        cache_bytes: int | None = None,
        dtype: Dtype | None = None,
        trust_remote_code: bool = False,
        **options: Unpack[LlmOptions],
    ) -> None:
        super().__init__(**options)
        whole("batch", batch, 1, "answers")
        if cache_bytes is not None:
            whole("cache_bytes", cache_bytes, 1, "bytes")
        model_name("model", model, "mlx-community/Qwen3-4B-Instruct-2507-4bit")
        check_dtype(dtype)
        self.stats = LlmStats()
        self.model = str(model)
        self.batch = batch
        self.cache_bytes = cache_bytes
        self.dtype: Dtype | None = dtype
        self.trust_remote_code = trust_remote_code
        self._decoding = decoding or Decoding()
        self._family = _Family()
        self._cache: PromptCache | None = None

    def fresh(self) -> Self:
        """Another conversation with the same model, in which nothing was said yet.

        The two share the weights, which are loaded once for the whole family. The new one has the
        options, the tools and the system prompt of this one, and its own `conversation`, `stats`
        and computed state. A server gives each client ``respond(llm.fresh(), worker=worker)``.
        `respond` itself does not call `fresh`, so the app always knows whose conversation it is.
        """
        own = super().fresh()
        own.stats = LlmStats()
        own._cache = None
        return own

    def load(self) -> None:
        """Load the model on this thread now, and not with the first question. Once for a family.

        Raises:
            ConfigError: the model is no directory, cannot be fetched or loaded, has no chat
                template, cannot call tools although there are some, or has a context without room
                for a reply of `max_tokens`.
        """
        self._loaded()

    def cache_need(self, directory: Path) -> int:
        """How many bytes its conversations may take; 0 if that is not known.

        Args:
            directory: of the model, which need not be loaded.
        """
        return cache_need(directory, wanted(self.dtype), self.cache_bytes, self._context_tokens)

    def respond(self, text: str, /) -> Generator[str | Notice, None, None]:
        """Reply to `text`, given the conversation so far.

        Gives the new text of each token as the model generates it; the pieces joined are the reply.
        An empty piece is a step without text yet: a part of a long prompt was fed, or the token has
        no text. A `Notice` among the pieces reports a call of a tool, with its `ToolCall` as the
        detail, turns that were dropped, or a reply that `max_tokens` cut. The reply ends with the
        model's end token, which is not given, or after `max_tokens`. Thoughts and calls of tools
        are not given; thinking is turned off where the chat template has a switch for it, and is
        short where it only has a degree. Nothing happens before the first piece is asked for. A new
        question ends a reply that is still in progress.

        The question joins `messages` with the first piece, and the reply grows there with each
        piece. So a reply that is closed early stays as far as it was given, unless it is blank. A
        call of a tool and its result join when the tool has returned; a call that nobody waits for
        joins as given up. If the model raises, the question is taken back, unless a tool was
        called for it, and the error goes to the caller.

        When the conversation and `max_tokens` exceed the model's context, the oldest turns are
        dropped from `messages`, or replaced by their summary, and a `Notice` says so. Enough go to
        free a quarter of the context, so that the prompt keeps its beginning for some turns. If the
        system prompt and this question alone leave no room, it raises `ConfigError`.
        """
        return self._respond(text)

    def _prepare(self) -> None:
        self._loaded()
        self.stats = LlmStats()

    def _write(self, question: Question) -> Generator[Written, None, None]:
        loaded, schemas = self._loaded(), self._caller.toolbox.schemas
        prompt, excess = self._fitted(loaded, question)
        if excess:
            context = f"context of {loaded.window} tokens"
            yield from self._drop_oldest(
                question, excess, context, lambda: self._fitted(loaded, question)[1]
            )
            self.stats.dropped_turns += excess
            prompt, _ = self._fitted(loaded, question)
        splitter, is_cut = loaded.chat.splitter(prompt), False
        with closing(self._generated(loaded, prompt, question.messages)) as pieces:
            for piece in pieces:
                is_cut |= piece.is_cut
                yield splitter.feed(piece.text)
        if rest := splitter.end():
            yield rest
        yield StretchEnd(is_cut, splitter.is_thinking)
        for text in splitter.calls:
            yield from loaded.chat.calls_in(text, schemas)

    def _made(
        self, call: WrittenCall, rounds: int, question: Question
    ) -> Generator[str, None, ToolCall]:
        self.stats.tool_calls += 1
        return super()._made(call, rounds, question)

    def _generated(
        self, loaded: LoadedLlm, prompt: list[int], messages: list[Message]
    ) -> Generator[Piece]:
        """Yield an empty piece after each step of the prompt but the last, then those of tokens."""
        loaded.batches.tidy()
        if self._cache is None:
            self._cache = PromptCache(loaded.batches.empty_layers)
        cache, schemas = self._cache, self._caller.toolbox.schemas
        self.stats.prompt_tokens = len(prompt)
        try:
            with loaded.shelf.using(cache, len(prompt) + self._max_tokens):
                for _ in prefill(
                    cache,
                    prompt,
                    messages,
                    lambda messages: loaded.chat.prompt(messages, schemas),
                    lambda tokens: self._feed(loaded, tokens),
                    self._decoding.prefill_step_size,
                ):
                    yield Piece("")
                with closing(loaded.texts(cache, prompt[-PENALIZED:])) as pieces:
                    self.stats.prefilled_tokens += 1
                    for piece in pieces:
                        self.stats.generated_tokens += 1
                        self.stats.batched_tokens += piece.is_shared
                        yield piece
        except Exception:
            cache.forget()
            raise

    def _feed(self, loaded: LoadedLlm, tokens: list[int]) -> None:
        assert self._cache is not None
        loaded.feed(tokens, self._cache)
        self.stats.prefilled_tokens += len(tokens)

    def _fitted(self, loaded: LoadedLlm, question: Question) -> tuple[list[int], int]:
        """A prompt that leaves room for a reply, and how many turns have to go for it."""
        schemas = self._caller.toolbox.schemas
        return fitted(
            question.messages,
            lambda messages: loaded.chat.prompt(messages, schemas),
            loaded.window,
            self._max_tokens,
        )

    def _loaded(self) -> LoadedLlm:
        schemas = self._caller.toolbox.schemas
        if self._family.model is None:
            self._family.model = load_llm(
                self.model,
                self._decoding,
                schemas,
                max_tokens=self._max_tokens,
                temperature=self._temperature,
                context_tokens=self._context_tokens,
                cache_bytes=self.cache_bytes,
                batch=self.batch,
                dtype=self.dtype,
                trust=self.trust_remote_code,
            )
        self._family.model.chat.check_tools(schemas)
        return self._family.model
