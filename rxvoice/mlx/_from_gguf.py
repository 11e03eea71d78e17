"""Reads a Llama in GGUF, and writes it as mlx-lm has it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import mlx.core as mx

from rxvoice.errors import ConfigError
from rxvoice.mlx._gguf import Gguf, read_gguf
from rxvoice.mlx._gguf_tokenizer import write_tokenizer
from rxvoice.mlx._precision import Dtype
from rxvoice.mlx._saving import save_weights

Weights = dict[str, mx.array]

READS = "a Llama with a BPE tokenizer, with weights in F32, F16, Q8_0, Q4_0 or Q4_1"

_BITS = {"Q4_0": 4, "Q4_1": 4, "Q8_0": 8}
_GROUP = 32
_WHOLE = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert_llama(
    source: Path, target: Path, dtype: Dtype | None, tell: Callable[[str], None]
) -> None:
    """Write the model to `target`, an empty directory.

    Raises:
        ConfigError: it is another kind of model, or the file is not complete.
    """
    tell("reading the header")
    try:
        gguf = read_gguf(source)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{source} is no GGUF file, or not complete: {error}") from error
    _check(source, gguf)
    try:
        config = _config(gguf)
        names = {name: _renamed(name.removesuffix(".weight")) for name in gguf.weights}
        _check_complete(set(names.values()), config)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{source} is no Llama as rxvoice knows it ({error}): it reads {READS}"
        ) from error
    tell("writing the tokenizer")
    write_tokenizer(source, target, gguf.metadata)
    tell("reading the weights")
    found = cast("Weights", mx.load(str(source), format="gguf"))
    weights: Weights = {}
    quantized: dict[str, dict[str, int]] = {}
    for old, stored in gguf.weights.items():
        new, stem = names[old], old.removesuffix(".weight")
        kinds = ("weight", "scales", "biases") if stored.kind in _BITS else ("weight",)
        parts = {it: found[f"{stem}.{it}"] for it in kinds}
        if stem.endswith(("attn_q", "attn_k")):
            heads = config["num_attention_heads" if stem.endswith("q") else "num_key_value_heads"]
            parts = {it: _unpermuted(value, cast("int", heads)) for it, value in parts.items()}
        if stored.kind in _BITS and dtype is not None:
            bits = _BITS[stored.kind]
            whole = mx.dequantize(
                parts["weight"],
                # In 16 bits the products would be rounded before they are converted.
                parts["scales"].astype(mx.float32),
                parts["biases"].astype(mx.float32),
                _GROUP,
                bits,
            )
            parts = {"weight": whole}
        elif stored.kind in _BITS:
            quantized[new] = {"group_size": _GROUP, "bits": _BITS[stored.kind]}
        for it, value in parts.items():
            is_plain = mx.issubdtype(value.dtype, mx.floating)
            if dtype is not None and is_plain:
                value = value.astype(getattr(mx, dtype))
            weights[f"{new}.{it}"] = value
    if quantized:
        usual = max(quantized.values(), key=list(quantized.values()).count)
        others = {name: it for name, it in quantized.items() if it != usual}
        config["quantization"] = {**usual, **others}
    (target / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    tell("writing model.safetensors")
    save_weights(target, weights)


def _check(source: Path, gguf: Gguf) -> None:
    """Raise if it is a kind of model, or of weights, that is not read."""
    known, what = gguf.metadata, ""
    scaling = known.get("llama.rope.scaling.type", "none")
    if (family := known.get("general.architecture")) != "llama":
        what = f"a model of the architecture {family!r}"
    elif gguf.unreadable:
        what = f"a model with weights in {', '.join(gguf.unreadable)}"
    elif known.get("llama.expert_count"):
        what = "a mixture of experts"
    elif scaling != "none" or "rope_freqs.weight" in gguf.weights:
        what = "a model with scaled positions"
    if what:
        raise ConfigError(
            f"{source} holds {what}, which is not converted: rxvoice reads {READS}. mlx-community "
            "on the Hugging Face hub has other models for MLX"
        )


def _config(gguf: Gguf) -> dict[str, object]:
    """The entries of config.json. Raises `ValueError` if there is no telling."""

    def number(name: str, default: float | None = None) -> float:
        value = gguf.metadata.get(f"llama.{name}", default)
        if not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"llama.{name} is {value!r:.60}")
        return value

    heads, width = int(number("attention.head_count")), int(number("embedding_length"))
    head = int(number("attention.key_length", width // heads))
    for name in ("attention.value_length", "rope.dimension_count"):
        if number(name, head) != head:
            raise ValueError(f"llama.{name} is not {head}, the size of a head")
    ends = [gguf.metadata.get(f"tokenizer.ggml.{it}_token_id") for it in ("eos", "eot", "eom")]
    stops = sorted({it for it in ends if isinstance(it, int)})
    if not stops:
        raise ValueError("it has no end token")
    embedding = gguf.weights.get("token_embd.weight")
    if embedding is None:
        raise ValueError("it has no token_embd.weight")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": int(number("block_count")),
        "intermediate_size": int(number("feed_forward_length")),
        "num_attention_heads": heads,
        "num_key_value_heads": int(number("attention.head_count_kv", heads)),
        "head_dim": head,
        "rms_norm_eps": number("attention.layer_norm_rms_epsilon"),
        "rope_theta": number("rope.freq_base", 10_000),
        "vocab_size": embedding.shape[0],
        "max_position_embeddings": int(number("context_length")),
        "tie_word_embeddings": "output.weight" not in gguf.weights,
        "bos_token_id": gguf.metadata.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": stops[0] if len(stops) == 1 else stops,
    }


def _check_complete(names: set[str], config: dict[str, object]) -> None:
    """Raise `ValueError` if a weight is missing, or is one too many."""
    count = cast("int", config["num_hidden_layers"])
    if count > len(names):
        raise ValueError(f"it has {count} layers, and {len(names)} weights")
    layers = range(count)
    wanted = {f"model.layers.{at}.{it}" for at in layers for it in _LAYER.values()}
    wanted |= {"model.embed_tokens", "model.norm"}
    wanted |= set() if config["tie_word_embeddings"] else {"lm_head"}
    if odd := sorted(names ^ wanted):
        raise ValueError(f"it {'lacks' if odd[0] in wanted else 'has'} the weight {odd[0]}")


def _renamed(stem: str) -> str:
    """mlx-lm's name for a weight. Raises `ValueError` for one that a Llama does not have."""
    if stem in _WHOLE:
        return _WHOLE[stem]
    layer = re.fullmatch(r"blk\.(\d+)\.(\w+)", stem)
    if layer is None or layer[2] not in _LAYER:
        raise ValueError(f"it has a weight {stem!r}")
    return f"model.layers.{layer[1]}.{_LAYER[layer[2]]}"


def _unpermuted(value: mx.array, heads: int) -> mx.array:
    """The rows in the order of the original. GGUF has the two halves of each head interleaved."""
    rows = value.shape[0]
    halves = mx.unflatten(value, 0, (heads, rows // heads // 2, 2))
    return mx.contiguous(mx.flatten(mx.swapaxes(halves, 1, 2), 0, 2))
