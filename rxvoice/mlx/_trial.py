"""Computes something small, to see whether MLX works on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib import metadata

import mlx.core as mx
import numpy as np

from rxvoice._blas import Blas, load_openblas
from rxvoice.mlx._memory import usable_memory

_SIZE = 512


@dataclass(frozen=True)
class Trial:
    """How MLX works here.

    Attributes:
        version: of MLX.
        device: "gpu" or "cpu".
        name: what the system calls it.
        usable: the bytes that models may take; None if the system does not tell.
        blas: how OpenBLAS was loaded, for a Linux CPU.
        product_ms: how long a product of two matrices of 512 times 512 took, the second time.
        is_right: whether the product is that of numpy, up to rounding.
    """

    version: str
    device: str
    name: str
    usable: int | None
    blas: Blas
    product_ms: float
    is_right: bool


def trial() -> Trial:
    """Multiply two matrices on the default device, and run a compiled function.

    Raises:
        Exception: what MLX raises.
    """
    some = np.random.default_rng(0).normal(size=(_SIZE, _SIZE)).astype(np.float32)
    matrix = mx.array(some)
    _product(matrix)
    began = time.monotonic()
    product = _product(matrix)
    product_ms = 1000 * (time.monotonic() - began)
    wanted, found = some @ some, np.array(product, np.float32)
    compiled = mx.compile(_curve)(mx.zeros(4))
    return Trial(
        version=metadata.version("mlx"),
        device="gpu" if mx.default_device().type == mx.DeviceType.gpu else "cpu",
        name=str(mx.device_info().get("device_name", "")),
        usable=usable_memory(),
        blas=load_openblas(),
        product_ms=round(product_ms, 2),
        # A GPU may round its factors to 10 bits.
        is_right=bool(np.allclose(found, wanted, atol=0.5)) and compiled.tolist() == [2, 2, 2, 2],
    )


def _product(matrix: mx.array) -> mx.array:
    product = matrix @ matrix
    mx.eval(product)  # pyright: ignore[reportUnknownMemberType]
    return product


def _curve(values: mx.array) -> mx.array:
    return mx.exp(values) * 2 + mx.abs(values)
