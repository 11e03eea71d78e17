"""Answers of one model that are written together: what each says, what it costs, what is left."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import gc
import importlib
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
import reactivex as rx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import KVCache, make_prompt_cache
from mlx_lm.models.llama import Model
from mlx_lm.sample_utils import greedy_sampler
from thorough import THOROUGH, some

import rxvoice as rxv
import rxvoice.offline
from rxvoice import operators as vox
from rxvoice.errors import ConfigError
from rxvoice.mlx import Llm, MlxScheduler, llm
from rxvoice.mlx._batch import AHEAD
from rxvoice.mlx._batches import Batches
from rxvoice.mlx._prompt_cache import PromptCache

WAIT = 60
MODEL = Path(rxvoice.offline.__path__[0]) / "demo-llm"
PHRASES = rxvoice.offline.phrases()[:1900]  # those after them call tools

pytestmark = [pytest.mark.models, pytest.mark.slow(1)]


def spoken(answer: Iterator[object]) -> str:
    return "".join(piece for piece in answer if isinstance(piece, str))


@pytest.fixture(scope="module")
def parent() -> Llm:
    model = llm(MODEL, dtype="float32")
    model.load()
    return model


@pytest.fixture(scope="module")
def alone() -> Llm:
    model = llm(MODEL, dtype="float32", batch=1)
    model.load()
    return model


def batches(model: Llm) -> list[Any]:
    return model._loaded().batches._batches


def in_turns(answers: list[Iterator[object]]) -> list[str]:
    """Ask each for a piece, in turns, as a lane of the model thread does."""
    texts = [""] * len(answers)
    going = list(range(len(answers)))
    while going:
        for index in list(going):
            piece = next(answers[index], None)
            if piece is None:
                going.remove(index)
            elif isinstance(piece, str):
                texts[index] += piece
    return texts


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The shape of everything that a network is fed: answers, and tokens of each."""
    shapes: list[tuple[int, int]] = []
    call = Model.__call__

    def watched(model: Model, inputs: mx.array, *rest: object, **more: object) -> mx.array:
        shapes.append(inputs.shape)  # type: ignore[arg-type]
        return call(model, inputs, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Model, "__call__", watched)
    return shapes


# What each says.


@pytest.mark.parametrize("size", [2, 8, 3] if THOROUGH else [2, 8])
def test_answers_of_a_batch_are_those_of_each_alone(parent: Llm, alone: Llm, size: int) -> None:
    """Over several turns, so that each goes on from what it has computed in a batch."""
    together = [parent.fresh() for _ in range(size)]
    singly = [alone.fresh() for _ in range(size)]
    for turn in range(3 if THOROUGH else 2):
        questions = [PHRASES[(turn * size + index) % len(PHRASES)] for index in range(size)]
        said = in_turns([it.respond(q) for it, q in zip(together, questions, strict=True)])
        assert said == [spoken(it.respond(q)) for it, q in zip(singly, questions, strict=True)]
        assert all(it.stats.batched_tokens for it in together)
        assert batches(parent) == []
    assert [it.messages for it in together] == [it.messages for it in singly]
    # The cache of each was kept, and fed no more than alone.
    assert [it.stats.prefilled_tokens for it in together] == [
        it.stats.prefilled_tokens for it in singly
    ]


@pytest.mark.parametrize("seed", some(range(6), 1))
def test_whatever_joins_and_leaves_when(parent: Llm, alone: Llm, seed: int) -> None:
    """Questions come, are broken off and asked in any order, by sessions of any speed."""
    rng = random.Random(seed)
    sessions = [parent.fresh() for _ in range(6)]
    answers: dict[int, tuple[Iterator[object], str, list[str]]] = {}
    shared = 0
    for _ in range(400 if THOROUGH else 160):
        index = rng.randrange(6)
        one = sessions[index]
        if index not in answers:
            if rng.random() < 0.5:
                question = rng.choice(PHRASES)
                answers[index] = one.respond(question), question, []
            continue
        answer, question, pieces = answers[index]
        for _ in range(rng.choice((1, 1, 1, 30))):
            piece = next(answer, None)
            if piece is None:
                break
            assert isinstance(piece, str)
            pieces.append(piece)
        if piece is not None and rng.random() > 0.04:
            continue
        answer.close()  # type: ignore[attr-defined]
        del answers[index]
        shared += one.stats.batched_tokens
        said = "".join(pieces)
        past = [*one.messages]
        while past and past[-1]["content"] != question:
            past.pop()
        fresh = alone.fresh()
        fresh.conversation.messages = past[:-1]
        wanted = spoken(fresh.respond(question))
        assert said == wanted if piece is None else wanted.startswith(said)
        if piece is not None and rng.random() < 0.5:
            one.heard(said[: rng.randint(0, len(said))])
        if len(one.messages) > 8:
            one.reset()
    for answer, _, _ in answers.values():
        answer.close()  # type: ignore[attr-defined]
    assert batches(parent) == []
    assert shared > 50


