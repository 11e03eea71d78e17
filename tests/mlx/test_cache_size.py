"""How much memory conversations take with a language model, and how that is bounded."""

import os

os.environ.setdefault("MLX_DISABLE_COMPILE", "1")

import gc
import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import KVCache

import rxvoice.offline
from rxvoice.cli._catalog import MODELS
from rxvoice.cli._totals import total
from rxvoice.errors import ConfigError
from rxvoice.events import Notice
from rxvoice.mlx import Llm, llm
from rxvoice.mlx._cache_size import CacheSize, cache_size, cache_size_of, default_cache_bytes
from rxvoice.mlx._memory import usable_memory
from tests.mlx.tiny_llms import FAMILIES, make

PHRASES = rxvoice.offline.phrases()[:1900]

QWEN3: dict[str, Any] = {
    "model_type": "qwen3", "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "rms_norm_eps": 1e-6, "vocab_size": 151_936, "rope_theta": 1e6, "tie_word_embeddings": True,
    "max_position_embeddings": 262_144, "torch_dtype": "bfloat16",
}  # fmt: skip
QWEN3_MOE: dict[str, Any] = {
    **QWEN3, "model_type": "qwen3_moe", "num_hidden_layers": 48, "hidden_size": 2048,
    "num_key_value_heads": 4, "intermediate_size": 6144, "num_experts": 128,
    "num_experts_per_tok": 8, "decoder_sparse_step": 1, "mlp_only_layers": [],
    "moe_intermediate_size": 768, "norm_topk_prob": True,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen/Qwen3-1.7B-MLX-4bit": {
        **QWEN3, "num_hidden_layers": 28, "hidden_size": 2048, "intermediate_size": 6144,
        "num_attention_heads": 16,
    },
    "mlx-community/Qwen3-4B-Instruct-2507-4bit": {
        **QWEN3, "num_hidden_layers": 36, "hidden_size": 2560, "intermediate_size": 9728,
    },
    "mlx-community/Qwen3-30B-A3B-Instruct-2507-4bit": QWEN3_MOE,
    "mlx-community/Qwen3-30B-A3B-Instruct-2507-8bit": QWEN3_MOE,
}  # fmt: skip
"""The shapes of the models that the catalog recommends."""

pytestmark = [pytest.mark.models, pytest.mark.slow(1)]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    path = tmp_path_factory.mktemp("families")
    return {it: make(it, path / it) for it in FAMILIES}


def ask(session: Llm, question: str) -> list[Notice]:
    return [it for it in session.respond(question) if isinstance(it, Notice)]


def bytes_of(session: Llm) -> int:
    assert session._cache is not None
    return session._cache.bytes


def written(directory: Path, config: dict[str, Any]) -> Path:
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps(config))
    return directory


@pytest.mark.parametrize("name", SHAPES)
def test_the_catalog_says_what_a_token_takes(name: str, tmp_path: Path) -> None:
    before = mx.get_active_memory()
    size = cache_size_of(written(tmp_path / "m", SHAPES[name]), None)
    assert mx.get_active_memory() < before + 1000  # nothing was computed
    [model] = [it for it in MODELS if it.name == name]
    assert size == CacheSize(model.cache, 0)


def test_all_language_models_of_the_catalog_have_a_shape_here() -> None:
    assert [it.name for it in MODELS if it.slot == "llm"] == [*SHAPES]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_takes_what_was_foretold(family: str, paths: dict[str, Path]) -> None:
    session = llm(paths[family], max_tokens=4)
    size = cache_size_of(paths[family], mx.float32)
    assert size is not None
    for question in PHRASES[:9]:
        ask(session, question * 2)
    tokens = session.stats.prompt_tokens + session.stats.generated_tokens
    assert tokens > 150
    # mlx-lm makes room for 256 tokens at a time.
    assert size.per_token * tokens <= bytes_of(session) <= size.bytes_of(tokens + 256)
    loaded = session._loaded()
    assert cache_size(loaded.model, loaded.batches.empty_layers) == size


@pytest.mark.parametrize("seed", [5, 2**63 + 5])
def test_random_numbers_stay_what_they_would_have_been(seed: int, tmp_path: Path) -> None:
    def drawn() -> list[object]:
        return [mx.random.uniform().item() for _ in range(3)]

    mx.random.seed(seed)
    first, then = drawn(), drawn()
    mx.random.seed(seed)
    assert drawn() == first
    assert cache_size_of(written(tmp_path / "m", QWEN3_MOE), None) is not None
    assert drawn() == then


