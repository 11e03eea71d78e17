"""Reads Smart Turn 3 in ONNX, and writes it as mlx-audio has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from rxvoice.errors import ConfigError, MissingDependency
from rxvoice.mlx._saving import save_weights

_Array = NDArray[np.generic]
_HEAD = 64
"""The width of a head of attention, in Whisper of any size."""

_PREFIX = "inner."  # before the name of each weight


def convert_smart_turn(source: Path, target: Path, tell: Callable[[str], None]) -> None:
    """Write the model to `target`, an empty directory.

    Raises:
        ConfigError: it is another network, or the file is not complete.
        MissingDependency: the package onnx is not installed.
    """
    try:
        onnx: Any = import_module("onnx")
    except ImportError as error:
        raise MissingDependency(
            "reading an .onnx file needs the package onnx: pip install onnx"
        ) from error
    tell("reading the network")
    try:
        # Weights beside the file would be read from wherever it says.
        proto = onnx.load_model(source, format="protobuf", load_external_data=False)
    except Exception as error:  # protobuf's own kinds
        raise ConfigError(f"{source} is no ONNX file, or not complete: {error}") from error
    try:
        weights = _OnnxGraph(proto.graph, onnx.numpy_helper.to_array).weights()
        config = _config(weights)
        _check(weights, config)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{source} is not Smart Turn 3 as rxvoice knows it ({error}): it reads the network "
            "that pipecat-ai carries"
        ) from error
    (target / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    tell("writing model.safetensors")
    save_weights(target, {name: mx.array(value) for name, value in weights.items()})


class _OnnxGraph:
    """A graph of ONNX, whose weights may be quantized, and its activations too."""

    def __init__(self, graph: Any, to_array: Callable[[Any], _Array]) -> None:
        self._nodes: list[Any] = list(graph.node)
        self._makers: dict[str, Any] = {out: it for it in self._nodes for out in it.output}
        self._given: dict[str, Any] = {it.name: it for it in graph.initializer}
        self._to_array = to_array

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights by mlx-audio's names, as a network in PyTorch has them: outputs first."""
        found: dict[str, _Array] = {}
        for name in [*self._given, *self._makers]:
            is_named = name.startswith(_PREFIX) and name.endswith((".weight", ".bias"))
            if is_named and (value := self._constant(name)) is not None:
                found[name] = value
        for name, value in self._products():
            found[name] = value
        return {
            name.removeprefix(_PREFIX): np.ascontiguousarray(it, dtype=np.float32)
            for name, it in found.items()
        }

    def _products(self) -> Iterator[tuple[str, _Array]]:
        """The weights that have no name of their own, by those of the biases beside them."""
        queries: dict[str, str] = {}  # what is projected to queries, and their layer
        others: list[tuple[str, _Array]] = []
        biases = self._biases()
        for node in self._nodes:
            if node.op_type in ("Gemm", "Conv"):
                value = self._constant(node.input[1])
                turned = node.op_type == "Conv" or _attribute(node, "transB")
                if value is None or not turned:
                    raise ValueError(f"the weights of {node.name} are not constant")
                yield self._called(node.input[2]), value
            elif node.op_type == "MatMul" and (value := self._constant(node.input[1])) is not None:
                bias = biases.get(node.output[0])
                if bias is None:
                    others.append((self._through(node.input[0]), value.T))
                    continue
                yield self._called(bias), value.T
                if bias.endswith(".q_proj.bias"):
                    queries[self._through(node.input[0])] = bias.removesuffix("q_proj.bias")
        # The keys have no bias: they are made of what the queries are made of.
        for source, value in others:
            yield f"{queries[source]}k_proj.weight", value

    def _biases(self) -> dict[str, str]:
        """The bias that is added to an output, by the output's name."""
        found: dict[str, str] = {}
        for node in self._nodes:
            if node.op_type == "Add":
                for one, other in ((0, 1), (1, 0)):
                    if node.input[one].endswith(".bias"):
                        found[self._through(node.input[other])] = node.input[one]
        return found

    def _called(self, bias: str) -> str:
        if not bias.endswith(".bias"):
            raise ValueError(f"{bias!r} is no bias")
        return f"{bias.removesuffix('bias')}weight"

    def _through(self, name: str) -> str:
        """The value before it was quantized and made whole again."""
        for _ in self._nodes:  # a value that is made of itself would go on for ever
            maker = self._makers.get(name)
            if maker is None or maker.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                return name
            name = maker.input[0]
        raise ValueError(f"{name} is made of itself")

    def _constant(self, name: str) -> _Array | None:
        """The value, if it is known before anything is computed."""
        if (given := self._given.get(name)) is not None:
            if given.data_location:
                raise ValueError(f"{name} is in another file")
            value = self._to_array(given)
            if not value.size:
                raise ValueError(f"{name} is empty")
            return value
        maker = self._makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        value, scale = self._constant(maker.input[0]), self._constant(maker.input[1])
        if value is None or scale is None:
            return None
        zero = self._constant(maker.input[2]) if len(maker.input) > 2 else np.zeros_like(scale)
        if zero is None:
            return None
        shape = [1] * value.ndim
        if scale.size > 1:
            axis = _attribute(maker, "axis", 1)
            if value.shape[axis] != scale.size:
                raise ValueError(f"{name} has {scale.size} scales for {value.shape[axis]} parts")
            shape[axis] = -1
        difference = value.astype(np.int32) - zero.astype(np.int32).reshape(shape)
        return difference * scale.astype(np.float32).reshape(shape)