def test_each_has_its_own_penalty_and_its_own_end(parent: Llm) -> None:
    options: dict[str, Any] = {"dtype": "float32", "repetition_penalty": 4.0, "max_tokens": 9}
    family = llm(MODEL, **options)
    together = [family.fresh() for _ in range(4)]
    alone = [llm(MODEL, batch=1, **options) for _ in range(4)]
    for turn in range(2):
        questions = PHRASES[4 * turn : 4 * turn + 4]
        said = in_turns([it.respond(q) for it, q in zip(together, questions, strict=True)])
        assert said == [spoken(it.respond(q)) for it, q in zip(alone, questions, strict=True)]
        assert max(it.stats.generated_tokens for it in together) == 9
    plain = llm(MODEL, dtype="float32", max_tokens=9)
    assert said != [spoken(plain.fresh().respond(question)) for question in questions]


def test_sampled_answers_differ_and_follow_the_sampler() -> None:
    mx.random.seed(1)
    wild = llm(MODEL, dtype="float32", temperature=4.0, max_tokens=12)
    said = in_turns([wild.fresh().respond(PHRASES[0]) for _ in range(4)])
    assert len(set(said)) == 4
    tame = llm(MODEL, dtype="float32", temperature=4.0, top_k=1, max_tokens=12)
    said = in_turns([tame.fresh().respond(phrase) for phrase in PHRASES[:4]])
    for text, phrase in zip(said, PHRASES, strict=False):
        assert text == spoken(llm(MODEL, dtype="float32", batch=1, max_tokens=12).respond(phrase))


# What it costs.


def test_one_step_writes_a_token_of_each(parent: Llm, fed: list[tuple[int, int]]) -> None:
    answers = [parent.fresh().respond(phrase) for phrase in PHRASES[:4]]
    for _ in range(2):
        for answer in answers:
            next(answer)
    del fed[:]
    for _ in range(6):
        for answer in answers:
            next(answer)
    assert fed == [(4, 1)] * 6
    for answer in answers:
        answer.close()


def test_one_that_joins_costs_the_others_one_step(parent: Llm, fed: list[tuple[int, int]]) -> None:
    answers = [parent.fresh().respond(phrase) for phrase in PHRASES[:3]]
    for _ in range(3):
        for answer in answers:
            next(answer)
    del fed[:]
    last = parent.fresh().respond(PHRASES[3])
    assert next(last)  # its first token comes at once
    assert [rows for rows, _ in fed] == [1, 4]  # its prompt, and a token of all
    for answer in answers:
        assert isinstance(next(answer), str)
    assert fed[2:] == []  # the token of the others was written with it
    answers[0].close()
    assert fed[2:] == []  # to leave costs none
    for answer in (*answers[1:], last):
        next(answer)
    assert fed[2:] == [(3, 1)] * (len(fed) - 2)
    for answer in (*answers, last):
        answer.close()


def test_one_alone_is_fed_as_without_batches(parent: Llm, fed: list[tuple[int, int]]) -> None:
    other = parent.fresh().respond(PHRASES[0])
    one = parent.fresh()
    answer = one.respond(PHRASES[1])
    for _ in range(3):
        next(other)
        next(answer)
    other.close()
    caches: list[type] = []
    call = Model.__call__

    def watched(model: Model, inputs: mx.array, cache: list[object]) -> mx.array:
        caches.extend(map(type, cache))
        return call(model, inputs, cache=cache)

    Model.__call__ = watched  # type: ignore[method-assign,assignment]
    try:
        spoken(answer)
        spoken(one.respond(PHRASES[2]))
    finally:
        Model.__call__ = call  # type: ignore[method-assign]
    assert set(caches) == {KVCache}  # also after it was in a batch


def test_one_that_nobody_asks_sits_out(parent: Llm, fed: list[tuple[int, int]]) -> None:
    family = parent.fresh()
    slow, *others = (family.fresh() for _ in range(3))
    question = max(PHRASES[:6], key=lambda it: len(spoken(family.fresh().respond(it))))
    wanted = spoken(family.fresh().respond(question))
    answer = slow.respond(question)
    said = str(next(answer))
    del fed[:]
    for _ in range(4):
        in_turns([it.respond(phrase) for it, phrase in zip(others, PHRASES, strict=False)])
    rows = [rows for rows, tokens in fed if tokens == 1]
    assert rows.count(3) + rows.count(2) > 5
    [batch] = batches(family)
    assert [len(member.ready) for member in batch._members] == [AHEAD]
    assert batch._rows == []
    assert said + spoken(answer) == wanted
    assert batches(family) == []


