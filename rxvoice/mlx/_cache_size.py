"""How much memory a language model's cache takes, before it is filled."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import mlx.core as mx

from rxvoice.mlx._memory import usable_memory
from rxvoice.mlx._prompt_cache import COPIES, Layer

_STEP = 256
"""A window holds a whole step of a prompt for a time."""
_PART = 8
"""By default, the caches may take an eighth of the memory that models may take."""


@dataclass(frozen=True, slots=True)
class CacheSize:
    """The memory of one conversation's cache.

    Attributes:
        per_token: how many bytes each token takes.
        fixed: how many bytes it takes besides: states and windows, and their copies at the marks.
    """

    per_token: int
    fixed: int

    def bytes_of(self, tokens: int) -> int:
        """How much that many tokens take."""
        return self.fixed + self.per_token * tokens

    def tokens_in(self, size: int) -> int | None:
        """How many tokens have room in that many bytes; None for any number."""
        if self.per_token:
            return max(0, size - self.fixed) // self.per_token
        return None if self.fixed <= size else 0


def default_cache_bytes() -> int | None:
    """The most that the cache of a model takes if nobody says; None if the memory is not known."""
    usable = usable_memory()
    return None if usable is None else usable // _PART


def cache_size(model: Callable[..., object], make: Callable[[], list[Layer]]) -> CacheSize | None:
    """The size of the cache of a network; None if that cannot be told.

    MLX computes nothing for it: the sizes of its arrays are known before their numbers.

    Args:
        make: returns the layers of an empty cache.
    """
    try:
        layers = make()
        model(mx.zeros((1, 2), mx.uint32), cache=layers)
        sizes = [_size(it) for it in layers]
    except Exception:  # a network may want its numbers, or keep a cache of its own kind
        return None
    return CacheSize(sum(it.per_token for it in sizes), sum(it.fixed for it in sizes))


def cache_size_of(directory: Path, dtype: mx.Dtype | None) -> CacheSize | None:
    """The size of the cache of a model that is not loaded, by its config.json.

    Args:
        dtype: the type that its weights are converted to; None for that of its config.
    """
    try:
        config = config_of(directory)
        if "model_file" in config:  # code of its own, which is not to run here
            return None
        classes = import_module("mlx_lm.utils")._get_classes  # as mlx_lm.load does
        network, arguments = classes(config)
        with _same_chance():
            model = network(arguments.from_dict(config))
        model.set_dtype(dtype or _dtype_of(config))
        make = import_module("mlx_lm.models.cache").make_prompt_cache
        return cache_size(model, lambda: make(model))
    except Exception:  # a broken model is refused when it is loaded
        return None


@contextmanager
def _same_chance() -> Generator[None]:
    """Leave the random numbers that come next as they are: a new network draws some."""
    [key] = cast("Iterable[mx.array]", mx.random.state)
    high, low = cast("list[int]", key.tolist())
    try:
        yield
    finally:
        mx.random.seed(high << 32 | low)  # which makes the same key


def config_of(directory: Path) -> dict[str, Any]:
    """The entries of a model's config.json."""
    return cast("dict[str, Any]", json.loads((directory / "config.json").read_text("utf-8")))


def _dtype_of(config: dict[str, Any]) -> mx.Dtype:
    parts = (config, cast("dict[str, Any]", config.get("text_config") or {}))
    named = next((p[k] for p in parts for k in ("torch_dtype", "dtype") if k in p), "bfloat16")
    found = getattr(mx, str(named), mx.bfloat16)
    return found if isinstance(found, mx.Dtype) else mx.bfloat16


def _size(layer: Any) -> CacheSize:
    parts = getattr(layer, "caches", None)
    if parts is not None:
        sizes = [_size(it) for it in parts]
        return CacheSize(sum(it.per_token for it in sizes), sum(it.fixed for it in sizes))
    keys = getattr(layer, "keys", None)
    if keys is None:  # a state
        return CacheSize(0, layer.nbytes * (1 + COPIES))
    # Quantized keys come with their scales.
    room = cast("mx.array", keys[0] if isinstance(keys, tuple | list) else keys).shape[-2]
    per_token = int(layer.nbytes // room)
    most = getattr(layer, "max_size", None) or getattr(layer, "chunk_size", None)
    if most is None:
        return CacheSize(per_token, 0)
    return CacheSize(0, per_token * (most + _STEP) * (1 + COPIES))
