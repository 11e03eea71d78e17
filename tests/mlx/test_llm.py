"""The responder over mlx-lm, driven with the demo's own small model."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, cast

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import asyncio
import copy
import gc
import json
import random
import shutil
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import mlx_lm
import numpy as np
import pytest
import reactivex as rx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import KVCache, RotatingKVCache
from mlx_lm.models.llama import LlamaModel, Model, ModelArgs
from mlx_lm.sample_utils import make_logits_processors
from thorough import THOROUGH, some
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

import rxvoice as rxv
import rxvoice.offline
from rxvoice import operators as vox
from rxvoice.conversation import Conversation, Message
from rxvoice.elements import Transcript
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.mlx import Llm, MlxScheduler, llm
from rxvoice.mlx._llm_model import LoadedLlm, Piece
from rxvoice.mlx._prompt_cache import PromptCache
from rxvoice.tools import ToolCall
from rxvoice.tools._toolbox import Toolbox

MODEL = Path(rxvoice.offline.__path__[0]) / "demo-llm"
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 192,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 768,
}
"""In place of MODEL's shape, for models that a test makes."""


def spoken(answer: Iterable[str | Notice]) -> str:
    """All that is to be said of an answer."""
    return "".join(piece for piece in answer if isinstance(piece, str))


def notices(answer: Iterable[str | Notice]) -> list[Notice]:
    """All that an answer tells the app."""
    return [piece for piece in answer if isinstance(piece, Notice)]


WAIT = 60
MOON = "How far away is the moon?"
TEA = "How do I make tea?"


@pytest.fixture(scope="module")
def shared() -> Llm:
    talk = llm(MODEL)
    talk.load()
    return talk


@pytest.fixture
def talk(shared: Llm) -> Llm:
    shared.reset()
    return shared


