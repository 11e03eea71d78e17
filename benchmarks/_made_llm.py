"""A language model of a real size, made on the spot: the speed is real, the words are not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 2_000,
    },
    # As Llama 3.2 1B and 3B.
    "1b": {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "intermediate_size": 8192,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
    "3b": {
        "hidden_size": 3072,
        "num_hidden_layers": 28,
        "intermediate_size": 8192,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "vocab_size": 128_256,
    },
}

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKS = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
WORDS_IN_A_SENTENCE = 10


def write(directory: Path, size: str) -> Path:
    """Write a Llama with random weights in bfloat16, and a tokenizer, as mlx-lm loads them.

    Each token it writes is a word, and one of ten ends a sentence. It writes any of them, at
    temperature 1, so that it hardly ever ends by itself. Its tokenizer knows no merges: a question
    takes a token for each character.

    Args:
        size: one of `SIZES`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "llama",
        # transformers may warn of a tokenizer from before this version.
        "transformers_version": "5.0.0",
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "max_position_embeddings": 16_384,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "eos_token_id": 0,
        **SIZES[size],
    }
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    _write_tokenizer(directory, SIZES[size]["vocab_size"])
    mx.random.seed(0)
    model = Model(ModelArgs.from_dict(config))
    model.set_dtype(mx.bfloat16)
    mx.eval(model.parameters())
    mx.save_safetensors(
        str(directory / "model.safetensors"),
        dict(tree_flatten(model.parameters())),
        metadata={"format": "mlx"},
    )
    del model
    mx.clear_cache()
    return directory


def _write_tokenizer(directory: Path, size: int) -> None:
    words = [*MARKS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    known = set(words)
    dice = random.Random(0)
    while len(words) < size:
        word = "Ġ" + "".join(dice.choices("aeiostnrlcdm", k=dice.randint(2, 8)))
        if len(words) % WORDS_IN_A_SENTENCE == 0:
            word += "."
        if word not in known:
            known.add(word)
            words.append(word)
    tokenizer = Tokenizer(models.BPE({word: n for n, word in enumerate(words)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(MARKS))
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": MARKS[0],
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
