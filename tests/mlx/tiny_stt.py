"""Recognisers of a few thousand random weights, as directories in the formats that mlx-audio loads.

They write nonsense, the same each time.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

WORDS = ["<pad>", "<s>", "</s>", "<unk>", *(f"word{number}" for number in range(28))]


def moonshine(folder: Path, *, seed: int = 3) -> Path:
    """As Hugging Face has it: names with ``model.``, convolutions in PyTorch's order."""
    from mlx_audio.stt.models.moonshine import Model, ModelConfig

    config = {
        "model_type": "moonshine",
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "intermediate_size": 16,
        "encoder_num_hidden_layers": 1,
        "decoder_num_hidden_layers": 1,
        "encoder_num_attention_heads": 2,
        "decoder_num_attention_heads": 2,
    }
    model = Model(ModelConfig.from_dict(config))
    weights = {
        f"model.{name}": value.transpose(0, 2, 1) if "conv" in name and value.ndim == 3 else value
        for name, value in _random(model, seed).items()
    }
    return _write(folder, config, weights, tokenizer=True)


def nemotron(folder: Path, *, seed: int = 15) -> Path:
    from mlx_audio.stt.models.nemotron_asr import Model, ModelConfig
    from mlx_audio.stt.models.nemotron_asr.config import (
        ConformerArgs,
        JointArgs,
        NemotronASRConfig,
        PredictArgs,
        PreprocessArgs,
        PromptArgs,
    )

    pieces = [f"▁w{number}" for number in range(12)]
    config = asdict(
        NemotronASRConfig(
            preprocessor=PreprocessArgs(features=16),
            encoder=ConformerArgs(
                feat_in=16,
                n_layers=1,
                d_model=16,
                n_heads=2,
                ff_expansion_factor=1,
                subsampling_conv_channels=8,
                att_context_size=[[8, 3]],
            ),
            prompt=PromptArgs(
                num_prompts=4, prompt_hidden=16, prompt_dictionary={"auto": 0, "en-US": 1}
            ),
            decoder=PredictArgs(pred_hidden=16, pred_rnn_layers=1, vocab_size=len(pieces)),
            joint=JointArgs(
                joint_hidden=16, encoder_hidden=16, pred_hidden=16, num_classes=len(pieces)
            ),
            vocabulary=pieces,
            default_att_context_size=[8, 3],
            max_symbols=3,
        )
    )
    return _write(folder, config, _random(Model(ModelConfig.from_dict(config)), seed))


def parakeet(folder: Path, *, seed: int = 4) -> Path:
    """A TDT, with NeMo's own configuration, as it is published."""
    from mlx_audio.stt.models.parakeet import Model, ModelConfig

    pieces = [f"▁p{number}" for number in range(12)]
    durations = [0, 1, 2, 3, 4]
    config: dict[str, object] = {
        "target": "nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel",
        "model_defaults": {"tdt_durations": durations},
        "preprocessor": {
            "sample_rate": 16_000,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": 80,
            "n_fft": 512,
            "dither": 1e-5,
        },
        "encoder": {
            "feat_in": 80,
            "n_layers": 1,
            "d_model": 16,
            "n_heads": 2,
            "ff_expansion_factor": 1,
            "subsampling_factor": 8,
            "self_attention_model": "rel_pos",
            "subsampling": "dw_striding",
            "conv_kernel_size": 9,
            "subsampling_conv_channels": 8,
            "pos_emb_max_len": 500,
        },
        "decoder": {
            "blank_as_pad": True,
            "vocab_size": len(pieces),
            "prednet": {"pred_hidden": 16, "pred_rnn_layers": 1},
        },
        "joint": {
            "num_classes": len(pieces),
            "vocabulary": pieces,
            "jointnet": {
                "joint_hidden": 16,
                "activation": "relu",
                "encoder_hidden": 16,
                "pred_hidden": 16,
            },
            "num_extra_outputs": len(durations),
        },
        "decoding": {"model_type": "tdt", "durations": durations, "greedy": {"max_symbols": 3}},
    }
    return _write(folder, config, _random(Model(ModelConfig.from_dict(config)), seed))