def _attribute(node: Any, name: str, default: int = 0) -> int:
    return next((int(it.i) for it in node.attribute if it.name == name), default)


def _config(weights: dict[str, NDArray[np.float32]]) -> dict[str, object]:
    width, mels, _ = weights["encoder.conv1.weight"].shape
    positions = weights["encoder.embed_positions.weight"].shape[0]
    return {
        "model_type": "smart_turn",
        "architecture": "smart_turn",
        "dtype": "float32",
        "encoder_config": {
            "model_type": "smart_turn_encoder",
            "num_mel_bins": mels,
            "max_source_positions": positions,
            "d_model": width,
            "encoder_attention_heads": width // _HEAD,
            "encoder_layers": len({it.split(".")[2] for it in weights if ".layers." in it}),
            "encoder_ffn_dim": weights["encoder.layers.0.fc1.weight"].shape[0],
            "k_proj_bias": "encoder.layers.0.self_attn.k_proj.bias" in weights,
        },
        "processor_config": {
            "sampling_rate": 16_000,
            # A position is 20 ms.
            "max_audio_seconds": positions // 50,
            "n_fft": 400,
            "hop_length": 160,
            "n_mels": mels,
            "normalize_audio": True,
            "threshold": 0.5,
        },
    }


def _check(weights: dict[str, NDArray[np.float32]], config: dict[str, object]) -> None:
    """Raise `ValueError` unless mlx-audio's network has just these weights."""
    from mlx.utils import tree_flatten  # pyright: ignore[reportUnknownVariableType]
    from mlx_audio.vad.models.smart_turn import Model, ModelConfig

    model: Any = Model(ModelConfig.from_dict(config))  # pyright: ignore[reportUnknownMemberType]
    given = model.sanitize({name: mx.array(it) for name, it in weights.items()})
    wanted: dict[str, mx.array] = dict(tree_flatten(model.parameters()))
    if odd := sorted(set(given) ^ set(wanted)):
        raise ValueError(f"it {'lacks' if odd[0] in wanted else 'has'} the weight {odd[0]}")
    for name, value in wanted.items():
        if given[name].shape != value.shape:
            raise ValueError(f"{name} is of shape {given[name].shape}, wanted {value.shape}")
