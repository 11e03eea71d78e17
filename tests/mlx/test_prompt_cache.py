"""What a model is fed in a conversation: only what is new, whatever its layers keep."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import random
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from copy import deepcopy
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache, RotatingKVCache
from thorough import some

import rxvoice.offline
from rxvoice.conversation import Conversation
from rxvoice.mlx import Llm, llm
from rxvoice.mlx._batches import Batches
from rxvoice.mlx._prompt_cache import PromptCache
from tests.mlx.tiny_llms import CANNOT_BE_CUT, FAMILIES, make

PHRASES = rxvoice.offline.phrases()[:1900]
SYSTEM = "You are a voice. Answer in one sentence of a few words, and never in lists."
MARK = 12
"""The most tokens of what asks for an answer."""

pytestmark = [pytest.mark.models, pytest.mark.slow(1)]


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Llm]:
    """One model for each family."""
    path = tmp_path_factory.mktemp("families")
    return {
        it: llm(make(it, path / it), system_prompt=SYSTEM, max_tokens=8, dtype="float32")
        for it in FAMILIES
    }


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> dict[PromptCache | None, list[int]]:
    """The tokens of the last answer of each session, by its cache."""
    found: dict[PromptCache | None, list[int]] = {}
    write = Batches.write

    def watched(
        batches: Batches, cache: PromptCache, prompt: list[int], most: int, ends: Collection[int]
    ) -> Generator[tuple[int, bool]]:
        found[cache] = []
        with closing(write(batches, cache, prompt, most, ends)) as written:
            for token, shared in written:
                found[cache].append(token)
                yield token, shared

    monkeypatch.setattr(Batches, "write", watched)
    return found


class Talker:
    """One session that is talked to at random, and what it may be fed."""

    def __init__(self, session: Llm, rng: random.Random) -> None:
        self.session = session
        self._rng = rng
        self._sure = 0
        self._answer: Iterator[object] | None = None

    def ask(self) -> None:
        self.question = self._rng.choice(PHRASES)
        self.past = deepcopy(self.session.messages)
        self._answer = self.session.respond(self.question)
        self._left = self._rng.choice((1, 1, 3, 5, 99))

    def step(self) -> bool:
        """Take a piece; False if the answer is over or was broken off."""
        assert self._answer is not None
        self._left -= 1
        if next(self._answer, None) is not None and self._left:
            return True
        self._answer.close()  # type: ignore[attr-defined]
        return False

    def check(self, tokens: dict[PromptCache | None, list[int]], alone: Llm) -> int:
        """Hold the answer against one that is fed everything. Returns the tokens it was spared."""
        stats = self.session.stats
        alone.conversation = Conversation(messages=self.past)
        given = tokens.pop(self.session._cache, [])  # none if it was fed in two steps
        with closing(alone.respond(self.question)) as answer:
            for _ in answer:
                if len(tokens.get(alone._cache, ())) > len(given):
                    break
        assert alone.stats.prefilled_tokens == alone.stats.prompt_tokens == stats.prompt_tokens
        assert given == tokens[alone._cache][: len(given)]
        # The last answer, as far as it was heard, the question, and the mark that asks for more.
        assert stats.prefilled_tokens <= stats.prompt_tokens - self._sure + MARK
        return stats.prompt_tokens - stats.prefilled_tokens

    def react(self) -> None:
        """Have the user hear a part of the answer, or take the question back."""
        said = self.session.messages[-1]["content"]
        match self._rng.randrange(6):
            case 0 | 1:
                self.session.heard(said[: self._rng.randint(0, len(said))])
            case 2:
                self.session.heard("")
            case 3:
                self.session.forget()
        if self.session.messages[-1]["role"] == "assistant" and self._is_of_this_turn():
            self._sure = self.session.stats.prompt_tokens

    def _is_of_this_turn(self) -> bool:
        return len(self.session.messages) > len(self.past)


@pytest.mark.parametrize("seed", some(range(6), 1))
@pytest.mark.parametrize(
    ("family", "sessions"),
    [
        *((it, 1) for it in (*CANNOT_BE_CUT, "qwen3", "qwen3_moe")),
        ("qwen3_5", 3),
        ("gemma3_text", 3),
    ],
)
def test_what_is_new_is_fed_and_the_tokens_are_those_of_a_model_that_is_fed_everything(
    family: str,
    sessions: int,
    seed: int,
    parents: dict[str, Llm],
    tokens: dict[PromptCache | None, list[int]],
) -> None:
    """Over random conversations, alone and in batches, interrupted at random tokens."""
    parent, rng = parents[family], random.Random(10 * seed + sessions)
    talkers = [Talker(parent.fresh(), rng) for _ in range(sessions)]
    spared = shared = 0
    for _ in range(8 if sessions == 1 else 4):
        going = [*talkers]
        for talker in talkers:
            talker.ask()
        while going:
            talker = rng.choice(going)
            if not talker.step():
                going.remove(talker)
        for talker in talkers:
            shared += talker.session.stats.batched_tokens
            spared += talker.check(tokens, parent.fresh())
            talker.react()
    assert spared > 250
    assert bool(shared) == (sessions > 1)


def fed(session: Llm, question: str) -> tuple[int, int]:
    """How many tokens the prompt has for the question, and how many the model was fed."""
    for _ in session.respond(question):
        pass
    return session.stats.prompt_tokens, session.stats.prefilled_tokens


@pytest.mark.parametrize("family", CANNOT_BE_CUT)
def test_a_new_conversation_goes_on_from_the_system_prompt(
    family: str, parents: dict[str, Llm]
) -> None:
    session = parents[family].fresh()
    alone, _ = fed(session, "Hello.")
    fed(session, "What is a pipe?")
    session.reset()
    prompt, new = fed(session, "Hello.")
    assert prompt == alone
    assert new < 10 + MARK


@pytest.mark.parametrize("family", ["qwen3_5", "gemma3_text"])
def test_when_the_oldest_turns_are_dropped_the_system_prompt_is_not_fed_again(
    family: str, parents: dict[str, Llm]
) -> None:
    session = parents[family].fresh()
    window = session._loaded().window
    first, _ = fed(session, PHRASES[0])
    try:
        object.__setattr__(session._loaded(), "window", first + 120)
        for question in PHRASES[1:]:
            prompt, new = fed(session, question)
            if session.stats.dropped_turns:
                break
    finally:
        object.__setattr__(session._loaded(), "window", window)
    assert 30 < prompt - new < first


def test_layers_that_keep_everything_are_not_copied(parents: dict[str, Llm]) -> None:
    session = parents["mistral"].fresh()
    fed(session, "Hello.")
    assert session._cache is not None
    assert not session._cache.wants_marks
    before = session._cache.bytes
    session._cache.mark()
    assert session._cache.bytes == before


# Layers by themselves.

LAYERS = {
    "whole": KVCache,
    "window": lambda: RotatingKVCache(6),
    "state": lambda: ArraysCache(1),
    "both": lambda: CacheList(KVCache(), ArraysCache(1)),
}


def feed(layer: Any, tokens: list[int]) -> None:
    """In place of a network: keep the tokens, or their sum."""
    if isinstance(layer, CacheList):
        for it in layer.caches:
            feed(it, tokens)
    elif isinstance(layer, ArraysCache):
        layer[0] = mx.array([[float(sum(tokens))]]) + (0 if layer[0] is None else layer[0])
    else:
        numbers = mx.array(tokens, mx.float32).reshape(1, 1, -1, 1)
        layer.update_and_fetch(numbers, numbers)


def held(layer: Any) -> list[float]:
    if isinstance(layer, CacheList):
        return [number for it in layer.caches for number in held(it)]
    if isinstance(layer, ArraysCache):
        return layer[0].reshape(-1).tolist()
    keys = layer.keys[..., : layer.offset, :]
    if isinstance(layer, RotatingKVCache):
        keys = layer._temporal_order(layer.keys)
    return keys.reshape(-1).tolist()[-6:]


@pytest.mark.parametrize("kinds", [["state"], ["window"], ["both"], ["whole", "window", "state"]])
def test_a_cache_holds_what_a_new_one_would_whatever_it_went_back_to(kinds: list[str]) -> None:
    rng = random.Random(4)
    cache = PromptCache(lambda: [LAYERS[it]() for it in kinds])
    prompt, went_back = [1, 2, 3], 0
    for _ in range(80):
        before = cache.size
        rest = cache.follow(prompt)
        went_back += 0 < cache.size < before
        for part in (rest[:2], rest[2:]):
            for layer in cache.layers if part else ():
                feed(layer, part)
            cache.took(part)
            if rng.random() < 0.5:
                cache.mark(is_root=rng.random() < 0.2)
        for kind, layer in zip(kinds, cache.layers, strict=True):
            new = LAYERS[kind]()
            feed(new, prompt)
            assert held(layer) == held(new)
        keep = rng.randint(1, len(prompt))
        prompt = [*prompt[:keep], *(rng.randint(1, 9) for _ in range(rng.randint(1, 4)))]
    assert went_back > 5
