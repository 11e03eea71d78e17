"""Writes the weights of a converted model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import mlx.core as mx


def save_weights(directory: Path, weights: Mapping[str, mx.array]) -> None:
    """Write ``model.safetensors``.

    Raises:
        OSError: it cannot be written, as on a full disk. MLX itself raises a RuntimeError.
    """
    path = directory / "model.safetensors"
    try:
        mx.save_safetensors(  # pyright: ignore[reportUnknownMemberType]
            str(path), dict(weights), {"format": "mlx"}
        )
    except RuntimeError as error:
        raise OSError(f"the weights cannot be written: {error}; is the disk full?") from error
