"""Directories of tiny speech models, in mlx-audio's real formats, with random weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from tokenizers import Tokenizer, models

LETTERS = " .!?',abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def pocket(folder: Path) -> Path:
    """A pocket_tts that never ends by itself: 12.5 frames a second, words + 2 seconds of them.

    Streams natively, at 1600 Hz, with the voices "ann" and "bob".
    """
    config = {
        "model_type": "pocket_tts",
        "temp": 0.7,
        "eos_threshold": 1e9,
        "flow_lm": {
            "dtype": "float32",
            "flow": {"dim": 16, "depth": 1},
            "transformer": {
                "hidden_scale": 2,
                "max_period": 10000,
                "d_model": 32,
                "num_heads": 2,
                "num_layers": 1,
            },
            "lookup_table": {
                "dim": 16,
                "n_bins": len(LETTERS),
                "tokenizer": "huggingface",
                "tokenizer_path": "tokenizer.json",
            },
            "ldim": 8,
        },
        "mimi": {
            "dtype": "float32",
            "sample_rate": 1600,
            "channels": 1,
            "frame_rate": 12.5,
            "seanet": {
                "dimension": 16,
                "channels": 1,
                "n_filters": 4,
                "n_residual_layers": 1,
                "ratios": [4, 4, 4],
                "kernel_size": 7,
                "residual_kernel_size": 3,
                "last_kernel_size": 3,
                "dilation_base": 2,
                "pad_mode": "constant",
                "compress": 2,
            },
            "transformer": {
                "d_model": 16,
                "input_dimension": 16,
                "output_dimensions": [16],
                "num_heads": 2,
                "num_layers": 1,
                "layer_scale": 0.01,
                "context": 50,
                "dim_feedforward": 32,
            },
            "quantizer": {"dimension": 8, "output_dimension": 16},
        },
    }

    def louder(weights: dict[str, mx.array]) -> None:
        for name in weights:
            weights[name] *= 4.5 if name.startswith("mimi.") else 2

    _write(folder, "pocket_tts", config, change=louder)
    (folder / "voices").mkdir()
    for seed, name in enumerate(("ann", "bob")):
        voice = mx.random.normal((1, 4, 32), key=mx.random.key(seed))
        mx.save_safetensors(str(folder / "voices" / f"{name}.safetensors"), {"audio_prompt": voice})
    return folder


def soprano(folder: Path) -> Path:
    """A soprano: one result for each line of the text, at 32 kHz, and no streaming. 55 MB."""
    config = {
        "model_type": "soprano",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "intermediate_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "vocab_size": len(LETTERS) + 3,
        "max_position_embeddings": 1024,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
    }

    def brief(weights: dict[str, mx.array]) -> None:
        stop = mx.arange(len(LETTERS) + 3) == len(LETTERS)
        weights["language_model.lm_head.weight"] *= mx.where(stop, 4, 1)[:, None]

    extra = ["[STOP]", "[TEXT]", "[START]"]
    return _write(folder, "soprano", config, extra=extra, change=brief)


def echo(folder: Path) -> Path:
    """An echo_tts, which refuses ``stream=True``; its codec is another repository, and missing."""
    sizes = {"size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 16}
    dit: dict[str, int] = {"latent_size": 8, "timestep_embed_size": 8, "adaln_rank": 4}
    for part in ("", "text_", "speaker_"):
        dit |= {f"{part}{'model_' if name == 'size' else ''}{name}": n for name, n in sizes.items()}
    config = {"model_type": "echo_tts", "fish_codec_repo": "./no-such-codec", "dit": dit}
    return _write(folder, "echo_tts", config)


def kitten(folder: Path) -> Path:
    """A kitten_tts, which needs the package phonemizer to speak."""
    config = {
        "model_type": "kitten_tts",
        "hidden_dim": 16,
        "max_conv_dim": 16,
        "max_dur": 4,
        "n_layer": 1,
        "n_mels": 8,
        "n_token": 178,
        "style_dim": 128,
        "text_encoder_kernel_size": 3,
        "asr_res_dim": 8,
        "plbert": {
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "hidden_size": 16,
            "intermediate_size": 16,
            "max_position_embeddings": 64,
        },
        "istftnet": {
            "resblock_kernel_sizes": [3],
            "upsample_rates": [2, 2],
            "upsample_initial_channel": 16,
            "resblock_dilation_sizes": [[1, 3, 5]],
            "upsample_kernel_sizes": [4, 4],
            "gen_istft_n_fft": 4,
            "gen_istft_hop_size": 2,
        },
    }
    _write(folder, "kitten_tts", config)
    np.savez(folder / "voices.npz", **{"expr-voice-5-m": np.zeros((8, 256), np.float32)})
    return folder


@contextmanager
def narrow_kokoro() -> Generator[None]:
    """Make Kokoro's decoder narrow, whose widths are fixed: it would have 31 million weights."""
    module = import_module("mlx_audio.tts.models.kokoro.istftnet")
    narrow = {1024: 16, 512: 16, 1024 + 64 + 2: 16 + 64 + 2}

    def narrower(part: Callable[..., Any]) -> Callable[..., Any]:
        def make(ins: int, outs: int, *rest: Any, **options: Any) -> Any:
            return part(narrow.get(ins, ins), narrow.get(outs, outs), *rest, **options)

        return make

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AdainResBlk1d", "ConvWeighted"):
            patch.setattr(module, name, narrower(getattr(module, name)))
        yield