def test_a_batch_has_no_more_than_it_may(parent: Llm, fed: list[tuple[int, int]]) -> None:
    family = llm(MODEL, dtype="float32", batch=3)
    said = in_turns([family.fresh().respond(phrase) for phrase in PHRASES[:7]])
    assert max(rows for rows, _ in fed) == 3
    assert said == [spoken(parent.fresh().respond(phrase)) for phrase in PHRASES[:7]]
    del fed[:]
    family = llm(MODEL, dtype="float32", batch=1)
    in_turns([family.fresh().respond(phrase) for phrase in PHRASES[:3]])
    assert {rows for rows, _ in fed} == {1}


@pytest.mark.parametrize("batch", [0, -1, 1.5, True])
def test_a_batch_of_nonsense_raises_at_once(batch: object) -> None:
    with pytest.raises(ConfigError, match="batch must be"):
        llm(MODEL, batch=batch)  # type: ignore[arg-type]


# What is left.


def test_nothing_is_left_of_what_was_closed(parent: Llm) -> None:
    sessions = [parent.fresh() for _ in range(5)]
    answers = [it.respond(phrase) for it, phrase in zip(sessions, PHRASES, strict=False)]
    for count, answer in enumerate(answers):
        for _ in range(count):
            next(answer)
    [batch] = batches(parent)
    for answer in answers[::-1]:
        answer.close()
    assert batch.size == 0
    assert (batch._rows, batch._layers) == ([], [])
    assert batches(parent) == []
    gone = [weakref.ref(it) for it in sessions]
    del sessions, answers, answer, batch
    gc.collect()
    assert [it() for it in gone] == [None] * 5


def test_a_closed_one_keeps_what_it_has_computed(parent: Llm) -> None:
    other = parent.fresh().respond(PHRASES[0])
    next(other)
    one = parent.fresh()
    answer = one.respond(PHRASES[1])
    for _ in range(4):
        next(answer)
        next(other)
    answer.close()
    new = parent.fresh()
    new.conversation.messages = [*one.messages]
    wanted = spoken(new.respond(PHRASES[2]))
    assert spoken(one.respond(PHRASES[2])) == wanted
    assert one.stats.prefilled_tokens < new.stats.prefilled_tokens
    other.close()


def test_one_that_another_thread_closes_leaves_with_the_next_step(parent: Llm) -> None:
    sessions = [parent.fresh() for _ in range(3)]
    answers = [it.respond(phrase) for it, phrase in zip(sessions, PHRASES, strict=False)]
    for answer in answers:
        next(answer)
    thread = threading.Thread(target=answers[0].close)
    thread.start()
    thread.join(WAIT)
    [batch] = batches(parent)
    while next(answers[1], None) is not None:
        pass
    assert batch.size == 1
    spoken(answers[2])
    assert batches(parent) == []
    assert spoken(sessions[0].respond(PHRASES[5])) != ""


def test_an_error_fails_all_of_the_batch_and_the_next_questions_are_answered(
    parent: Llm, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [parent.fresh() for _ in range(3)]
    answers = [it.respond(phrase) for it, phrase in zip(sessions, PHRASES, strict=False)]
    for _ in range(2):
        for answer in answers:
            next(answer)

    def broken(*_: object, **__: object) -> mx.array:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Model, "__call__", broken)
        for answer in answers:
            with pytest.raises(RuntimeError, match="out of memory"):
                spoken(answer)
    assert batches(parent) == []
    assert [it.messages for it in sessions] == [[]] * 3
    said = in_turns([it.respond(q) for it, q in zip(sessions, PHRASES, strict=False)])
    assert said == [spoken(parent.fresh().respond(phrase)) for phrase in PHRASES[:3]]
    assert [it.stats.prefilled_tokens for it in sessions] == [
        it.stats.prompt_tokens for it in sessions
    ]


# On the model thread.


def test_eight_sessions_on_one_lane_are_answered_at_once(parent: Llm) -> None:
    """No turn waits for the whole answer of another, and none is ahead of another by much."""
    count = 8
    taken: list[int] = []
    said = [""] * count
    over = [threading.Event() for _ in range(count)]
    ready = threading.Event()
    sessions = [parent.fresh() for _ in range(count)]
    with MlxScheduler() as models:
        models.text.schedule(lambda *_: ready.wait(WAIT))

        def ask(index: int) -> None:
            def take(reply: object) -> None:
                if isinstance(reply, rxv.Reply) and reply.delta:
                    taken.append(index)
                    said[index] += reply.delta

            turn = rxv.Turn.of(np.zeros(16, np.float32), sample_rate=16_000)
            rx.just(rxv.Transcript(turn, PHRASES[index])).pipe(
                vox.respond(sessions[index], worker=models.text)
            ).subscribe(take, on_error=print, on_completed=over[index].set)

        for index in range(count):
            ask(index)
        ready.set()
        assert all(it.wait(WAIT) for it in over)
    for index, text in enumerate(said):
        assert text == spoken(parent.fresh().respond(PHRASES[index]))
    firsts = [taken.index(index) for index in range(count)]
    assert max(firsts) < 3 * count
    for index in range(count):
        mine = [at for at, it in enumerate(taken) if it == index]
        # Others are given at most a piece or two between two of mine.
        assert max(np.diff(mine), default=0) <= 3 * count
    assert sum(it.stats.batched_tokens for it in sessions) > count


