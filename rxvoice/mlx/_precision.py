"""The type of number that a model computes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, cast, get_args

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map_with_path  # pyright: ignore[reportUnknownVariableType]

from rxvoice.errors import ConfigError

Dtype: TypeAlias = Literal["float32", "bfloat16", "float16"]
"""A type of number, by its name in MLX."""


def check_dtype(dtype: Dtype | None) -> None:
    """Raise `ConfigError` if there is no such type."""
    known = get_args(Dtype)
    if dtype is not None and dtype not in known:
        raise ConfigError(f"dtype must be one of {', '.join(known)}, or None, got {dtype!r}")


def wanted(dtype: Dtype | None) -> mx.Dtype | None:
    """The type for a model that is loaded here and now; None for that of its weights.

    On a CPU the default is float32: MLX computes products of 16-bit numbers 3 to 30 times slower
    there.
    """
    if dtype is not None:
        return cast("mx.Dtype", getattr(mx, dtype))
    return mx.float32 if on_cpu() else None


def on_cpu() -> bool:
    """Whether this thread computes on the CPU."""
    return mx.default_device().type == mx.cpu


def convert(model: object, dtype: mx.Dtype | None) -> None:
    """Convert the weights of a network, and the scales and biases of its quantized ones.

    Does nothing if the type is None, or the model is not a network of MLX.
    """
    if dtype is None or not isinstance(model, nn.Module):
        return
    # Some families of mlx-lm keep a few weights as they are.
    takes = cast("Callable[[str], bool] | None", getattr(model, "cast_predicate", None))

    def converted(name: str, value: object) -> object:
        if not isinstance(value, mx.array) or not mx.issubdtype(value.dtype, mx.floating):
            return value
        return value.astype(dtype) if takes is None or takes(name) else value

    weights = cast("dict[str, object]", tree_map_with_path(converted, model.parameters()))
    model.update(weights)  # pyright: ignore[reportUnknownMemberType]
    # Families of mlx-audio convert their input to it.
    if isinstance(vars(model).get("dtype"), mx.Dtype):
        model.dtype = dtype
    mx.eval(model.parameters())  # pyright: ignore[reportUnknownMemberType]
