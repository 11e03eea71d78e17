"""A Llama in GGUF, converted for mlx-lm."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest

import rxvoice as rxv
from rxvoice.cli import main
from rxvoice.errors import ConfigError
from tests.mlx import tiny_gguf
from tests.mlx.tiny_gguf import DEMO, Floats, Written, f16, f32, q4_0, q4_1, q8_0

pytestmark = pytest.mark.models

CONFIG = json.loads((DEMO / "config.json").read_text("utf-8"))
TOKENS, BLOCKS = CONFIG["vocab_size"], CONFIG["num_hidden_layers"]
HEAD = CONFIG["hidden_size"] // CONFIG["num_attention_heads"]
QUESTIONS = ("hello who are you", "what is the capital of france")


def answers(model: Path) -> list[str]:
    llm = rxv.mlx.llm(model)
    return ["".join(map(str, llm.respond(it))) for it in QUESTIONS]


def mixed(name: str, value: Floats) -> Written:
    return q8_0(value) if "embed" in name else q4_1(value)


def other(name: str, value: Floats) -> Written:
    return q8_0(value) if "embed" in name else q4_0(value)


def loaded(directory: Path) -> Any:
    return cast("Any", mlx_lm.load(str(directory)))[0]


def test_a_llama_says_what_it_said_before_it_was_in_gguf(tmp_path: Path) -> None:
    tiny_gguf.demo(tmp_path / "m.gguf")
    call = rxv.mlx.convert(tmp_path / "m.gguf", tmp_path / "m")
    assert call == f'rxv.mlx.llm("{tmp_path / "m"}")'
    # Its own tokenizer puts a space before a text, which GGUF does not tell.
    shutil.copy(DEMO / "tokenizer.json", tmp_path / "m")
    assert answers(tmp_path / "m") == answers(DEMO)


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: str, *_: object) -> None:
        Path(path).write_bytes(bytes(100))
        raise RuntimeError("[write] Unable to write 14951519 bytes to file.")  # as MLX does

    monkeypatch.setattr(mx, "save_safetensors", full)
    tiny_gguf.demo(tmp_path / "m.gguf")
    assert main(["models", "convert", str(tmp_path / "m.gguf"), str(tmp_path / "m")]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told == (
        "rxvoice: error: the weights cannot be written: [write] Unable to write 14951519 bytes to "
        "file.; is the disk full?"
    )
    assert [it.name for it in tmp_path.iterdir()] == ["m.gguf"]


def test_the_tokens_are_those_of_the_tokenizer_in_the_file(tmp_path: Path) -> None:
    tiny_gguf.demo(tmp_path / "m.gguf")
    rxv.mlx.convert(tmp_path / "m.gguf", tmp_path / "m")
    tokenizer = cast("Any", mlx_lm.load(str(tmp_path / "m")))[1]
    its_own = cast("Any", mlx_lm.load(str(DEMO)))[1]
    for text in (" what is the capital of Spain?", " naïve, it's 2024!\n\n", "<|user|> x<|end|>"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert ids == its_own.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
    assert tokenizer.eos_token_ids == {0}
    assert tokenizer.chat_template == its_own.chat_template


@pytest.mark.parametrize("pack", [lambda _, it: f32(it), lambda _, it: f16(it), mixed, other])
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_every_weight_is_the_number_that_the_file_stands_for(
    tmp_path: Path, pack: Any, dtype: Any
) -> None:
    wanted = tiny_gguf.demo(tmp_path / "m.gguf", pack)
    rxv.mlx.convert(tmp_path / "m.gguf", tmp_path / "m", dtype=dtype)
    config = json.loads((tmp_path / "m" / "config.json").read_text("utf-8"))
    is_quantized = pack in (mixed, other) and dtype is None
    assert ("quantization" in config) is is_quantized
    if is_quantized:
        assert config["quantization"]["bits"] == 4
        assert config["quantization"]["model.embed_tokens"] == {"group_size": 32, "bits": 8}
    weights: dict[str, mx.array] = cast("Any", mx.load(str(tmp_path / "m" / "model.safetensors")))
    for name, value in wanted.items():
        found, stem = weights[name], name.removesuffix(".weight")
        if f"{stem}.scales" in weights:
            scales, biases = (
                weights[f"{stem}.{it}"].astype(mx.float32) for it in ("scales", "biases")
            )
            bits = 8 if "embed" in name else 4
            found = mx.dequantize(found, scales, biases, 32, bits)
        np.testing.assert_allclose(np.array(found.astype(mx.float32)), value, rtol=1e-6, atol=1e-6)
    network = loaded(tmp_path / "m")
    assert network(mx.array([[1, 2, 3]])).shape == (1, 3, TOKENS)


def refused(tmp_path: Path, **own: Any) -> str:
    tiny_gguf.demo(tmp_path / "m.gguf", **own)
    with pytest.raises(ConfigError) as caught:
        rxv.mlx.convert(tmp_path / "m.gguf", tmp_path / "m")
    assert [it.name for it in tmp_path.iterdir()] == ["m.gguf"]
    return str(caught.value)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"general__architecture": "qwen2"}, "holds a model of the architecture 'qwen2'"),
        ({"llama__expert_count": 8}, "holds a mixture of experts"),
        ({"llama__rope__scaling__type": "yarn"}, "holds a model with scaled positions"),
        ({"tokenizer__ggml__model": "llama"}, "has a tokenizer of the kind 'llama' that splits"),
        ({"tokenizer__ggml__pre": "qwen2"}, "splits texts as 'qwen2', which is not converted"),
        ({"tokenizer__ggml__merges": None}, "lacks the tokens, the merges or the types"),
        ({"tokenizer__ggml__token_type": [1, 1]}, f"has {TOKENS} tokens, but types for 2"),
        ({"tokenizer__ggml__eos_token_id": None}, "it has no end token"),
        (
            {"llama__rope__dimension_count": 8},
            f"rope.dimension_count is not {HEAD}, the size of a head",
        ),
        (
            {"llama__block_count": BLOCKS + 1},
            f"lacks the weight model.layers.{BLOCKS}.input_layernorm",
        ),
        ({"llama__block_count": 1}, "has the weight model.layers.1.input_layernorm"),
        ({"llama__context_length": None}, "llama.context_length is None"),
        ({"general__alignment": 7}, "general.alignment is 7, wanted a multiple of 8"),
    ],
)
def test_other_models_are_refused(tmp_path: Path, own: dict[str, Any], said: str) -> None:
    assert said in refused(tmp_path, **own)


def test_other_weights_are_refused_by_name(tmp_path: Path) -> None:
    said = refused(tmp_path, pack=lambda _, it: (14, f32(it)[1]))
    assert "holds a model with weights in Q6_K, which is not converted: rxvoice reads" in said
    assert "in F32, F16, Q8_0, Q4_0 or Q4_1" in said
    (tmp_path / "m.gguf").unlink()
    assert "weights in type 99, " in refused(tmp_path, pack=lambda _, it: (99, f32(it)[1]))


@pytest.mark.parametrize("share", [0, 0.00001, 0.01, 0.1, 0.5, 0.999])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, share: float) -> None:
    tiny_gguf.demo(tmp_path / "m.gguf")
    whole = (tmp_path / "m.gguf").read_bytes()
    (tmp_path / "m.gguf").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ConfigError, match=r"m\.gguf is no GGUF file, or not complete: it"):
        rxv.mlx.convert(tmp_path / "m.gguf", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_file_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    tiny_gguf.demo(tmp_path / "m.gguf")
    whole = bytearray((tmp_path / "m.gguf").read_bytes())
    for at, said in ((8, "of something follow"), (4, "it is of version 4294967295")):
        broken = bytearray(whole)
        broken[at : at + 4] = b"\xff" * 4
        (tmp_path / "m.gguf").write_bytes(broken)
        with pytest.raises(ConfigError, match=said):
            rxv.mlx.convert(tmp_path / "m.gguf", tmp_path / "m")


def test_a_type_is_for_gguf(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()
    with pytest.raises(ConfigError, match=r"dtype='float32' is for a \.gguf file"):
        rxv.mlx.convert(tmp_path / "a.onnx", tmp_path / "m", dtype="float32")
    with pytest.raises(ConfigError, match="dtype must be one of"):
        rxv.mlx.convert(tmp_path / "a.onnx", tmp_path / "m", dtype=cast("Any", "int8"))


def test_what_a_killed_conversion_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    tiny_gguf.demo(tmp_path / "m.gguf")
    waits = (
        "import sys, rxvoice as rxv\n"
        "def told(step): print(step, flush=True); sys.stdin.readline()\n"
        "rxv.mlx.convert(sys.argv[1], sys.argv[2], progress=told)\n"
    )
    command = [sys.executable, "-c", waits, str(tmp_path / "m.gguf"), str(tmp_path / "m")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading the header\n"
        process.kill()
    (left,) = (it.name for it in tmp_path.iterdir() if it.name != "m.gguf")
    told: list[str] = []
    rxv.mlx.convert(tmp_path / "m.gguf", tmp_path / "m", progress=told.append)
    assert told[0] == f"deleting {left}, which a process has left that was cut off"
    assert sorted(it.name for it in tmp_path.iterdir()) == ["m", "m.gguf"]