# Which networks can.

_COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": 97,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 512,
}
FAMILIES: dict[str, dict[str, object]] = {
    "llama": _COMMON,
    "qwen3": {**_COMMON, "head_dim": 8, "tie_word_embeddings": True},
    # Windows, in half of the layers
    "gemma3_text": {
        **_COMMON, "head_dim": 8, "sliding_window": 8, "sliding_window_pattern": 2,
    },
    # Convolutions
    "lfm2": {
        "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 512, "norm_eps": 1e-5,
        "conv_bias": False, "conv_L_cache": 3, "block_dim": 32, "block_ff_dim": 64,
        "block_multiple_of": 8, "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False, "full_attn_idxs": [1, 3], "rope_theta": 10_000.0,
    },
    # A state
    "mamba": {
        "vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "state_size": 8,
        "num_hidden_layers": 2, "conv_kernel": 4, "use_bias": False, "use_conv_bias": True,
        "time_step_rank": 4,
    },
    # Positions that are learned
    "gpt2": {
        "n_ctx": 128, "n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 128,
        "layer_norm_epsilon": 1e-5, "vocab_size": 97,
    },
}  # fmt: skip


def network(family: str) -> Any:
    module = importlib.import_module(f"mlx_lm.models.{family}")
    mx.random.seed(0)
    model = module.Model(module.ModelArgs.from_dict({"model_type": family, **FAMILIES[family]}))
    # Larger weights: else it says the same whatever it was told.
    weights = [(k, v if "norm" in k else 3 * v) for k, v in tree_flatten(model.parameters())]
    model.load_weights(weights)
    mx.eval(model.parameters())
    return model


def written(
    model: Any, make: Callable[[], list[Any]], prompts: list[list[int]], size: int
) -> tuple[list[list[int]], int]:
    """The tokens of each answer, taken in any order, and how many were written with others."""
    family = Batches(model, make, greedy_sampler, [], size)
    tokens: list[list[int]] = [[] for _ in prompts]
    answers: list[Iterator[tuple[int, bool]]] = []
    for prompt in prompts:
        cache = PromptCache(make)
        fed = cache.follow(prompt)[:-1]
        model(mx.array(fed)[None], cache=cache.layers)
        cache.took(fed)
        answers.append(family.write(cache, prompt, 4 + len(prompt), {0}))
    rng, going, shared = random.Random(1), list(range(len(prompts))), 0
    while going:
        index = rng.choice(going)
        given = next(answers[index], None)
        if given is None:
            going.remove(index)
        else:
            tokens[index].append(given[0])
            shared += given[1]
    assert family._batches == []
    return tokens, shared


def prompts() -> list[list[int]]:
    rng = random.Random(2)
    return [[rng.randrange(3, 90) for _ in range(rng.randrange(2, 30))] for _ in range(5)]


@pytest.mark.parametrize("family", FAMILIES)
def test_networks_of_other_kinds_write_together_what_they_write_alone(family: str) -> None:
    model = network(family)

    def make() -> list[Any]:
        return make_prompt_cache(model)

    asked = some(prompts(), 4)
    together, shared = written(model, make, asked, 8)
    assert together == written(model, make, asked, 1)[0]
    assert shared > 20


@pytest.mark.parametrize("fault", ["one position for all", "layers that do not merge", "raises"])
def test_a_network_that_cannot_takes_turns(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    model = network("llama")

    def make() -> list[Any]:
        layers = make_prompt_cache(model)
        if fault == "layers that do not merge":
            for layer in layers:
                layer.merge = None
        return layers

    def faulty(inputs: mx.array, cache: list[Any]) -> mx.array:
        offset = cache[0].offset
        if isinstance(offset, mx.array) and fault == "raises":
            raise ValueError("positions must be whole")
        if isinstance(offset, mx.array) and fault == "one position for all":
            for layer in cache:
                layer.offset = mx.full(offset.shape, offset[0])
        return model(inputs, cache=cache)

    with caplog.at_level("INFO", "rxvoice"):
        tokens, shared = written(faulty, make, prompts()[:2], 8)
    assert tokens == written(faulty, make, prompts()[:2], 1)[0]
    assert shared == 0
    [record] = caplog.records
    assert "take turns" in record.getMessage()
