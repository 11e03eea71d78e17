"""GGUF files of small Llamas, written number by number as llama.cpp has them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

import rxvoice.offline

DEMO = Path(rxvoice.offline.__path__[0]) / "demo-llm"

Floats = NDArray[np.float32]
READ = (0, 1, 2, 3, 8)
"""The numbers of the types that `exact` knows."""

Written = tuple[int, bytes]
"""The number of a type, and the bytes of a weight."""

_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def f32(value: Floats) -> Written:
    return 0, value.astype("<f4").tobytes()


def f16(value: Floats) -> Written:
    return 1, value.astype("<f2").tobytes()


def q8_0(value: Floats) -> Written:
    """Blocks of 32: a scale in float16, and 32 whole numbers from -127 to 127."""
    blocks = value.reshape(-1, 32)
    scales = (np.abs(blocks).max(1, keepdims=True) / 127).astype("<f2")
    whole = np.round(blocks / np.maximum(scales.astype(np.float32), 1e-9)).astype("i1")
    return 8, b"".join(s.tobytes() + w.tobytes() for s, w in zip(scales, whole, strict=True))


def q4_0(value: Floats) -> Written:
    """Blocks of 32: a scale, and 16 bytes with numbers 0-15 and 16-31; 8 stands for 0."""
    blocks = value.reshape(-1, 32)
    scales = (np.abs(blocks).max(1, keepdims=True) / 7).astype("<f2")
    steps = blocks / np.maximum(scales.astype(np.float32), 1e-9)
    whole = np.clip(np.round(steps) + 8, 0, 15).astype("u1")
    packed = whole[:, :16] | whole[:, 16:] << 4
    return 2, b"".join(s.tobytes() + w.tobytes() for s, w in zip(scales, packed, strict=True))


def q4_1(value: Floats) -> Written:
    """Blocks of 32: a scale, a least value, and 16 bytes with numbers 0-15 and 16-31."""
    blocks = value.reshape(-1, 32)
    least = blocks.min(1, keepdims=True).astype("<f2")
    scales = ((blocks.max(1, keepdims=True) - blocks.min(1, keepdims=True)) / 15).astype("<f2")
    steps = (blocks - least.astype(np.float32)) / np.maximum(scales.astype(np.float32), 1e-9)
    whole = np.clip(np.round(steps), 0, 15).astype("u1")
    packed = whole[:, :16] | whole[:, 16:] << 4
    rows = zip(scales, least, packed, strict=True)
    return 3, b"".join(s.tobytes() + m.tobytes() + w.tobytes() for s, m, w in rows)


def exact(kind: int, data: bytes, shape: tuple[int, ...]) -> Floats:
    """The numbers that the bytes stand for."""
    if kind in (0, 1):
        return np.frombuffer(data, "<f4" if kind == 0 else "<f2").astype(np.float32).reshape(shape)
    size = {2: 18, 3: 20, 8: 34}[kind]
    blocks = np.frombuffer(data, "u1").reshape(-1, size)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    if kind == 8:
        return (scale * blocks[:, 2:].copy().view("i1")).reshape(shape)
    if kind == 2:
        whole = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], 1)
        return (scale * (whole.astype(np.float32) - 8)).reshape(shape)
    least = blocks[:, 2:4].copy().view("<f2").astype(np.float32)
    whole = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], 1)
    return (scale * whole + least).reshape(shape)


def permuted(value: Floats, heads: int) -> Floats:
    """The rows of queries and keys as llama.cpp has them."""
    rows, columns = value.shape
    return value.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(value.shape)


def demo(
    path: Path, pack: Callable[[str, Floats], Written] = lambda name, value: f16(value), **own: Any
) -> dict[str, Floats]:
    """Write the demo's language model, and return what its weights become, by mlx-lm's names.

    Args:
        pack: how a weight is stored, by mlx-lm's name and value.
        own: entries of the metadata that are other than usual, with ``__`` for the dots; None
            leaves one out.
    """
    config = json.loads((DEMO / "config.json").read_text("utf-8"))
    weights: dict[str, mx.array] = cast("Any", mx.load(str(DEMO / "model.safetensors")))
    heads = config["num_attention_heads"]
    stored: dict[str, tuple[tuple[int, ...], Written]] = {}
    became: dict[str, Floats] = {}
    for name, value in weights.items():
        there = np.array(value.astype(mx.float32))
        own_order = there
        if ".q_proj" in name or ".k_proj" in name:
            there = permuted(there, heads)
        kind, data = f32(there) if there.ndim == 1 else pack(name, there)
        stored[_renamed(name)] = there.shape, (kind, data)
        if ".q_proj" in name or ".k_proj" in name:
            # Blocks lie within rows, so that the order of the rows changes nothing.
            kind, data = pack(name, own_order)
        if kind in READ:
            became[name] = exact(kind, data, own_order.shape)
    metadata = _metadata(config) | {key.replace("__", "."): value for key, value in own.items()}
    write(path, {key: it for key, it in metadata.items() if it is not None}, stored)
    return became


def write(
    path: Path, metadata: dict[str, Any], weights: dict[str, tuple[tuple[int, ...], Written]]
) -> None:
    """Write a file of version 3."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(weights), len(metadata))
    for key, value in metadata.items():
        head += _text(key) + _value(value)
    body = b""
    for name, (shape, (kind, data)) in weights.items():
        body += b"\0" * (-len(body) % 32)
        head += _text(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *shape[::-1]) + struct.pack("<IQ", kind, len(body))
        body += data
    path.write_bytes(head + b"\0" * (-len(head) % 32) + body)


def _metadata(config: dict[str, Any]) -> dict[str, Any]:
    tokenizer = json.loads((DEMO / "tokenizer.json").read_text("utf-8"))
    own = json.loads((DEMO / "tokenizer_config.json").read_text("utf-8"))
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    control = {it["id"] for it in tokenizer["added_tokens"]}
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    return {
        "general.architecture": "llama",
        "llama.embedding_length": config["hidden_size"],
        "llama.block_count": config["num_hidden_layers"],
        "llama.feed_forward_length": config["intermediate_size"],
        "llama.attention.head_count": config["num_attention_heads"],
        "llama.attention.head_count_kv": config["num_key_value_heads"],
        "llama.attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "llama.rope.freq_base": float(config["rope_theta"]),
        "llama.context_length": config["max_position_embeddings"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if at in control else 1 for at in range(len(tokens))],
        "tokenizer.ggml.merges": [" ".join(it) for it in tokenizer["model"]["merges"]],
        "tokenizer.ggml.eos_token_id": config["eos_token_id"],
        "tokenizer.chat_template": own["chat_template"],
    }


def _renamed(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in _NAMES:
        return f"{_NAMES[stem]}.weight"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{_NAMES[rest]}.weight"


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, list):
        items = cast("list[Any]", value)
        inner = b"".join(_value(it)[4:] for it in items)
        return struct.pack("<I", 9) + _value(items[0])[:4] + struct.pack("<Q", len(items)) + inner
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    kind, form = {bool: (7, "<?"), int: (4, "<I"), float: (6, "<f")}[type(value)]
    return struct.pack("<I", kind) + struct.pack(form, value)
