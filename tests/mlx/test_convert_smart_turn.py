"""Smart Turn 3.2 in ONNX, whose weights come in a wheel, converted for mlx-audio."""

from __future__ import annotations

import json
import wave
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import numpy as np
import pytest
from reactivex import Observable
from thorough import THOROUGH, some

import rxvoice as rxv
from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.offline.weights import SMART_TURN
from tests.mlx.near import near

pytestmark = pytest.mark.models

CLIPS = 20


@pytest.fixture(scope="module")
def source() -> Path:
    if not SMART_TURN.is_installed:
        pytest.skip(f"needs {SMART_TURN.command}")
    pytest.importorskip("onnx")
    return SMART_TURN.file()


@pytest.fixture(scope="module")
def directory(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("converted") / "turn"
    assert rxv.mlx.convert(source, target) == f'rxv.mlx.smart_turn("{target}")'
    return target


@pytest.fixture(scope="module")
def policy(directory: Path) -> rxv.mlx.SmartTurn:
    policy = rxv.mlx.smart_turn(directory)
    policy.load()
    return policy


def network(policy: rxv.mlx.SmartTurn) -> Any:
    return cast("Any", policy._loaded()).__self__


def clips() -> list[Samples]:
    """The demo's user: parts that end within words and after them, of 1 to 8 s."""
    with wave.open(str(Path(rxv.__file__).parent / "data" / "demo.wav")) as file:
        assert file.getframerate() == 16_000
        audio = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    ends = np.linspace(16_000, len(audio), CLIPS).astype(int)
    parts = [audio[max(0, end - 16_000 * (1 + n % 8)) : end] for n, end in enumerate(ends)]
    return some(parts, 7)


def in_float32(path: Path) -> bytes:
    """The same network without the rounding of what it computes; its weights stay rounded."""
    onnx: Any = import_module("onnx")
    proto = onnx.load(path)
    makers = {out: node for node in proto.graph.node for out in node.output}
    for node in proto.graph.node:
        for at, name in enumerate(node.input):
            while (
                (whole := makers.get(name)) is not None
                and whole.op_type == "DequantizeLinear"
                and (rounded := makers.get(whole.input[0])) is not None
            ):
                name = node.input[at] = rounded.input[0]
    return proto.SerializeToString()


@pytest.mark.slow
def test_it_gives_the_probabilities_of_onnxruntime(source: Path, policy: rxv.mlx.SmartTurn) -> None:
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # others would burn a core while they wait
    files = (in_float32(source), str(source))
    exact, shipped = (runtime.InferenceSession(it, options) for it in files)
    model = network(policy)
    found, wanted, rounded = [], [], []
    for clip in clips():
        features = model.prepare_input_features(clip, 16_000)
        given = {"input_features": np.array(features)[None]}
        found.append(model(features)[0, 0].item())
        wanted.append(exact.run(None, given)[0][0, 0])
        rounded.append(shipped.run(None, given)[0][0, 0])
    np.testing.assert_allclose(found, wanted, atol=near(1e-5))
    assert max(found) > 0.8
    assert min(found) < 0.2
    # As it is shipped, it rounds all that it computes to 8 bits.
    assert 0.001 < np.abs(np.array(found) - rounded).mean() < 0.2


def test_as_a_policy_it_asks_the_same_network(policy: rxv.mlx.SmartTurn) -> None:
    model = network(policy)
    verdicts: set[bool] = set()
    for clip in clips():
        answer = policy.fresh().user_finished(clip, 700)
        assert isinstance(answer, Observable)
        verdicts.add(cast("Observable[bool]", answer).run())
        assert model.dtype == mx.float32
        if len(verdicts) == 2 and not THOROUGH:
            break
    assert verdicts == {True, False}


def test_the_weights_are_those_of_the_file(source: Path, directory: Path) -> None:
    onnx: Any = import_module("onnx")
    given = {it.name: onnx.numpy_helper.to_array(it) for it in onnx.load(source).graph.initializer}
    weights: dict[str, mx.array] = cast("Any", mx.load(str(directory / "model.safetensors")))
    assert len(weights) == 79
    norm = "encoder.layer_norm.weight"
    np.testing.assert_array_equal(np.array(weights[norm]), given[f"inner.{norm}"])
    # One that has no name of its own in the file: the first to make keys.
    scales = given["val_25_scale"].reshape(1, -1)
    keys = (given["val_25_quantized"] * scales).T
    name = "encoder.layers.0.self_attn.k_proj.weight"
    np.testing.assert_array_equal(np.array(weights[name]), keys)
    config = json.loads((directory / "config.json").read_text("utf-8"))
    assert config["encoder_config"]["encoder_layers"] == 4
    assert config["processor_config"]["max_audio_seconds"] == 8


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        rxv.mlx.convert(path, path.parent / "out")
    assert not (path.parent / "out").exists()
    return str(caught.value)


def test_other_networks_and_broken_files_are_refused(source: Path, tmp_path: Path) -> None:
    onnx: Any = import_module("onnx")
    path = tmp_path / "a.onnx"
    path.write_bytes(source.read_bytes()[:100_000])
    assert "a.onnx is no ONNX file, or not complete" in refused(path)
    whole = onnx.load(source)
    path.write_bytes(onnx.ModelProto().SerializeToString())
    assert "is not Smart Turn 3 as rxvoice knows it ('encoder.conv1.weight')" in refused(path)
    del whole.graph.node[-8:]
    path.write_bytes(whole.SerializeToString())
    assert "it lacks the weight classifier_" in refused(path)
    whole = onnx.load(source)
    whole.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    path.write_bytes(whole.SerializeToString())
    assert "inner.encoder.embed_positions.weight is in another file" in refused(path)


def test_without_the_package_it_says_how_to_get_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(import_module("sys").modules, "onnx", None)
    with pytest.raises(MissingDependency, match="needs the package onnx: pip install onnx"):
        rxv.mlx.convert(source, tmp_path / "out")