def test_a_network_that_wants_its_numbers_is_not_bounded(tmp_path: Path) -> None:
    def network(inputs: mx.array, cache: list[object]) -> mx.array:
        raise ValueError("no")

    assert cache_size(network, lambda: [KVCache()]) is None
    assert cache_size_of(written(tmp_path / "m", {"model_type": "none"}), None) is None
    assert cache_size_of(written(tmp_path / "n", {**QWEN3, "model_file": "own.py"}), None) is None


@pytest.mark.parametrize("family", ["mistral", "qwen3_5"])
def test_a_long_conversation_stays_within_its_bytes(family: str, paths: dict[str, Path]) -> None:
    size = cache_size_of(paths[family], mx.float32)
    assert size is not None
    most = size.bytes_of(180)
    session = llm(paths[family], max_tokens=4, cache_bytes=most, system_prompt="Be brief.")
    told: list[str] = []
    for question in PHRASES[:12]:
        told += [it.message for it in ask(session, question) if "oldest" in it.message]
        assert session.stats.prompt_tokens + 4 <= 180
    assert len(told) > 1
    assert all("no longer fit into the context of 180 tokens and were dropped" in it for it in told)
    assert session.cache_need(paths[family]) == most


def test_too_few_bytes_for_a_reply(paths: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match=r"may take 1\.0 kB, and that many bytes hold 2 tokens"):
        llm(paths["mistral"], cache_bytes=1024).load()
    with pytest.raises(ConfigError, match="cache_bytes must be at least 1 bytes, got 0"):
        llm(paths["mistral"], cache_bytes=0)


def test_the_default_is_an_eighth_of_what_models_may_take(
    paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = usable_memory()
    assert usable is not None
    assert default_cache_bytes() == usable // 8
    small = llm(paths["mistral"])
    assert small.cache_need(paths["mistral"]) == 4096 * 512  # all its positions
    small.load()
    assert small._loaded().window == 4096
    for memory in (8, 16, 32, 64):  # `rxvoice models` says so
        mac = {"max_recommended_working_set_size": total(memory).usable}
        monkeypatch.setattr(mx, "device_info", lambda mac=mac: mac)
        assert default_cache_bytes() == total(memory).cache
    monkeypatch.setattr(mx, "device_info", lambda: {"max_recommended_working_set_size": 8 * 2**20})
    smaller = llm(paths["mistral"])
    assert smaller.cache_need(paths["mistral"]) == 2**20
    smaller.load()
    assert smaller._loaded().window == 2**20 // 512
    assert llm(paths["mistral"], context_tokens=300).cache_need(paths["mistral"]) == 300 * 512


# Several conversations.


def test_conversations_of_a_family_share_the_bytes(paths: dict[str, Path]) -> None:
    most = 512 * 256 * 3
    parent = llm(paths["mistral"], max_tokens=4, cache_bytes=most)
    sessions = [parent.fresh() for _ in range(4)]
    for session in sessions:
        ask(session, PHRASES[0])
        assert sum(bytes_of(it) for it in sessions if it._cache) <= most
    # The fourth has room since the first has waited longest.
    assert [bytes_of(it) > 0 for it in sessions] == [False, True, True, True]
    for index, again in ((1, False), (0, True), (2, True), (1, False)):
        ask(sessions[index], PHRASES[1])
        stats = sessions[index].stats
        assert (stats.prefilled_tokens == stats.prompt_tokens) == again
    del sessions, session
    gc.collect()
    ask(parent, PHRASES[0])
    assert bytes_of(parent) > 0


def test_what_is_in_use_stays(paths: dict[str, Path]) -> None:
    parent = llm(paths["mistral"], max_tokens=9, cache_bytes=512 * 300, prefill_step_size=4)
    one, other = parent.fresh(), parent.fresh()
    answer = one.respond("How far away is the moon?")
    next(answer)  # a step of its prompt
    ask(other, PHRASES[0])
    said = "".join(it for it in answer if isinstance(it, str))
    assert said == "".join(
        it for it in parent.fresh().respond("How far away is the moon?") if isinstance(it, str)
    )
    assert bytes_of(other) == 0
