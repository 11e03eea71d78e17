"""What mlx-audio's Whisper needs beyond its loader."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, cast

import mlx.core as mx

from rxvoice.errors import ConfigError


def convert_whisper(name: str, model: Any, path: Path, dtype: mx.Dtype | None) -> None:
    """Convert a Whisper; mlx-audio's loader makes float16 of whatever the weights are.

    Raises:
        ConfigError: it cannot run in this type.
    """
    if dtype is None or dtype == model.dtype:
        return
    if dtype == mx.bfloat16:
        raise ConfigError(
            f"the recogniser {name!r} is a Whisper, which mlx-audio runs in float32 or float16 "
            "only, got dtype='bfloat16'"
        )
    model.dtype = dtype
    weights = cast("dict[str, mx.array]", import_module("mlx_audio.utils").load_weights(path))
    # It converts to the model's type.
    model.load_weights(list(model.sanitize(weights).items()), strict=False)
    # No parameters, so that nothing else converts them.
    model.encoder._positional_embedding = model.encoder._positional_embedding.astype(dtype)
    model.decoder._mask = model.decoder._mask.astype(dtype)
    mx.eval(model.parameters())  # pyright: ignore[reportUnknownMemberType]


def own_options(model: object) -> dict[str, object]:
    """What ``generate`` has to be told beside the options of every recogniser."""
    is_whisper = type(model).__module__.startswith("mlx_audio.stt.models.whisper")
    return {"fp16": False} if is_whisper and getattr(model, "dtype", None) == mx.float32 else {}