KOKORO_VOICES = ("af_bella", "af_heart", "bf_emma", "ff_siwis", "jf_alpha")


def kokoro(folder: Path, voices: Sequence[str] = KOKORO_VOICES, *, named: bool = True) -> Path:
    """A kokoro with some of its voices, and its phonemes.

    Args:
        named: whether config.json has a model_type; the original's has none.
    """
    sounds = (
        """;:,.!?—…"()“” ̃ʣʥʦʨᵝAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçðʤəɛɜɡɪɲŋœɹɾʁʃʧʊʌɣʎʒˈˌːᵻ"""
    )
    config = {
        "model_type": "kokoro",
        "dim_in": 16,
        "dropout": 0.2,
        "hidden_dim": 16,
        "max_conv_dim": 16,
        "max_dur": 4,
        "multispeaker": True,
        "n_layer": 1,
        "n_mels": 8,
        "n_token": 178,
        "style_dim": 128,
        "text_encoder_kernel_size": 3,
        "vocab": {sound: number for number, sound in enumerate(sounds, 1)},
        "plbert": {
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "hidden_size": 16,
            "intermediate_size": 16,
            "max_position_embeddings": 512,
            "dropout": 0.1,
        },
        "istftnet": {
            "resblock_kernel_sizes": [3],
            "upsample_rates": [2, 2],
            "upsample_initial_channel": 16,
            "resblock_dilation_sizes": [[1, 3, 5]],
            "upsample_kernel_sizes": [4, 4],
            "gen_istft_n_fft": 4,
            "gen_istft_hop_size": 2,
        },
    }

    def as_published(weights: dict[str, mx.array]) -> None:
        weights["decoder.generator.conv_post.weight_g"] *= 1e-4  # of an exponent
        for name, value in weights.items():  # torch has the axes of convolutions in another order
            if name.endswith("weight_v") or re.search(r"(_proj|noise_convs.*)\.weight$", name):
                weights[name] = value.transpose(0, 2, 1) if value.ndim == 3 else value

    _write(folder, "kokoro", config, change=as_published)
    if not named:
        del config["model_type"]
        (folder / "config.json").write_text(json.dumps(config))
    write_kokoro_voices(folder, voices)
    return folder


def write_kokoro_voices(folder: Path, voices: Sequence[str] = KOKORO_VOICES) -> None:
    """Write random voices into a directory."""
    (folder / "voices").mkdir(parents=True, exist_ok=True)
    for name in voices:
        voice = mx.random.normal((510, 1, 256), key=mx.random.key(sum(map(ord, name))))
        mx.save_safetensors(str(folder / "voices" / f"{name}.safetensors"), {"voice": voice})


def _write(
    folder: Path,
    family: str,
    config: dict[str, Any],
    *,
    extra: Sequence[str] = (),
    change: Callable[[dict[str, mx.array]], None] = lambda _: None,
) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {token: index for index, token in enumerate([*LETTERS, *extra])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="."))
    tokenizer.add_special_tokens(list(extra))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast"}
            | ({"pad_token": extra[0], "eos_token": extra[0]} if extra else {})
        )
    )
    module = import_module(f"mlx_audio.tts.models.{family}")
    mx.random.seed(7)
    model = module.Model(module.ModelConfig.from_dict({**config, "model_path": str(folder)}))
    weights = dict(tree_flatten(model.parameters()))
    change(weights)
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    return folder
