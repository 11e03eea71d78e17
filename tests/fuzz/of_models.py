"""Directories and files of models that somebody published."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rxvoice._silero.network import LAYOUTS
from rxvoice._silero.weights import load
from rxvoice.errors import ConfigError, RxvoiceError

_NAME = 60


def _files(data: bytes, folder: Path) -> Path | None:
    """Write the files that JSON describes: text, bytes in base64, or the target of a link."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    directory = folder / "model"
    directory.mkdir()
    for name, content in list(told.items())[:40]:
        path = directory / name[:_NAME].replace("\0", "_").replace("..", "_").lstrip("/")
        with suppress(OSError, ValueError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, dict) and isinstance(content.get("link"), str):
                path.symlink_to(content["link"][:200].replace("\0", "_") or ".")
            elif isinstance(content, dict) and "b64" in content:
                path.write_bytes(b64decode(str(content["b64"]) + "=="))
            elif isinstance(content, str):
                path.write_bytes(content.encode("utf-8", "surrogatepass"))
            else:
                path.write_text(json.dumps(content))
    return directory


def model_files(data: bytes, folder: Path) -> None:
    """A model's directory: refused if it has code, pickles, or links that lead out of it."""
    import mlx.core as mx

    from rxvoice.mlx._files import check_files
    from rxvoice.mlx._weight_size import growth

    directory = _files(data, folder)
    if directory is None:
        return
    assert isinstance(growth(directory, mx.float32), int)
    try:
        check_files(directory)
    except ConfigError:
        return
    home = os.path.realpath(directory)
    for at, folders, names in os.walk(directory):
        folders[:] = [it for it in folders if not it.startswith(".")]
        for name in (*folders, *names):
            path = os.path.realpath(os.path.join(at, name))
            assert name.startswith(".") or path.startswith(home), path
            code = (".py", ".so", ".pkl", ".pt", ".pth", ".ckpt")
            assert name.startswith((".", "consolidated", "pytorch_model")) or not (
                name.lower().endswith(code) and os.path.isfile(path)
            )


def silero(data: bytes, folder: Path) -> None:
    """The configuration and the weights of a Silero network."""
    config, _, weights = data.partition(b"\n")
    (folder / "config.json").write_bytes(config)
    (folder / "model.safetensors").write_bytes(weights)
    with suppress(ConfigError):
        found = load(str(folder), LAYOUTS[16_000])
        assert all(it.dtype == np.float32 for it in found.values())


def _converted(source: Path, folder: Path) -> None:
    from rxvoice.mlx import convert

    target = folder / "made"
    try:
        convert(source, target)
    except RxvoiceError:
        assert not target.exists()


def gguf(data: bytes, folder: Path) -> None:
    """A Llama in GGUF: converted, or refused before MLX maps it into memory."""
    path = folder / "model.gguf"
    path.write_bytes(data)
    _converted(path, folder)


def onnx(data: bytes, folder: Path) -> None:
    """A network in ONNX."""
    path = folder / "model.onnx"
    path.write_bytes(data)
    _converted(path, folder)


def ctranslate2(data: bytes, folder: Path) -> None:
    """A Whisper of CTranslate2: its configuration, its tokenizer and its weights."""
    config, _, rest = data.partition(b"\n")
    tokenizer, _, weights = rest.partition(b"\n")
    source = folder / "whisper"
    source.mkdir()
    (source / "config.json").write_bytes(config)
    (source / "tokenizer.json").write_bytes(tokenizer)
    (source / "model.bin").write_bytes(weights)
    _converted(source, folder)


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<unk>": 0, "a": 1}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")


def chat_template(data: bytes, folder: Path) -> None:
    """A chat template, which is a program: it ends, and reaches nothing."""
    from rxvoice.mlx._template import check_source, check_template

    text = data.decode("utf-8", "replace")
    secret = folder.parent / "secret"

    def render() -> object:
        return _tokenizer().apply_chat_template(
            [{"role": "user", "content": "Hello."}],
            chat_template=text,
            tokenize=False,
            add_generation_prompt=True,
        )

    with suppress(ConfigError):
        check_source("model", text)
        check_template("model", render)
    assert not secret.exists()
