"""Reads a Whisper in CTranslate2's layout, and writes it in mlx-audio's."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import mlx.core as mx
import numpy as np

from rxvoice._files.json import read_json
from rxvoice.errors import ConfigError
from rxvoice.mlx._saving import save_weights
from rxvoice.mlx._whisper import TIMES

_TYPES = {0: np.dtype("<f4"), 4: np.dtype("<f2"), 5: np.dtype("<u2")}
_BFLOAT16 = 5

_FILES = ("model.bin", "config.json", "tokenizer.json")

Weights = dict[str, mx.array]


def is_ctranslate2(source: Path) -> bool:
    """Whether the directory has the files of a Whisper of CTranslate2."""
    return all((source / name).is_file() for name in _FILES)


def convert_whisper(source: Path, target: Path, tell: Callable[[str], None]) -> None:
    """Write the model to `target`, an empty directory.

    Raises:
        ConfigError: a file of the source is not what its name says.
    """
    tell("reading model.bin")
    try:
        with (source / "model.bin").open("rb") as file:
            found, heads = _read(file)
        weights = _renamed(found)
        config = _config(weights, heads)
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{source / 'model.bin'} is not a Whisper of CTranslate2, or not complete ({error!r})"
        ) from error
    tell("writing the tokenizer")
    _write_tokenizer(source, target, cast("int", config["n_vocab"]))
    own = cast("dict[str, object]", read_json((source / "config.json").read_bytes(), "config.json"))
    files: dict[str, object] = {
        "config.json": config,
        "generation_config.json": {
            key: own[key] for key in ("alignment_heads", "suppress_ids") if key in own
        },
        "preprocessor_config.json": {
            "feature_extractor_type": "WhisperFeatureExtractor",
            "feature_size": config["n_mels"],
        },
    }
    for name, entries in files.items():
        (target / name).write_text(json.dumps(entries, indent=1), "utf-8")
    tell("writing model.safetensors")
    save_weights(target, weights)


def _read(file: BinaryIO) -> tuple[Weights, dict[str, int]]:
    """The weights, and the number of heads of each part."""

    def number(form: str) -> int:
        return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])

    whole = os.fstat(file.fileno()).st_size

    def text() -> str:
        return file.read(number("<H")).rstrip(b"\0").decode()

    version, spec = number("<I"), text()
    if version < 5 or spec != "WhisperSpec":
        raise ValueError(f"version {version} of {spec}")
    number("<I")  # the revision of the spec
    weights: Weights = {}
    heads: dict[str, int] = {}
    for _ in range(number("<I")):
        name, rank = text(), number("<B")
        shape = [number("<I") for _ in range(rank)]
        kind, size = number("<B"), number("<I")
        if size > whole - file.tell():
            raise ValueError(f"{name} ends early")
        data = file.read(size)
        if name.endswith("/num_heads"):
            heads[name.partition("/")[0]] = int(np.frombuffer(data, "<i2")[0])
        elif rank and name.partition("/")[2].startswith(("layer", "conv", "embed", "position")):
            if kind not in _TYPES:
                raise ValueError(f"{name} is quantized: convert it from float16 or float32")
            value = mx.array(np.frombuffer(data, _TYPES[kind]).reshape(shape))
            weights[name] = value.view(mx.bfloat16) if kind == _BFLOAT16 else value
    return weights, heads


def _renamed(found: Weights) -> Weights:
    """The weights by mlx-audio's names; fused projections are taken apart."""
    weights: Weights = {}
    for name, value in found.items():
        part, _, rest = name.partition("/")
        steps = rest.split("/")
        kind = {"gamma": "weight", "beta": "bias"}.get(steps[-1], steps[-1])
        if steps[0].startswith("conv"):
            value = mx.swapaxes(value, 1, 2) if kind == "weight" else value
            weights[f"{part}.{steps[0]}.{kind}"] = value
        elif steps[0] == "embeddings":
            weights[f"{part}.token_embedding.weight"] = value
        elif steps[0] == "position_encodings":
            if part == "decoder":
                weights["decoder.positional_embedding"] = value
        elif steps[0] == "layer_norm":
            weights[f"{part}.{'ln_post' if part == 'encoder' else 'ln'}.{kind}"] = value
        else:
            block = f"{part}.blocks.{steps[0].removeprefix('layer_')}"
            weights |= _block(block, steps[1], steps[2], kind, value)
    return weights


def _block(block: str, group: str, item: str, kind: str, value: mx.array) -> Weights:
    """A weight of a layer, or the two or three that are fused in it."""
    names = {"self_attention": "attn", "attention": "cross_attn", "ffn": "mlp"}
    own = names[group]
    if item == "layer_norm":
        return {f"{block}.{own}_ln.{kind}": value}
    number = int(item.removeprefix("linear_"))
    if own == "mlp":
        return {f"{block}.mlp{number + 1}.{kind}": value}
    fused = (
        [["query", "key", "value"], ["out"]]
        if own == "attn"
        else [["query"], ["key", "value"], ["out"]]
    )[number]
    parts = dict(zip(fused, mx.split(value, len(fused)), strict=True))
    if kind == "bias":
        parts.pop("key", None)  # Whisper's keys have no bias; CTranslate2 writes zeros.
    return {f"{block}.{own}.{it}.{kind}": part for it, part in parts.items()}


def _config(weights: Weights, heads: dict[str, int]) -> dict[str, object]:
    vocabulary, width = weights["decoder.token_embedding.weight"].shape

    def layers(part: str) -> int:
        return len({it.split(".")[2] for it in weights if it.startswith(f"{part}.blocks.")})

    return {
        "model_type": "whisper",
        "n_mels": weights["encoder.conv1.weight"].shape[2],
        "n_audio_ctx": 1500,
        "n_audio_state": width,
        "n_audio_head": heads["encoder"],
        "n_audio_layer": layers("encoder"),
        "n_vocab": vocabulary,
        "n_text_ctx": weights["decoder.positional_embedding"].shape[0],
        "n_text_state": width,
        "n_text_head": heads["decoder"],
        "n_text_layer": layers("decoder"),
    }


def _write_tokenizer(source: Path, target: Path, vocabulary: int) -> None:
    """Write the tokenizer, with the tokens of times if it lacks them."""
    raw = read_json((source / "tokenizer.json").read_bytes(), "tokenizer.json")
    tokenizer = cast("dict[str, Any]", raw)
    added, model = tokenizer["added_tokens"], tokenizer["model"]
    if not any(it["content"] == TIMES[0] for it in added):
        first = vocabulary - len(TIMES)
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        added += [{"id": first + n, "content": it, **flags} for n, it in enumerate(TIMES)]
    end = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    merges = [it if isinstance(it, str) else " ".join(it) for it in model["merges"]]
    texts = {
        "tokenizer.json": json.dumps(tokenizer),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "WhisperTokenizer", **end}),
        "vocab.json": json.dumps(model["vocab"]),
        "merges.txt": "\n".join(merges),
    }
    for name, text in texts.items():
        (target / name).write_text(text, "utf-8")
