"""The memory of the GPU: how much MLX holds, and how much it may."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast

import mlx.core as mx

__all__ = ["MemoryUse", "memory_use"]

_METAL_SIZE = "max_recommended_working_set_size"
_CUDA_SIZE = "total_memory"
_CACHE_PART = 8
"""MLX's cache may take an eighth of the memory: macOS and other apps want the rest."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """How much memory MLX holds in this process, in bytes, for all models together.

    Attributes:
        active: what is in use: weights, prompt caches and what is being computed.
        peak: the most that was in use.
        cached: what is free and kept for the next computation.
    """

    active: int
    peak: int
    cached: int


def memory_use() -> MemoryUse:
    """How much memory MLX holds now. Any thread may ask.

    ```python
    vox.metrics(sink=speaker, memory=lambda: rxv.mlx.memory_use().active)
    ```
    """
    return MemoryUse(mx.get_active_memory(), mx.get_peak_memory(), mx.get_cache_memory())


def usable_memory() -> int | None:
    """How many bytes models may take here; None if the system does not tell."""
    info = _info()
    recommended, total = info.get(_METAL_SIZE), info.get(_CUDA_SIZE)
    if isinstance(recommended, int):
        return recommended
    if isinstance(total, int):
        return total * 3 // 4
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (ValueError, OSError):
        return None


def limit_memory() -> None:
    """Keep the models in memory on Metal, and MLX's cache small there. A lower limit stays.

    mlx-lm wires the memory for each of its answers and lets go of it after each. Prompts that
    rxvoice feeds, recognisers and voices would run without. Elsewhere this does nothing.
    """
    size = _info().get(_METAL_SIZE)
    if not mx.metal.is_available() or not isinstance(size, int):
        return
    wired = mx.set_wired_limit(size)
    if wired:  # the app has set one; it is 0 by default
        mx.set_wired_limit(wired)
    cache = mx.set_cache_limit(size // _CACHE_PART)
    if cache < size // _CACHE_PART:
        mx.set_cache_limit(cache)


def _info() -> dict[str, object]:
    return cast("dict[str, object]", mx.device_info())
