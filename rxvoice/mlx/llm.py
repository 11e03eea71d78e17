"""Language models that mlx-lm runs, as responders that keep the conversation."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, cast

import mlx.core as mx

from rxvoice._check import at_least, model_name, whole, within
from rxvoice._language.model import LanguageModel, Written, WrittenCall
from rxvoice._language.question import Question, fewest_turns
from rxvoice.conversation import Conversation, Message, Summarise
from rxvoice.conversation._turns import alternating, without_oldest
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.mlx._opening import code_refused, directory_of, opening
from rxvoice.mlx._prompt_cache import Layer, PromptCache
from rxvoice.mlx._spoken import Markers, Spoken
from rxvoice.mlx._stream import same_stream
from rxvoice.mlx._template import check_template
from rxvoice.tools import ToolCall, Tools, ToolWorker, WhileCalling

__all__ = ["Llm", "LlmStats", "llm"]

_PENALIZED = 20  # tokens, as mlx-lm has it
_POSITIONS = "max_position_embeddings"


class _Response(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def token(self) -> int: ...


class _Tokenizer(Markers, Protocol):
    has_chat_template: bool
    has_tool_calling: bool

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


class _Model(Protocol):
    def __call__(self, inputs: mx.array, *, cache: list[Layer]) -> mx.array: ...


_Responses = Generator[_Response, None, None]
_Penalty = Callable[[mx.array, mx.array], mx.array]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model that is ready.

    Attributes:
        model: the directory or hub name it was made with.
        generate: of the tokens to feed, the cache they go to and the last tokens in it.
        window: how many tokens it can have at once; None where that is not known.
    """

    model: _Model
    tokenizer: _Tokenizer
    generate: Callable[[list[int], list[Layer], list[int]], _Responses]
    window: int | None


@dataclass(slots=True)
class _Shared:
    """What a `fresh` family has in common: the model, once one of them was asked."""

    model: _Loaded | None = None


@dataclass(slots=True)
class LlmStats:
    """What one answer cost; counted while it is given.

    Attributes:
        prompt_tokens: the length of the whole prompt, conversation and all; after a call of a
            tool, of the prompt with its result.
        prefilled_tokens: how many of those the model was fed; the others it still knew.
        generated_tokens: how many it wrote, the end token and calls of tools included.
        dropped_turns: how many of the oldest turns were dropped to make room.
        tool_calls: how many calls of tools it made.
    """

    prompt_tokens: int = 0
    prefilled_tokens: int = 0
    generated_tokens: int = 0
    dropped_turns: int = 0
    tool_calls: int = 0


def llm(
    model: str | Path,
    *,
    system_prompt: str | None = None,
    max_tokens: int = 256,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int = 0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    tools: Tools = (),
    max_tool_rounds: int = 4,
    tool_worker: ToolWorker = None,
    while_calling: WhileCalling = None,
    conversation: Conversation | None = None,
    compact: Summarise | None = None,
    prefill_step_size: int = 256,
    context_tokens: int | None = None,
    trust_remote_code: bool = False,
) -> Llm:
    """A language model of mlx-lm, for `respond`. Nothing is loaded before the first question.

    Args:
        model: a directory with config.json, model.safetensors, tokenizer.json and
            tokenizer_config.json, or a name on the Hugging Face hub, fetched once and then cached.
        system_prompt: the first message of every conversation; None for none, or for that of
            `conversation`.
        max_tokens: the longest answer, in tokens, at least 1; with tools, the longest stretch
            between two rounds of calls.
        temperature: 0 always takes the likeliest token; higher is more varied.
        top_p: samples among the likeliest tokens that have this probability together, above 0, to
            1 (all of them). Has no effect at temperature 0, nor have the next two.
        top_k: samples among this many of the likeliest tokens; 0 for all of them.
        min_p: samples among the tokens with at least this part of the likeliest one's
            probability, 0 (all of them) to 1.
        repetition_penalty: above 0; above 1 makes each of the last 20 tokens less likely, 1 is
            none.
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
        prefill_step_size: the most tokens of a prompt that one step feeds, at least 1: more is
            faster, less lets other work in sooner.
        context_tokens: how many tokens the model can have at once, conversation and answer; more
            than `max_tokens`. None: what its config.json says in ``max_position_embeddings``.
        trust_remote_code: let code and pickles of the model's run. Without, a model that has any
            is refused before anything of it is loaded.

    Raises:
        ConfigError: an argument out of range, a tool that cannot be described to the model, or
            `model` neither a directory nor like a hub name.
    """
    return Llm(
        model,
        system_prompt=system_prompt,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        tools=tools,
        max_tool_rounds=max_tool_rounds,
        tool_worker=tool_worker,
        while_calling=while_calling,
        conversation=conversation,
        compact=compact,
        prefill_step_size=prefill_step_size,
        context_tokens=context_tokens,
        trust_remote_code=trust_remote_code,
    )