def voxtral_realtime(folder: Path, *, seed: int = 1) -> Path:
    """Of 40 MB, since its width of 3072 is written into mlx-audio."""
    from mlx_audio.stt.models.voxtral_realtime import Model, ModelConfig

    layers = {"n_layers": 1, "n_heads": 2, "n_kv_heads": 2, "head_dim": 8, "hidden_dim": 16}
    config = {
        "model_type": "voxtral_realtime",
        "n_left_pad_tokens": 2,
        "encoder_args": {
            "dim": 16,
            "downsample_factor": 4,
            **layers,
            "audio_encoding_args": {"num_mel_bins": 128},
        },
        "decoder": {"dim": 3072, "vocab_size": 64, "ada_rms_norm_t_cond_dim": 4, **layers},
    }
    model = Model(ModelConfig.from_dict(config))
    words = [
        {"rank": n, "token_bytes": base64.b64encode(f" v{n}".encode()).decode()} for n in range(24)
    ]
    special = [{"rank": n, "token_str": f"<{n}>"} for n in range(40)]
    path = _write(folder, config, _random(model, seed))
    tekken = {
        "config": {"default_num_special_tokens": 40},
        "vocab": words,
        "special_tokens": special,
    }
    (path / "tekken.json").write_text(json.dumps(tekken), "utf-8")
    return path


def whisper(folder: Path, *, seed: int = 0) -> Path:
    """English only, with byte pairs that were never merged."""
    from mlx_audio.stt.models.whisper.whisper import Model, ModelDimensions

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|startoflm|>", "<|startofprev|>"]
    special += ["<|en|>", "<|transcribe|>", "<|translate|>", "<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    config: dict[str, object] = {
        "model_type": "whisper",
        "n_mels": 80,
        "n_audio_ctx": 1500,
        "n_audio_state": 16,
        "n_audio_head": 2,
        "n_audio_layer": 1,
        "n_vocab": len(letters) + len(special),
        "n_text_ctx": 64,
        "n_text_state": 16,
        "n_text_head": 2,
        "n_text_layer": 1,
    }
    path = _write(folder, config, _random(Model(ModelDimensions.from_dict(config)), seed))
    ids = {letter: number for number, letter in enumerate(letters)}
    letter_by_letter = Tokenizer(models.BPE(ids, []))
    letter_by_letter.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letter_by_letter.decoder = decoders.ByteLevel()
    letter_by_letter.add_special_tokens(special)
    letter_by_letter.save(str(path / "tokenizer.json"))
    (path / "vocab.json").write_text(json.dumps(ids), "utf-8")
    (path / "merges.txt").write_text("", "utf-8")
    end = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), special[0])
    for name, settings in (
        ("tokenizer_config.json", {"tokenizer_class": "WhisperTokenizer", **end}),
        ("preprocessor_config.json", {"feature_extractor_type": "WhisperFeatureExtractor"}),
    ):
        (path / name).write_text(json.dumps(settings), "utf-8")
    return path


def _random(model: nn.Module, seed: int) -> dict[str, mx.array]:
    """Weights that differ enough for the output to depend on the sound."""
    rng = np.random.default_rng(seed)
    drawn = [
        (name, mx.array(rng.normal(0, 1, value.shape).astype(np.float32)))
        for name, value in tree_flatten(model.parameters())
    ]
    model.update(tree_unflatten(drawn))
    return dict(tree_flatten(model.parameters()))


def _write(
    folder: Path,
    config: dict[str, object],
    weights: dict[str, mx.array],
    *,
    tokenizer: bool = False,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    if tokenizer:
        ids = {word: number for number, word in enumerate(WORDS)}
        words = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        words.add_special_tokens(WORDS[:4])
        words.save(str(folder / "tokenizer.json"))
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return folder
