"""The type of number that models compute in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten

import rxvoice as rxv
from rxvoice.errors import ConfigError
from rxvoice.mlx import _precision
from rxvoice.mlx._precision import Dtype, wanted
from tests.mlx import tiny_smart_turn, tiny_stt, tiny_tts

pytestmark = pytest.mark.models
DEMO = Path(rxv.__file__).parent / "offline" / "demo-llm"


def half(folder: Path, *, bits: int | None = None) -> Path:
    """The demo's language model, with weights of 16 bits, or quantized."""
    import mlx_lm

    shutil.copytree(DEMO, folder)
    model, _, config = cast("Any", mlx_lm.load(str(DEMO), return_config=True))
    model.set_dtype(mx.float16)
    if bits is not None:
        config["quantization"] = {"group_size": 32, "bits": bits}
        nn.quantize(model, 32, bits)
    save(folder, dict(tree_flatten(model.parameters())))
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


def save(folder: Path, weights: dict[str, mx.array]) -> Path:
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    return folder


def in_16_bits(folder: Path) -> Path:
    """The same directory, its weights in float16."""
    path = str(folder / "model.safetensors")
    weights = cast("dict[str, mx.array]", mx.load(path))
    return save(folder, {name: value.astype(mx.float16) for name, value in weights.items()})


def types(model: Any) -> set[mx.Dtype]:
    """The types of a network's parameters."""
    return {value.dtype for _, value in tree_flatten(model.parameters())}


def network(part: Any) -> Any:
    """The network of a loaded part."""
    return part._family.model.model if isinstance(part, rxv.mlx.Llm) else part._model


def sound(seconds: float = 1) -> Any:
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)


@pytest.fixture
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if MLX computed on a CPU, on a Mac too."""
    monkeypatch.setattr(_precision, "on_cpu", lambda: True)


@pytest.mark.usefixtures("on_a_cpu")
def test_float32_is_the_default_on_a_cpu(tmp_path: Path) -> None:
    llm = rxv.mlx.llm(half(tmp_path / "llm"))
    llm.load()
    assert types(network(llm)) == {mx.float32}
    assert "".join(map(str, llm.respond("What time is it?")))


@pytest.mark.usefixtures("on_a_cpu")
def test_the_scales_of_quantized_weights_are_converted_too(tmp_path: Path) -> None:
    llm = rxv.mlx.llm(half(tmp_path / "llm", bits=8))
    llm.load()
    assert types(network(llm)) == {mx.uint32, mx.float32}


def test_metal_keeps_the_type_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = mx.Device(mx.gpu)
    monkeypatch.setattr(mx, "default_device", lambda: gpu)
    assert wanted(None) is None
    assert wanted("bfloat16") == mx.bfloat16


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_type_may_be_chosen(tmp_path: Path, dtype: Dtype) -> None:
    llm = rxv.mlx.llm(half(tmp_path / "llm"), dtype=dtype)
    llm.load()
    assert types(network(llm)) == {getattr(mx, dtype)}
    tts = rxv.mlx.tts(in_16_bits(tiny_tts.soprano(tmp_path / "tts")), dtype=dtype)
    tts.load()
    assert types(network(tts)) == {getattr(mx, dtype)}
    stt = rxv.mlx.stt(in_16_bits(tiny_stt.moonshine(tmp_path / "stt")), dtype=dtype)
    stt.load()
    assert types(network(stt)) == {getattr(mx, dtype)}


def test_load_chooses_for_all(tmp_path: Path) -> None:
    llm, stt = rxv.mlx.llm(half(tmp_path / "llm")), rxv.mlx.stt(tiny_stt.moonshine(tmp_path / "s"))
    rxv.mlx.load(llm, stt, dtype="bfloat16")
    assert types(network(llm)) == types(network(stt)) == {mx.bfloat16}
    assert llm.fresh().dtype == "bfloat16"


@pytest.mark.usefixtures("on_a_cpu")
def test_a_whisper_computes_in_the_type_that_was_chosen(tmp_path: Path) -> None:
    folder = tiny_stt.whisper(tmp_path / "whisper")
    exact = cast("dict[str, mx.array]", mx.load(str(folder / "model.safetensors")))
    stt = rxv.mlx.stt(folder, language="en")
    audio = sound(29.5)  # the whole window, as mlx-audio has it
    text = stt.transcribe_turn(audio)
    model = network(stt)
    assert types(model) == {model.dtype} == {mx.float32}
    # mlx-audio's loader has rounded the weights to 16 bits.
    loaded = dict(tree_flatten(model.parameters()))
    assert all(mx.array_equal(loaded[name], value) for name, value in exact.items())
    assert model.encoder(mx.zeros((1, 3000, 80))).dtype == mx.float32
    assert text == model.generate(mx.array(audio), language="en", fp16=False).text.strip() != ""
    small = rxv.mlx.stt(folder, language="en", dtype="float16")
    assert small.transcribe_turn(sound())
    assert types(network(small)) == {mx.float16}


def test_a_whisper_has_no_bfloat16(tmp_path: Path) -> None:
    stt = rxv.mlx.stt(tiny_stt.whisper(tmp_path / "whisper"), dtype="bfloat16")
    with pytest.raises(ConfigError, match="in float32 or float16 only, got dtype='bfloat16'"):
        stt.load()


@pytest.mark.usefixtures("on_a_cpu")
def test_an_end_of_turn_model_computes_in_float32(tmp_path: Path) -> None:
    folder = in_16_bits(tiny_smart_turn.build(tmp_path / "turn"))
    policy = rxv.mlx.smart_turn(folder)
    policy.load()
    assert types(cast("Any", policy._loaded()).__self__) == {mx.float32}


@pytest.mark.parametrize("make", [rxv.mlx.llm, rxv.mlx.stt, rxv.mlx.tts])
def test_an_unknown_type_is_refused_at_once(make: Any) -> None:
    message = "dtype must be one of float32, bfloat16, float16, or None, got 'int8'"
    with pytest.raises(ConfigError, match=message):
        make("some/model", dtype="int8")
    with pytest.raises(ConfigError, match=message):
        rxv.mlx.load(dtype=cast("Any", "int8"))