class Script:
    """In place of the network: what the model writes in each generation, by pieces."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, generations: list[list[str | Exception]]
    ) -> None:
        self.generations = iter(generations)
        self.prompts: list[str] = []
        monkeypatch.setattr(LoadedLlm, "texts", lambda model, *_: self.texts(model))
        follow = PromptCache.follow

        def watch(cache: PromptCache, prompt: list[int]) -> list[int]:
            self.prompt = prompt
            return follow(cache, prompt)

        monkeypatch.setattr(PromptCache, "follow", watch)

    def texts(self, model: LoadedLlm) -> Iterator[Piece]:
        self.prompts.append(model.tokenizer.decode(self.prompt))  # type: ignore[attr-defined]
        for piece in next(self.generations):
            if isinstance(piece, Exception):
                raise piece
            yield Piece(piece)


def current_stream() -> str:
    return repr(mx.default_stream(mx.default_device()))


@pytest.mark.models
def test_pieces_are_new_text_and_join_to_the_stored_answer(talk: Llm) -> None:
    pieces = list(talk.respond(MOON))
    assert len([piece for piece in pieces if piece]) > 10
    answer = "".join(pieces)
    assert answer[0] != " "
    assert "<|" not in answer
    assert talk.messages == [
        {"role": "user", "content": MOON},
        {"role": "assistant", "content": answer},
    ]


@pytest.mark.models
def test_nothing_happens_before_the_first_piece_is_asked_for(talk: Llm) -> None:
    answer = talk.respond(MOON)
    assert talk.messages == []
    said = next(answer)
    assert talk.messages[0] == {"role": "user", "content": MOON}
    while not said:
        said = next(answer)
    assert talk.messages[1:] == [{"role": "assistant", "content": said}]


@pytest.mark.models
def test_closed_early_stores_what_was_given(talk: Llm) -> None:
    answer = talk.respond(MOON)
    said = next(answer) + next(answer) + next(answer)
    answer.close()
    assert talk.messages[1:] == [{"role": "assistant", "content": said}]
    whole = spoken(talk.respond(TEA))
    assert whole.startswith("Boil some fresh water")
    assert [message["role"] for message in talk.messages] == ["user", "assistant"] * 2


@pytest.mark.models
def test_closed_before_a_word_joins_the_question_to_the_next(
    talk: Llm, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(monkeypatch, [[" "], ["Far."]])
    answer = talk.respond("What is")
    assert next(answer) == ""
    answer.close()
    assert talk.messages == [{"role": "user", "content": "What is"}]
    assert spoken(talk.respond("the moon")) == "Far."
    assert script.prompts[1].endswith("<|user|> what is the moon<|end|><|assistant|>")
    assert [message["content"] for message in talk.messages[:2]] == ["What is", "the moon"]


@pytest.mark.models
def test_an_error_takes_the_question_back(talk: Llm, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken(talk.respond(MOON))
    before = list(talk.messages)

    Script(monkeypatch, [["Boil", RuntimeError("out of memory")]])
    answer = talk.respond(TEA)
    assert next(answer) == "Boil"
    with pytest.raises(RuntimeError, match="out of memory"):
        next(answer)
    assert talk.messages == before


@pytest.mark.models
def test_an_answer_that_outlives_a_reset_is_not_stored(talk: Llm) -> None:
    answer = talk.respond(MOON)
    next(answer)
    talk.reset()
    assert len("".join(answer)) > 10
    assert talk.messages == []


@pytest.mark.models
def test_a_new_question_ends_the_answer_in_progress(talk: Llm) -> None:
    first = talk.respond(MOON)
    said = next(first) + next(first) + next(first)
    assert spoken(talk.respond(TEA)).startswith("Boil")
    assert list(first) == []
    assert talk.messages[1] == {"role": "assistant", "content": said}
    assert [message["role"] for message in talk.messages] == ["user", "assistant"] * 2


@pytest.mark.models
@pytest.mark.parametrize("first", [0, 1])
def test_interleaved_answers_leave_the_default_stream(talk: Llm, first: int) -> None:
    before = current_stream()
    other = llm(MODEL)
    answers = [talk.respond(MOON), other.respond(TEA)]
    said = ["", ""]
    for _ in range(4):
        for index, answer in enumerate(answers):
            said[index] += next(answer)
            assert current_stream() == before
    answers[first].close()
    assert current_stream() == before
    said[1 - first] += "".join(answers[1 - first])
    assert current_stream() == before
    assert said[1 - first] == spoken(llm(MODEL).respond([MOON, TEA][1 - first]))
    assert [talk.messages, other.messages][first][1]["content"] == said[first]


# A family on one model.


def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which models mlx-lm is told to load from now on."""
    told: list[str] = []
    load = mlx_lm.load

    def watched(path: str, **options: object):  # type: ignore[no-untyped-def]
        told.append(path)
        return load(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(mlx_lm, "load", watched)
    return told


@pytest.mark.models
@pytest.mark.parametrize("first", ["parent", "child"])
def test_a_family_loads_once_whichever_is_asked_first(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = loads(monkeypatch)
    parent = llm(MODEL)
    child = parent.fresh()
    grandchild = child.fresh()
    (parent if first == "parent" else child).load()
    for one in (grandchild, parent, child):
        assert spoken(one.respond(TEA)).startswith("Boil")
    assert told == [str(MODEL)]
    weights = [dict(tree_flatten(it._loaded().model.parameters())) for it in (parent, grandchild)]  # type: ignore[attr-defined]
    assert weights[0]
    assert all(weights[1][name] is array for name, array in weights[0].items())


@pytest.mark.models
def test_a_fresh_one_has_a_conversation_of_its_own(talk: Llm) -> None:
    talk.conversation.system = "Answer in short sentences."
    try:
        first = spoken(talk.respond(MOON))
        other = talk.fresh()
        prompt = {"role": "system", "content": "Answer in short sentences."}
        assert other.messages == [prompt]
        assert other.stats.generated_tokens == 0
        spoken(other.respond(TEA))
        assert other.stats.prefilled_tokens == other.stats.prompt_tokens  # nothing of the other's
        assert talk.messages[1:] == [
            {"role": "user", "content": MOON},
            {"role": "assistant", "content": first},
        ]
        other.conversation.system = "Speak like a pirate."
        other.heard("Boil")
        assert talk.conversation.system == "Answer in short sentences."
        assert talk.messages[-1]["content"] == first
        spoken(talk.respond(TEA))
        assert talk.stats.prefilled_tokens < talk.stats.prompt_tokens  # its cache is as it was
    finally:
        talk.conversation.system = None


@pytest.mark.models
def test_what_was_said_to_one_is_not_answered_by_another(talk: Llm) -> None:
    answer = talk.respond(MOON)
    next(answer)
    other = talk.fresh()
    other.forget()
    other.reset()
    assert spoken(other.respond(TEA)).startswith("Boil")
    assert len(spoken(answer)) > 10  # not ended by the other's question
    assert [message["content"] for message in talk.messages[:1]] == [MOON]


@pytest.mark.models
@pytest.mark.parametrize("step", [256, 5], ids=["one step", "many steps"])
def test_a_family_answers_interleaved_as_alone(step: int) -> None:
    talks = [
        [MOON, "What is a pipe?"],
        [TEA, "Tell me a joke."],
        ["Why is the sky blue?", MOON],
    ]
    parent = llm(MODEL, prefill_step_size=step)

    def alone(questions: list[str]) -> list[dict[str, object]]:
        one = llm(MODEL, prefill_step_size=step)
        for question in questions:
            spoken(one.respond(question))
        return one.messages  # type: ignore[return-value]

    def asked(one: Llm, questions: list[str]):  # type: ignore[no-untyped-def]
        for question in questions:
            yield from one.respond(question)

    family = [parent, parent.fresh(), parent.fresh()]
    before = current_stream()
    going = [asked(one, questions) for one, questions in zip(family, talks, strict=True)]
    order = random.Random(5)
    while going:
        one = order.choice(going)
        if next(one, None) is None:
            going.remove(one)
        assert current_stream() == before
    assert [one.messages for one in family] == [alone(questions) for questions in talks]


@pytest.mark.models
def test_two_sessions_share_a_model_on_one_lane() -> None:
    models = MlxScheduler()
    parent = llm(MODEL)
    talks = [parent.fresh(), parent.fresh()]
    questions = [MOON, TEA]
    taken: list[int] = []
    over = [threading.Event(), threading.Event()]
    said: list[list[str]] = [[], []]
    turn = rxv.Turn.of(np.zeros(16, np.float32), sample_rate=16_000)

    def ask(index: int) -> None:
        def take(reply: object) -> None:
            if isinstance(reply, rxv.Reply):
                taken.append(index)
                said[index].append(reply.delta)

        rx.just(rxv.Transcript(turn, questions[index])).pipe(
            vox.respond(talks[index], worker=models.text)
        ).subscribe(take, on_error=print, on_completed=over[index].set)

    begin = threading.Event()
    models.text.schedule(lambda *_: begin.wait(WAIT))  # so that both wait when it goes on
    for index in (0, 1):
        ask(index)
    begin.set()
    assert all(event.wait(WAIT) for event in over)
    models.dispose()
    assert taken.index(1) < len(said[0])  # while the other was still at it
    for index, question in enumerate(questions):
        assert "".join(said[index]) == spoken(llm(MODEL).respond(question))


@pytest.mark.models
def test_the_model_does_not_keep_the_conversation_that_loaded_it() -> None:
    parent = llm(MODEL)
    child = parent.fresh()
    spoken(child.respond(TEA))
    gone = weakref.ref(child)
    del child
    gc.collect()
    assert gone() is None
    assert spoken(parent.respond(TEA)).startswith("Boil")


@pytest.mark.models
def test_system_prompt_survives_a_reset() -> None:
    talk = llm(MODEL, system_prompt="Answer in short sentences.")
    prompt = {"role": "system", "content": "Answer in short sentences."}
    assert spoken(talk.respond(TEA)).startswith("Boil")
    assert talk.messages[0] == prompt
    talk.reset()
    assert talk.messages == [prompt]


@pytest.mark.models
def test_max_tokens_ends_the_answer() -> None:
    talk = llm(MODEL, max_tokens=3)
    cut = spoken(talk.respond(TEA))
    assert cut
    assert spoken(llm(MODEL).respond(TEA)).startswith(cut)
    assert len(cut.split()) <= 3
    assert talk.messages[1]["content"] == cut


@pytest.mark.models
def test_what_max_tokens_cuts_is_told(talk: Llm) -> None:
    [notice] = notices(llm(MODEL, max_tokens=3).respond(TEA))
    assert notice.message.startswith("the reply was cut after max_tokens=3: raise max_tokens")
    assert notices(talk.respond(TEA)) == []
    count = talk.stats.generated_tokens  # with the end token, which needs a place too
    assert notices(llm(MODEL, max_tokens=count).respond(TEA)) == []
    assert len(notices(llm(MODEL, max_tokens=count - 1).respond(TEA))) == 1


@pytest.mark.models
def test_temperature_samples() -> None:
    hot = llm(MODEL, temperature=50.0, max_tokens=12)
    assert spoken(hot.respond(TEA)) != spoken(llm(MODEL, max_tokens=12).respond(TEA))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1 tokens, got 0"),
        ({"temperature": -0.1}, "temperature must be at least 0"),
        ({"top_p": 1.5}, "top_p must be from 0 to 1"),
        ({"top_p": 0}, "top_p must be above 0"),
        ({"top_k": -1}, "top_k must be at least 0 tokens"),
        ({"min_p": 2}, "min_p must be from 0 to 1"),
        ({"repetition_penalty": 0}, "repetition_penalty must be above 0, got 0: 1 is none"),
        ({"repetition_penalty": -1}, "repetition_penalty must be at least 0"),
        ({"max_tool_rounds": 0}, "max_tool_rounds must be at least 1 rounds"),
        ({"prefill_step_size": 0}, "prefill_step_size must be at least 1 tokens"),
        ({"context_tokens": 256}, "context_tokens must be at least 257 tokens"),
        ({"tools": [print]}, "a tool must be a function or a method, got <built-in"),
    ],
)
def test_bad_options_raise_at_once(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        llm(MODEL, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/no/such/model", "./model", Path("models/a/b"), "a b"])
def test_a_path_that_is_not_there_raises_at_once(path: str | Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no directory '.*'") as caught:
        llm(path)
    assert "Hugging Face name, such as" in str(caught.value)


@pytest.mark.models
def test_a_name_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    talk = llm("nobody/no-such-model-here")
    with pytest.raises(ConfigError, match="'nobody/no-such-model-here' is not a directory") as e:
        next(iter(talk.respond("Hello.")))
    assert "check the path or the name, the network" in str(e.value)
    assert talk.messages == []


@pytest.mark.models
def test_a_directory_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no language model .* needs config\.json"):
        llm(tmp_path).load()


@pytest.mark.models
def test_a_model_without_a_chat_template(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "m")
    config = tmp_path / "m" / "tokenizer_config.json"
    config.write_text(
        json.dumps({k: v for k, v in json.loads(config.read_text()).items() if "chat" not in k})
    )
    with pytest.raises(ConfigError, match="no chat template"):
        llm(tmp_path / "m").load()


# The prompt cache.


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with random weights, in float32 so that no two tokens are equally likely."""
    path = tmp_path_factory.mktemp("random") / "model"
    shutil.copytree(MODEL, path)
    config = json.loads((MODEL / "config.json").read_text())
    config |= SMALL | {"tie_word_embeddings": False, "torch_dtype": "float32"}
    (path / "config.json").write_text(json.dumps(config))
    # It knows no tools: what it writes at random must not be taken for a call.
    settings = json.loads((MODEL / "tokenizer_config.json").read_text())
    settings["chat_template"] = PLAIN
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    mx.random.seed(3)
    model = Model(ModelArgs.from_dict(config))
    weights = {k: v if "norm" in k else v * 3 for k, v in tree_flatten(model.parameters())}
    mx.save_safetensors(str(path / "model.safetensors"), weights, {"format": "mlx"})
    return path


PLAIN = (
    "{% for message in messages %}"
    "{{ '<|' + message.role + '|> ' + message.content + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


class Untrimmable(KVCache):
    def is_trimmable(self) -> bool:
        return False


CACHES: list[tuple[Any, ...]] = [(KVCache,), (Untrimmable,), (RotatingKVCache, 48)]


def fresh(path: Path, layer: type = KVCache, *options: int):
    """The answer of a model that is fed everything, given the messages up to the question."""
    model, tokenizer = mlx_lm.load(str(path))[:2]

    def answer(messages: list, max_tokens: int, **generation: object) -> str:  # type: ignore[type-arg]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        cache = [layer(*options) for _ in model.layers]
        steps = mlx_lm.stream_generate(
            model, tokenizer, prompt, max_tokens=max_tokens, prompt_cache=cache, **generation
        )
        return "".join(step.text for step in steps).lstrip()

    return answer


def joined(messages: list) -> list:  # type: ignore[type-arg]
    """Messages with neighbours of one role joined, a whole sentence on a line of its own."""
    out: list = []  # type: ignore[type-arg]
    for message in messages:
        if out and out[-1]["role"] == message["role"]:
            before = out[-1]["content"]
            between = "\n" if before[-1:] in tuple(".!?") else " "
            out[-1] = {**message, "content": before + between + message["content"]}
        else:
            out.append(message)
    return out


@pytest.mark.models
@pytest.mark.parametrize("seed", some(range(3), 1))
@pytest.mark.parametrize(
    ("which", "cache"),
    [
        *(("random", it) for it in CACHES),
        *(("demo", it) for it in (CACHES if THOROUGH else CACHES[:1])),
    ],
    ids=lambda it: it if isinstance(it, str) else it[0].__name__,
)
def test_answers_are_those_of_a_model_that_is_fed_everything(
    which: str, cache: tuple, seed: int, random_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over random conversations with early closes, heard parts, edits and resets."""
    path = MODEL if which == "demo" else random_model
    layer, *options = cache
    monkeypatch.setattr(
        "mlx_lm.models.cache.make_prompt_cache",
        lambda model: [layer(*options) for _ in model.layers],
    )
    rng = random.Random(seed)
    steps = rng.choice((7, 64))
    talk = llm(path, max_tokens=10, system_prompt="Be brief.", prefill_step_size=steps)
    reference = fresh(path, layer, *options)
    # Those at the end call tools.
    phrases = rxvoice.offline.phrases()[:1900]
    reused = 0
    for _ in range(8):
        question = rng.choice(phrases)
        wanted = reference(joined([*talk.messages, {"role": "user", "content": question}]), 10)
        answer = talk.respond(question)
        if rng.random() < 0.4:
            said = spoken(islice(answer, rng.randint(1, 8)))
            answer.close()
            assert wanted.startswith(said)
        else:
            said = spoken(answer)
            assert said == wanted
        if said.strip():
            assert talk.messages[-1] == {"role": "assistant", "content": said}
        else:
            assert talk.messages[-1] == {"role": "user", "content": question}
        reused += talk.stats.prompt_tokens - talk.stats.prefilled_tokens
        what = rng.random()
        if what < 0.3:
            talk.heard(said[: rng.randint(0, len(said))])
        elif what < 0.4:
            rng.choice(talk.messages[1:] or talk.messages)["content"] = "Never mind."
        elif what < 0.45:
            talk.reset()
    assert reused > 0


@pytest.mark.models
def test_a_turn_feeds_only_what_is_new() -> None:
    talk = llm(MODEL, max_tokens=80)
    fed: list[tuple[int, int]] = []
    for question in rxvoice.offline.phrases()[:8]:
        answer = spoken(talk.respond(question))
        stats = talk.stats
        fed.append((stats.prompt_tokens, stats.prefilled_tokens))
        assert 0 < stats.generated_tokens <= 80
        assert stats.generated_tokens >= len(answer.split())
    assert fed[0][0] == fed[0][1]
    assert fed[-1][0] > 150
    # The question, its role, its end and the mark of the answer.
    assert all(new < 25 for _, new in fed[1:])


@pytest.mark.models
def test_a_long_prompt_is_fed_in_steps_that_each_give_back_control(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = " ".join([MOON] * 17)
    small = llm(MODEL, prefill_step_size=16)
    small.load()
    fed: list[int] = []
    call = LlamaModel.__call__

    def watch(model: LlamaModel, inputs: mx.array, *options: object) -> mx.array:
        fed.append(inputs.shape[1])
        return call(model, inputs, *options)

    monkeypatch.setattr(LlamaModel, "__call__", watch)
    answer = small.respond(long)
    pieces: list[str] = []
    while not any(pieces):
        before = sum(fed)
        pieces.append(next(answer))
        # The model is one token ahead of what it gives.
        assert sum(fed) - before <= 16 + 1
    assert len(pieces) > 5
    pieces += answer
    assert max(fed) == 16
    big = llm(MODEL)
    assert "".join(pieces) == spoken(big.respond(long))
    assert small.stats == big.stats
    assert small.stats.prefilled_tokens == small.stats.prompt_tokens > 100

    half = small.respond(long)
    next(half)
    half.close()
    known = small.stats.prefilled_tokens
    assert known < small.stats.prompt_tokens
    assert spoken(small.respond(TEA)) == "".join(fresh_turn(small))


def fresh_turn(talk: Llm) -> str:
    """What a model without a past says to the last question of a conversation."""
    other = llm(MODEL, conversation=Conversation(messages=talk.messages[:-2]))
    return spoken(other.respond(talk.messages[-2]["content"]))


@pytest.mark.models
def test_after_an_error_the_cache_starts_anew(talk: Llm, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken(talk.respond(MOON))
    with monkeypatch.context() as patch:
        Script(patch, [[RuntimeError("out of memory")]])
        with pytest.raises(RuntimeError, match="out of memory"):
            spoken(talk.respond(TEA))
    assert spoken(talk.respond(TEA)).startswith("Boil")
    assert talk.stats.prefilled_tokens == talk.stats.prompt_tokens


@pytest.mark.models
@pytest.mark.parametrize("penalty", [4.0, 0.1])
def test_the_repetition_penalty_sees_what_is_in_the_cache(
    penalty: float, random_model: Path
) -> None:
    talk = llm(random_model, repetition_penalty=penalty, max_tokens=40)
    plain = llm(random_model, max_tokens=40)
    reference, differs = fresh(random_model), False
    for question in rxvoice.offline.phrases()[::300][: 6 if THOROUGH else 3]:
        plain.conversation = Conversation(messages=talk.messages)
        wanted = reference(
            joined([*talk.messages, {"role": "user", "content": question}]),
            40,
            logits_processors=make_logits_processors(repetition_penalty=penalty),
        )
        assert spoken(talk.respond(question)) == wanted
        differs |= spoken(plain.respond(question)) != wanted
    assert differs


@pytest.mark.models
def test_samplers_are_passed_on(random_model: Path) -> None:
    def said(**options: float) -> str:
        mx.random.seed(1)
        return spoken(llm(random_model, max_tokens=12, **options).respond(TEA))  # type: ignore[arg-type]

    greedy = said()
    assert said(temperature=5.0) != greedy
    assert said(temperature=5.0, top_k=1) == greedy
    assert said(temperature=5.0, min_p=1.0) == greedy
    assert said(temperature=5.0, top_p=1e-6) == greedy


# What was heard.


@pytest.mark.models
def test_heard_cuts_the_answer_and_the_next_turn_goes_on_from_there(talk: Llm) -> None:
    whole = spoken(talk.respond(MOON))
    part = " ".join(whole.split()[:4])
    talk.heard(part)
    assert talk.messages[1] == {"role": "assistant", "content": part}
    assert spoken(talk.respond(TEA)) == fresh_turn(talk)
    # All but the cut and the new question was known.
    assert talk.stats.prefilled_tokens < talk.stats.prompt_tokens


@pytest.mark.models
def test_heard_while_the_answer_is_in_progress_ends_it(talk: Llm) -> None:
    answer = talk.respond(MOON)
    said = "".join(next(answer) for _ in range(9))
    talk.heard(said[:5])
    assert talk.messages[1]["content"] == said[:5].strip()
    assert list(answer) == []
    assert talk.messages[1]["content"] == said[:5].strip()


@pytest.mark.models
def test_nothing_heard_leaves_both_questions(talk: Llm) -> None:
    answer = talk.respond(MOON)
    next(answer), next(answer)
    talk.heard("")
    answer.close()
    assert talk.messages == [{"role": "user", "content": MOON}]
    spoken(talk.respond(TEA))
    assert [message["role"] for message in talk.messages] == ["user", "user", "assistant"]


# What was not asked after all.


def test_without_a_question_there_is_nothing_to_forget() -> None:
    talk = llm(
        "nowhere/nothing", conversation=Conversation(messages=[{"role": "user", "content": "hi"}])
    )
    talk.forget()
    assert talk.messages == [{"role": "user", "content": "hi"}]


@pytest.mark.models
def test_forget_takes_back_the_last_question_and_its_answer(talk: Llm) -> None:
    spoken(talk.respond(MOON))
    before = talk.messages.copy()
    answer = talk.respond(TEA)
    next(answer), next(answer)
    talk.forget()
    assert list(answer) == []
    assert talk.messages == before
    talk.forget()
    assert talk.messages == before
    assert spoken(talk.respond(TEA)) == fresh_turn(talk)


# The context window.


@pytest.mark.models
def test_the_oldest_turns_are_dropped_when_the_context_is_full() -> None:
    talk = llm(MODEL, system_prompt="You are a voice.", max_tokens=60, context_tokens=240)
    phrases = rxvoice.offline.phrases()
    dropped, lengths = 0, []
    for question in phrases[:12]:
        before = list(talk.messages)
        told = [notice.message for notice in notices(talk.respond(question))]
        lengths.append(talk.stats.prompt_tokens)
        gone = talk.stats.dropped_turns
        assert talk.messages == [before[0], *before[1 + 2 * gone :], *talk.messages[-2:]]
        assert talk.messages[-2]["content"] == question
        if gone:
            assert talk.stats.prompt_tokens <= 180 * 3 // 4
            no_room = "no longer fit into the context of 240 tokens and were dropped"
            assert told == [f"the oldest {gone} turns {no_room}"]
            dropped += 1
    assert max(lengths) <= 240 - 60
    assert 0 < dropped < 8


@pytest.mark.models
def test_the_oldest_turns_are_summed_up_when_the_context_is_full() -> None:
    summed: list[int] = []

    def summarise(messages: list[Message]) -> str:
        summed.append(len(messages))
        return "We talked."

    talk = llm(MODEL, max_tokens=60, context_tokens=240, compact=summarise)
    for question in rxvoice.offline.phrases()[:12]:
        told = [notice.message for notice in notices(talk.respond(question))]
        if told:
            assert talk.messages[0] == {"role": "user", "content": "We talked."}
            gone = talk.stats.dropped_turns
            assert told == [
                f"the oldest {gone} turns no longer fit into the context of 240 tokens and were "
                "replaced by a summary of 10 characters"
            ]
            # What the model has computed is that of a model that was told all of it anew.
            other = llm(
                MODEL, max_tokens=60, conversation=Conversation(messages=talk.messages[:-2])
            )
            other.conversation.messages = copy.deepcopy(talk.messages[:-2])
            assert spoken(other.respond(question)) == talk.messages[-1]["content"]
    assert len(summed) > 1
    assert talk.stats.prompt_tokens <= 180


@pytest.mark.models
def test_a_conversation_that_was_compacted_by_hand_is_read_anew(talk: Llm) -> None:
    for question in (MOON, TEA, MOON):
        spoken(talk.respond(question))
    assert talk.conversation.compact(lambda _: "We talked.", keep_turns=1) == 2
    other = llm(MODEL, conversation=Conversation(messages=copy.deepcopy(talk.messages)))
    assert spoken(talk.respond(TEA)) == spoken(other.respond(TEA))
    assert talk.stats.prompt_tokens == other.stats.prompt_tokens


@pytest.mark.models
def test_a_question_that_does_not_fit_fails_its_turn() -> None:
    talk = llm(MODEL, max_tokens=60, context_tokens=120)
    spoken(talk.respond(TEA))
    before = list(talk.messages)
    with pytest.raises(ConfigError, match=r"more than the context of 120 tokens: ask in fewer"):
        spoken(talk.respond(" ".join([MOON] * 20)))
    assert talk.messages == before
    assert spoken(talk.respond(TEA)).startswith("Boil")


@pytest.mark.models
def test_the_context_is_what_the_model_says(random_model: Path) -> None:
    talk = llm(random_model, max_tokens=768)
    with pytest.raises(ConfigError, match="max_tokens must be below the 768 tokens"):
        talk.load()


# Conversations.


@pytest.mark.models
def test_a_saved_conversation_goes_on(talk: Llm, tmp_path: Path) -> None:
    spoken(talk.respond(MOON))
    talk.conversation.save(tmp_path / "talk.json")
    other = llm(MODEL, conversation=Conversation.load(tmp_path / "talk.json"))
    assert other.messages == talk.messages
    assert spoken(other.respond(TEA)) == spoken(talk.respond(TEA))


def test_a_system_prompt_replaces_that_of_the_conversation() -> None:
    talk = Conversation(system="Old.", messages=[])
    assert llm(MODEL, conversation=talk, system_prompt="New.").messages[0]["content"] == "New."
    assert llm(MODEL, conversation=talk).conversation is talk


# Tools and thoughts, with a model that was taught to call and to think.

CALLING = (
    "{% if tools %}<|system|>{% for tool in tools %}{{ tool.function.name }} {% endfor %}<|end|>"
    "{% endif %}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{% for call in message.tool_calls or [] %}{% set tool_call = call.function %}"
    '<tool_call>{"name": "{{ tool_call.name }}", "arguments": {{ tool_call.arguments | tojson }}}'
    "</tool_call>{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKS = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]
MARKS += ["<tool_call>", "</tool_call>", "<think>", "</think>"]
PARIS = "What is the weather in Paris?"
CALLED = {"name": "weather", "arguments": {"city": "Paris", "days": 2}}


def weather(city: str, days: int = 1) -> str:
    """The weather.

    Args:
        city: where
        days: how many
    """
    if city == "Atlantis":
        raise LookupError("no such city")
    return f"sunny in {city} for {days} days"


def lessons() -> list[list[dict[str, object]]]:
    def called(city: str) -> dict[str, object]:
        arguments = {"city": city, "days": 2}
        return {"type": "function", "function": {"name": "weather", "arguments": arguments}}

    def talk(question: str, *rest: dict[str, object]) -> list[dict[str, object]]:
        return [{"role": "user", "content": question}, *rest]

    def says(text: str, **more: object) -> dict[str, object]:
        return {"role": "assistant", "content": text, **more}

    def told(text: str) -> dict[str, object]:
        return {"role": "tool", "content": text}

    return [
        talk(
            PARIS,
            says("Let me look.", tool_calls=[called("Paris")]),
            told("sunny in Paris for 2 days"),
            says("It is sunny."),
        ),
        talk(
            "And in Atlantis?",
            says("", tool_calls=[called("Atlantis")]),
            told("Error: LookupError: no such city"),
            says("There is no such place."),
        ),
        talk("Think first.", says("<think>Two and two.</think>It is four.")),
    ]


@pytest.fixture(scope="module")
def calling_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer Llama that is taught three dialogues: a call, one that fails, a thought."""
    path = tmp_path_factory.mktemp("calling")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=MARKS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    schemas = Toolbox([weather]).schemas
    texts = [str(m["content"]) for lesson in lessons() for m in lesson]
    tokenizer.train_from_iterator([*texts, json.dumps(CALLED)] * 4, trainer)
    tokenizer.save(str(path / "tokenizer.json"))
    config = json.loads((MODEL / "config.json").read_text())
    config |= SMALL | {"vocab_size": 600, "torch_dtype": "float32"}
    (path / "config.json").write_text(json.dumps(config))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|end|>",
        "clean_up_tokenization_spaces": False,
        "chat_template": CALLING,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings))

    mx.random.seed(1)
    model = Model(ModelArgs.from_dict(config))
    render = AutoTokenizer.from_pretrained(path).apply_chat_template
    rows = [render(it, tools=schemas, return_dict=False) for it in lessons()]
    width = max(map(len, rows))
    ids = mx.array([row + [0] * (width - len(row)) for row in rows])
    real = mx.array([[1.0] * (len(row) - 1) + [0.0] * (width - len(row)) for row in rows])

    def loss_of(model: Model) -> mx.array:
        losses = nn.losses.cross_entropy(model(ids[:, :-1]), ids[:, 1:])
        return (losses * real).sum() / real.sum()

    step_of = nn.value_and_grad(model, loss_of)
    optimizer = optim.Adam(learning_rate=4e-3)
    for _ in range(200):
        loss, gradients = step_of(model)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state, loss)
        # The user's choice of a question cannot be learned: 0.026.
        if loss.item() < 0.028:
            break
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(path / "model.safetensors"), weights, {"format": "mlx"})
    return path


@pytest.mark.models
def test_a_tool_is_called_and_its_result_answered(calling_model: Path) -> None:
    talk = llm(calling_model, tools=[weather])
    answer = list(talk.respond(PARIS))
    assert spoken(answer) == "Let me look. It is sunny."
    result = "sunny in Paris for 2 days"
    assert notices(answer) == [
        Notice(
            f"weather(city='Paris', days=2) gave {result}",
            ToolCall("weather", {"city": "Paris", "days": 2}, result, None),
        )
    ]
    call = {"id": "000000001", "type": "function", "function": CALLED}
    assert talk.messages == [
        {"role": "user", "content": PARIS},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [call]},
        {
            "role": "tool",
            "content": "sunny in Paris for 2 days",
            "name": "weather",
            "tool_call_id": "000000001",
        },
        {"role": "assistant", "content": "It is sunny."},
    ]
    # The second generation was fed the result, not the whole prompt again.
    assert talk.stats.tool_calls == 1
    assert talk.stats.prefilled_tokens < talk.stats.prompt_tokens + 40
    assert Conversation.from_json(talk.conversation.to_json()) == talk.conversation


@pytest.mark.models
def test_a_slow_tool_and_what_is_said_meanwhile(
    calling_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def weather(city: str, days: int = 1) -> str:
        """The weather.

        Args:
            city: Where.
            days: For how long.
        """
        await asyncio.sleep(0)
        return f"sunny in {city}"

    talk = llm(calling_model, tools=[weather], while_calling="One moment.")
    script = Script(monkeypatch, [write([CALLED]), ["It is sunny", "."]])
    assert spoken(talk.respond(PARIS)) == "One moment. It is sunny."
    assert [it["content"] for it in talk.messages[1:]] == [
        "One moment.", "sunny in Paris", "It is sunny.",
    ]  # fmt: skip
    assert talk.stats.tool_calls == 1
    assert "One moment." in script.prompts[1]


@pytest.mark.models
def test_the_model_thread_is_free_while_a_tool_runs(
    calling_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, asked, free, over = (threading.Event() for _ in range(4))

    def weather(city: str, days: int = 1) -> str:
        """The weather.

        Args:
            city: Where.
            days: For how long.
        """
        asked.set()
        return f"sunny: {go.wait(WAIT)}"

    Script(monkeypatch, [write([CALLED]), ["It is sunny", "."]])
    seen: list[object] = []
    with ThreadPoolExecutor(1) as pool, MlxScheduler() as models:
        talk = llm(calling_model, tools=[weather], tool_worker=pool)
        rx.of(Transcript(rxv.Turn.of(np.zeros(4, np.float32)), PARIS)).pipe(
            vox.respond(talk, worker=models.text)
        ).subscribe(seen.append, on_completed=over.set)
        assert asked.wait(WAIT)
        models.text.schedule(lambda *_: free.set())
        assert free.wait(WAIT)
        go.set()
        assert over.wait(WAIT)
    assert seen[-1] == rxv.Reply(seen[-1].transcript, text="It is sunny.", final=True)  # type: ignore[attr-defined]
    assert talk.messages[2]["content"] == "sunny: True"


@pytest.mark.models
def test_an_error_of_a_tool_is_told_to_the_model(calling_model: Path) -> None:
    talk = llm(calling_model, tools=[weather])
    answer = list(talk.respond("And in Atlantis?"))
    assert spoken(answer) == "There is no such place."
    (notice,) = notices(answer)
    assert notice.message.endswith("failed: no such city")
    assert isinstance(cast(ToolCall, notice.detail).error, LookupError)
    assert talk.messages[2]["content"] == "Error: LookupError: no such city"


@pytest.mark.models
def test_thoughts_are_not_given(calling_model: Path) -> None:
    talk = llm(calling_model, tools=[weather])
    assert spoken(talk.respond("Think first.")) == "It is four."
    assert talk.messages[1] == {"role": "assistant", "content": "It is four."}


@pytest.mark.models
def test_a_thought_that_does_not_end_is_told(calling_model: Path) -> None:
    talk = llm(calling_model, tools=[weather], max_tokens=3)
    answer = list(talk.respond("Think first."))
    assert spoken(answer) == ""
    [notice] = notices(answer)
    assert notice.message.startswith("the reply ended within a thought, which is not spoken")


@pytest.mark.models
def test_closed_after_a_call_its_result_stays(calling_model: Path) -> None:
    talk = llm(calling_model, tools=[weather])
    answer = talk.respond(PARIS)
    pieces: list[str | Notice] = []
    while not notices(pieces):
        pieces.append(next(answer))
    answer.close()
    assert spoken(pieces) == "Let me look."
    called = cast(ToolCall, notices(pieces)[0].detail)
    assert [message["role"] for message in talk.messages] == ["user", "assistant", "tool"]
    talk.heard("")
    assert [message["content"] for message in talk.messages[1:]] == ["", called.result]


def write(calls: list[dict[str, object]], text: str = "") -> list[str | Exception]:
    marked = [f"<tool_call>{json.dumps(call)}</tool_call>" for call in calls]
    return list("".join([text, *marked]))


@pytest.fixture
def caller(calling_model: Path) -> Llm:
    return llm(calling_model, tools=[weather], max_tool_rounds=2)


@pytest.mark.models
def test_several_calls_and_wrong_ones(caller: Llm, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [CALLED, {"name": "time", "arguments": {}}, {"name": "weather", "arguments": {}}]
    script = Script(monkeypatch, [[*write(wrong), "<tool_call>{"], ["Done", "."]])
    assert spoken(caller.respond("Go.")) == "Done."
    results = [message["content"] for message in caller.messages if message["role"] == "tool"]
    assert results[:3] == [
        "sunny in Paris for 2 days",
        "Error: LookupError: there is no tool 'time'; there are: weather",
        "Error: TypeError: the argument 'city' is missing",
    ]
    assert results[3].startswith("Error: this call of a tool could not be read: ")
    calls = caller.messages[1]["tool_calls"]
    assert [call["id"] for call in calls] == [f"{n:09d}" for n in (1, 2, 3, 4)]
    assert calls[3]["function"] == {"name": "unreadable", "arguments": {"text": "{"}}
    assert all(result in script.prompts[1] for result in results)


@pytest.mark.models
def test_rounds_are_bounded(caller: Llm, monkeypatch: pytest.MonkeyPatch) -> None:
    Script(monkeypatch, [write([CALLED], "Wait.") for _ in range(9)])
    answer = list(caller.respond("Go."))
    assert spoken(answer) == "Wait. Wait. Wait. Wait."
    results = [message["content"] for message in caller.messages if message["role"] == "tool"]
    assert results == [
        "sunny in Paris for 2 days",
        "sunny in Paris for 2 days",
        "Error: no more tools may be called now: answer without",
    ]
    assert "went on to call tools after 2 rounds" in notices(answer)[-1].message


@pytest.mark.models
def test_an_error_after_a_call_keeps_the_call(caller: Llm, monkeypatch: pytest.MonkeyPatch) -> None:
    Script(monkeypatch, [write([CALLED]), [RuntimeError("out of memory")]])
    with pytest.raises(RuntimeError, match="out of memory"):
        spoken(caller.respond("Go."))
    assert [message["role"] for message in caller.messages] == ["user", "assistant", "tool"]


@pytest.mark.models
def test_heard_after_a_tool_cuts_over_both_parts(
    caller: Llm, monkeypatch: pytest.MonkeyPatch
) -> None:
    Script(monkeypatch, [write([CALLED], "Let me look."), ["It is ", "sunny."]])
    assert spoken(caller.respond("Go.")) == "Let me look. It is sunny."
    caller.heard("Let me look. It is")
    assert [m["content"] for m in caller.messages if m["role"] == "assistant"] == [
        "Let me look.",
        "It is",
    ]


@pytest.mark.models
def test_a_thought_that_the_template_begins_is_not_given(
    calling_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(calling_model, tmp_path / "m")
    settings = json.loads((calling_model / "tokenizer_config.json").read_text())
    settings["chat_template"] = CALLING.replace("<|assistant|>{% endif", "<think>{% endif")
    (tmp_path / "m" / "tokenizer_config.json").write_text(json.dumps(settings))
    Script(monkeypatch, [["hm", "</thi", "nk>", "\n\nYes", ".", " a <", "b"]])
    assert list(llm(tmp_path / "m").respond("Well?")) == ["", "", "", "Yes", ".", " a ", "<b"]


@pytest.mark.models
def test_a_thought_that_the_tokenizer_does_not_know_is_not_given_either(
    talk: Llm, monkeypatch: pytest.MonkeyPatch
) -> None:
    Script(monkeypatch, [["<th", "ink>hm</", "think>", "\n\nYes", "."]])
    assert list(talk.respond("Well?")) == ["", "", "", "Yes", "."]
    assert talk.messages[1]["content"] == "Yes."


@pytest.mark.models
def test_half_a_character_does_not_reach_the_tokenizer(talk: Llm) -> None:
    assert spoken(talk.respond("\ud83d How do I make tea?"))
    talk.messages[0]["content"] = "\ud83d"
    assert spoken(talk.respond(TEA)).startswith("Boil")


@pytest.mark.models
def test_tools_need_a_template_that_knows_them(tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "m")
    config = tmp_path / "m" / "tokenizer_config.json"
    template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": template}))
    with pytest.raises(ConfigError, match="knows no tools that mlx-lm can read"):
        llm(tmp_path / "m", tools=[weather]).load()
