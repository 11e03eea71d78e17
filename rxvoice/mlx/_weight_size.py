"""How much memory weights take once they are converted."""

from __future__ import annotations

import json
from math import prod
from operator import index
from pathlib import Path

import mlx.core as mx

__all__ = ["growth"]

_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Bytes of a number, by the types of safetensors that a change of type converts."""
_MOST = 100_000_000  # bytes of a header, as safetensors itself allows


def growth(directory: Path, dtype: mx.Dtype | None) -> int:
    """How many bytes more the weights take in memory than on the disk; below 0 for fewer.

    Args:
        directory: the model's.
        dtype: the type that they are converted to; None for none.
    """
    if dtype is None:
        return 0
    return sum(_growth(it, dtype.size) for it in directory.rglob("*.safetensors") if it.is_file())


def _growth(path: Path, size: int) -> int:
    """As `growth`, for one file; 0 for a broken one, which is refused when it is loaded."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(min(_MOST, int.from_bytes(file.read(8), "little"))))
        return sum(
            (size - _FLOATS[it["dtype"]]) * prod(map(index, it["shape"]))
            for name, it in header.items()
            if name != "__metadata__" and it["dtype"] in _FLOATS
        )
    except (OSError, ArithmeticError, ValueError, LookupError, TypeError, AttributeError):
        return 0
    except RecursionError:  # nested too deep
        return 0
