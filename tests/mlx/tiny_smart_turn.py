"""A tiny smart-turn model directory, in the format of the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_audio.vad.models.smart_turn import Model, ModelConfig

CONFIG = {
    "model_type": "smart_turn",
    "architecture": "smart_turn",
    "dtype": "float32",
    "encoder_config": {
        "model_type": "smart_turn_encoder",
        "num_mel_bins": 80,
        "max_source_positions": 400,
        "d_model": 16,
        "encoder_attention_heads": 2,
        "encoder_layers": 1,
        "encoder_ffn_dim": 32,
        "k_proj_bias": False,
    },
    "processor_config": {
        "sampling_rate": 16000,
        "max_audio_seconds": 8,
        "n_fft": 400,
        "hop_length": 160,
        "n_mels": 80,
        "normalize_audio": True,
        "threshold": 0.5,
    },
}

# How the original names the layers whose names hold a number of their own.
_NUMBERED = ("pool_attention_", "classifier_")


def build(directory: Path, *, leave_out: str | None = None) -> Path:
    """Write config.json and model.safetensors, with random weights, always the same ones.

    Args:
        leave_out: a weight that is missing, by its name in the file.
    """
    mx.random.seed(7)
    model = Model(ModelConfig.from_dict(CONFIG))
    weights = {_original(name): _laid_out(name, w) for name, w in tree_flatten(model.parameters())}
    if leave_out is not None:
        del weights[leave_out]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    mx.save_safetensors(str(directory / "model.safetensors"), weights)
    return directory


def _original(name: str) -> str:
    for prefix in _NUMBERED:
        name = name.replace(prefix, prefix[:-1] + ".")
    return f"inner.{name}"


def _laid_out(name: str, weight: mx.array) -> mx.array:
    if weight.ndim > 1:
        weight = weight * 3  # so that one sound is judged otherwise than another
    if weight.ndim == 3:
        weight = mx.contiguous(mx.transpose(weight, (0, 2, 1)))  # as the file has convolutions
    return weight