class Llm(LanguageModel):
    """A conversation with a language model; made by `llm`, whose arguments it takes.

    Everything runs on the thread that calls, and MLX wants it to be one: load, iterate and close
    the answers of a `fresh` family on the same thread, where they may be interleaved. Only `heard`,
    `forget` and `fresh` may come from another.

    What the model has computed is kept from answer to answer: the conversation is rendered anew
    each time, and only what comes after the part that it knows already is fed. So a turn costs its
    own length, and answers are those of a model that was fed everything.

    Attributes:
        conversation: what was said so far. May be edited or replaced between answers.
        stats: what the last answer cost.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        system_prompt: str | None = None,
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int = 0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        tools: Tools = (),
        max_tool_rounds: int = 4,
        tool_worker: ToolWorker = None,
        while_calling: WhileCalling = None,
        conversation: Conversation | None = None,
        compact: Summarise | None = None,
        prefill_step_size: int = 256,
        context_tokens: int | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        whole("max_tokens", max_tokens, 1, "tokens")
        at_least("temperature", temperature, 0, "(0 is greedy)")
        within("top_p", top_p, 0, 1, "a probability")
        if top_p == 0:
            raise ConfigError("top_p must be above 0 (a probability), got 0: 1 keeps every token")
        whole("top_k", top_k, 0, "tokens")
        within("min_p", min_p, 0, 1, "a part of the likeliest token's probability")
        at_least("repetition_penalty", repetition_penalty, 0, "(1 is none)")
        if repetition_penalty == 0:
            raise ConfigError("repetition_penalty must be above 0, got 0: 1 is none")
        whole("prefill_step_size", prefill_step_size, 1, "tokens")
        if context_tokens is not None:
            whole("context_tokens", context_tokens, max_tokens + 1, "tokens (above max_tokens)")
        model_name("model", model, "mlx-community/Qwen3-4B-Instruct-2507-4bit")
        super().__init__(
            system_prompt=system_prompt,
            conversation=conversation,
            tools=tools,
            max_tool_rounds=max_tool_rounds,
            tool_worker=tool_worker,
            while_calling=while_calling,
            compact=compact,
        )
        self.stats = LlmStats()
        self.model = str(model)
        self.trust_remote_code = trust_remote_code
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._top_p = top_p
        self._top_k = top_k
        self._min_p = min_p
        self._repetition_penalty = repetition_penalty
        self._step_size = prefill_step_size
        self._context_tokens = context_tokens
        self._shared = _Shared()
        self._cache: PromptCache | None = None

    def fresh(self) -> Self:
        """Another conversation with the same model, in which nothing was said yet.

        Both have the same weights, loaded once for all that come of one `llm`, whichever is asked
        first. The new one has the options, the tools and the system prompt of this one, and its
        `conversation`, `stats` and what the model has computed to itself: a server gives each
        client ``respond(llm.fresh(), worker=worker)``. `respond` does not call it, so that the app
        knows whose conversation it is.
        """
        own = super().fresh()
        own.stats = LlmStats()
        own._cache = None
        return own

    def load(self) -> None:
        """Load the model on this thread, now rather than at the first answer; once for a family.

        Raises:
            ConfigError: the model is no directory, cannot be fetched, cannot be loaded, has no
                chat template or, with tools, one that knows none, or its context has no room for
                an answer of `max_tokens`.
        """
        self._loaded()

    def respond(self, text: str, /) -> Generator[str | Notice, None, None]:
        """Answer `text`, given the conversation so far.

        Gives the new text of each token as it is generated, without the token that ends the
        answer; joined, the pieces are the answer. An empty piece is a step that gave no text yet:
        a part of a long prompt was fed, or the token said nothing. A `Notice` among the pieces
        tells of a tool that was called, its `ToolCall` the detail, or of turns dropped. Nothing
        happens before the first piece is asked for. Ends at the model's end token or after
        `max_tokens`. Where the chat template knows about thinking, thinking is off; thoughts that
        come all the same and calls of tools are not given. A new question ends an answer that is
        still in progress.

        The question joins `messages` at the first piece, the answer grows there with each; so
        closed early, what was given so far stays, unless it is blank. A tool's call and its result
        join them when it has returned; a call that nobody waits for any more joins them as given
        up. When the model raises, the question is taken back, unless a tool was called for it, and
        the error goes to the caller.

        When the conversation and `max_tokens` exceed the model's context, the oldest turns are
        dropped from `messages`, or replaced by their summary, and a `Notice` says so: as many as it
        takes to free a quarter of it, so that the prompt does not change at its beginning with
        every turn. What the system prompt and this question leave no room for raises `ConfigError`.
        """
        return self._respond(text)

    def _prepare(self) -> None:
        self._loaded()
        self.stats = LlmStats()

    def _write(self, question: Question) -> Generator[Written, None, None]:
        loaded = self._loaded()
        prompt, dropped = self._fitted(loaded, question)
        if dropped:
            context = f"context of {loaded.window} tokens"
            yield from self._drop_oldest(
                question, dropped, context, lambda: self._fitted(loaded, question)[1]
            )
            self.stats.dropped_turns += dropped
            prompt, _ = self._fitted(loaded, question)
        spoken = Spoken(loaded.tokenizer, prompt)
        with closing(self._generated(loaded, prompt)) as texts:
            for text in texts:
                yield spoken.feed(text)
        if rest := spoken.end():
            yield rest
        for text in spoken.calls:
            yield from self._read(loaded, text)

    def _made(
        self, call: WrittenCall, rounds: int, question: Question
    ) -> Generator[str, None, ToolCall]:
        self.stats.tool_calls += 1
        return super()._made(call, rounds, question)

    def _generated(self, loaded: _Loaded, prompt: list[int]) -> Generator[str, None, None]:
        """The text of each token; before it, an empty one for each full step of the prompt."""
        cache = self._cache
        if cache is None:
            from mlx_lm.models.cache import make_prompt_cache

            def make() -> list[Layer]:
                made = make_prompt_cache(loaded.model)  # pyright: ignore
                return cast("list[Layer]", made)

            cache = self._cache = PromptCache(make)
        try:
            rest = cache.follow(prompt)
            self.stats.prompt_tokens = len(prompt)
            while len(rest) > self._step_size:
                step, rest = rest[: self._step_size], rest[self._step_size :]
                loaded.model(mx.array(step)[None], cache=cache.layers)
                mx.eval(*(layer.state for layer in cache.layers))  # pyright: ignore
                mx.clear_cache()
                cache.took(step)
                self.stats.prefilled_tokens += len(step)
                yield ""
            known = prompt[: len(prompt) - len(rest)][-_PENALIZED:]
            with closing(_steps(loaded.generate(rest, cache.layers, known))) as responses:
                for response in responses:
                    # The model has been fed the token that it gives.
                    cache.took([*rest, response.token])
                    self.stats.prefilled_tokens += len(rest)
                    self.stats.generated_tokens += 1
                    rest: list[int] = []
                    yield response.text
        except Exception:
            cache.forget()
            raise

    def _fitted(self, loaded: _Loaded, question: Question) -> tuple[list[int], int]:
        """A prompt that leaves room for an answer, and how many turns are to go for it."""
        prompt = self._rendered(loaded.tokenizer, question.messages)
        if loaded.window is None or len(prompt) + self._max_tokens <= loaded.window:
            return prompt, 0
        room = loaded.window - self._max_tokens

        def is_roomy(messages: list[Message]) -> bool:
            return len(self._rendered(loaded.tokenizer, messages)) <= room * 3 // 4

        dropped = fewest_turns(question.messages, is_roomy)
        prompt = self._rendered(loaded.tokenizer, without_oldest(question.messages, dropped))
        if len(prompt) > room:
            raise ConfigError(
                f"the question takes {len(prompt)} tokens with all that must go with it, and with "
                f"max_tokens={self._max_tokens} that is more than the context of {loaded.window} "
                "tokens: ask in fewer words, shorten the system prompt or lower max_tokens"
            )
        return prompt, dropped

    def _rendered(self, tokenizer: _Tokenizer, messages: list[Message]) -> list[int]:
        return tokenizer.apply_chat_template(
            alternating(messages),
            tools=self._toolbox.schemas or None,
            add_generation_prompt=True,
            enable_thinking=False,
        )

    def _read(self, loaded: _Loaded, text: str) -> list[WrittenCall]:
        try:
            read = _read_calls(loaded.tokenizer.tool_parser(text, self._toolbox.schemas))
        except Exception as error:  # a parser may stumble in any way
            return [WrittenCall("unreadable", {"text": text}, error)]
        return [WrittenCall(name, arguments) for name, arguments in read]

    def _loaded(self) -> _Loaded:
        if self._shared.model is None:
            self._shared.model = self._open()
        self._check_tools(self._shared.model.tokenizer)
        return self._shared.model

    def _check_tools(self, tokenizer: _Tokenizer) -> None:
        if len(self._toolbox) and not tokenizer.has_tool_calling:
            raise ConfigError(
                f"the chat template of the language model {self.model!r} knows no tools that "
                "mlx-lm can read: use a model that was trained to call tools, or give no tools"
            )

    def _open(self) -> _Loaded:
        import mlx_lm
        from mlx_lm.sample_utils import make_logits_processors, make_sampler

        trust = self.trust_remote_code
        with (
            opening(self.model, lambda why: _not_loaded(self.model, why)),
            code_refused(trust_remote_code=trust),
        ):
            path = directory_of(self.model, "mlx_lm", trust_remote_code=trust)
            model, given, config = mlx_lm.load(  # pyright: ignore
                str(path),
                tokenizer_config={"trust_remote_code": trust},
                return_config=True,
                trust_remote_code=trust,
            )[:3]
        tokenizer = cast("_Tokenizer", given)
        if not tokenizer.has_chat_template:
            raise ConfigError(
                f"the language model {self.model!r} has no chat template, so it cannot hold a "
                "conversation: use an instruction-tuned one, often named '...-Instruct'"
            )
        self._check_tools(tokenizer)
        hello: list[Message] = [{"role": "user", "content": "Hello."}]
        check_template(self.model, lambda: self._rendered(tokenizer, hello))
        window = self._window(cast("dict[str, object]", config))
        sampler = make_sampler(
            temp=self._temperature, top_p=self._top_p, top_k=self._top_k, min_p=self._min_p
        )
        penalty = self._repetition_penalty
        penalties = make_logits_processors(
            repetition_penalty=None if penalty == 1 else penalty, repetition_context_size=_PENALIZED
        )

        # Not self: the model outlives the conversation that loaded it.
        max_tokens, step_size = self._max_tokens, self._step_size

        def generate(prompt: list[int], layers: list[Layer], known: list[int]) -> _Responses:
            return mlx_lm.stream_generate(  # pyright: ignore[reportUnknownMemberType]
                model,
                given,
                prompt,
                max_tokens=max_tokens,
                sampler=sampler,
                logits_processors=[_after(known, it) for it in penalties],
                prompt_cache=layers,
                prefill_step_size=step_size,
            )

        return _Loaded(cast("_Model", model), tokenizer, generate, window)

    def _window(self, config: Mapping[str, object]) -> int | None:
        if self._context_tokens is not None:
            return self._context_tokens
        # Models that also see or hear keep it with their language part.
        parts = (config, cast("dict[str, object]", config.get("text_config") or {}))
        found = next((p[_POSITIONS] for p in parts if _POSITIONS in p), None)
        if not isinstance(found, int):
            return None
        if found <= self._max_tokens:
            raise ConfigError(
                f"max_tokens must be below the {found} tokens that the language model "
                f"{self.model!r} can have at once, got {self._max_tokens}"
            )
        return found


def _after(known: list[int], penalty: _Penalty) -> _Penalty:
    """The penalty, given the tokens that were fed before; mlx-lm shows it only the new ones."""
    if not known:
        return penalty
    before = mx.array(known)
    return lambda tokens, logits: penalty(mx.concatenate([before, tokens]), logits)


def _steps(responses: _Responses) -> _Responses:
    """The responses, with the thread's default stream left as it was.

    mlx-lm's generator holds its own stream while it is suspended, and two of them that end out of
    order would leave that one behind.
    """
    try:
        while True:
            with same_stream():
                response = next(responses, None)
            if response is None:
                return
            yield response
    finally:
        with same_stream():
            responses.close()


def _read_calls(parsed: object) -> list[tuple[str, dict[str, object]]]:
    """The name and arguments of each call that a parser of mlx-lm found."""
    calls = cast("list[object]", parsed) if isinstance(parsed, list) else [parsed]
    read: list[tuple[str, dict[str, object]]] = []
    for call in calls:
        if not isinstance(call, dict):
            raise ValueError(f"wanted an object with name and arguments, got {call!r}")
        given = cast("dict[str, object]", call)
        name, arguments = given.get("name"), given.get("arguments", {})
        if isinstance(arguments, str):
            arguments = cast(object, json.loads(arguments))
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise ValueError(f"wanted a name and an object of arguments, got {given!r}")
        read.append((name, cast("dict[str, object]", arguments)))
    return read


def _not_loaded(model: str, why: str) -> str:
    if Path(model).is_dir():
        return (
            f"the directory {model!r} holds no language model that mlx-lm can load ({why}): it "
            "needs config.json, model.safetensors, tokenizer.json and tokenizer_config.json"
        )
    return (
        f"the language model {model!r} is not a directory here and could not be fetched from the "
        f"Hugging Face hub ({why}): check the path or the name, the network, and for a private "
        "model the login"
    )
