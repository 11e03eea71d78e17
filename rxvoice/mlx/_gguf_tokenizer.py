"""Writes the tokenizer of a GGUF file as Hugging Face's libraries have it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from rxvoice.errors import ConfigError

_DIGITS = {"type": "Digits", "individual_digits": True}
_BYTES: dict[str, object] = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}

_SPLITS: dict[str, dict[str, object]] = {
    "gpt-2": _BYTES,
    "smollm": {"type": "Sequence", "pretokenizers": [_DIGITS, _BYTES]},
}
"""How a text is split before it is encoded, by llama.cpp's name for it."""

_CONTROL, _OWN = 3, 4  # types of tokens: not text, and text that is never split


def write_tokenizer(source: Path, target: Path, metadata: dict[str, object]) -> None:
    """Write tokenizer.json and tokenizer_config.json, with the chat template.

    Raises:
        ConfigError: it is another kind of tokenizer, or is not complete.
    """

    def entry(name: str) -> object:
        return metadata.get(f"tokenizer.ggml.{name}")

    kind, split = entry("model"), entry("pre")
    if kind != "gpt2" or not isinstance(split, str) or split not in _SPLITS:
        raise ConfigError(
            f"{source} has a tokenizer of the kind {kind!r} that splits texts as {split!r}, which "
            f"is not converted: rxvoice reads 'gpt2' (BPE) with {' or '.join(map(repr, _SPLITS))}"
        )
    tokens = cast("list[str]", entry("tokens"))
    merges, types = cast("list[str]", entry("merges")), entry("token_type")
    if not (_is_texts(tokens) and _is_texts(merges) and isinstance(types, list)):
        raise ConfigError(f"{source} lacks the tokens, the merges or the types of its tokenizer")
    kinds = cast("list[object]", types)
    if len(kinds) != len(tokens):
        raise ConfigError(f"{source} has {len(tokens)} tokens, but types for {len(kinds)}")
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": at, "content": token, **plain, "special": kind == _CONTROL}
            for at, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
            if kind in (_CONTROL, _OWN)
        ],
        "normalizer": None,
        "pre_tokenizer": _SPLITS[split],
        "post_processor": None,
        "decoder": _BYTES,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: at for at, token in enumerate(tokens)},
            "merges": [it.split(" ", 1) for it in merges],
        },
    }
    own: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
    }
    for name, kind in (("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad")):
        at = entry(f"{name}_token_id")
        if isinstance(at, int) and 0 <= at < len(tokens):
            own[f"{kind}_token"] = tokens[at]
    if isinstance(template := metadata.get("tokenizer.chat_template"), str):
        own["chat_template"] = template
    (target / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")
    (target / "tokenizer_config.json").write_text(json.dumps(own, indent=1), "utf-8")


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(it, str) for it in cast("list[object]", value)
    )
