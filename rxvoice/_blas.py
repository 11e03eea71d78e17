"""OpenBLAS, which MLX uses on a Linux CPU if it is loaded first."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from typing import Literal, TypeAlias

OPENBLAS_COMMAND = "sudo apt-get install libopenblas0-pthread"
"""Installs OpenBLAS on Debian and Ubuntu."""

Blas: TypeAlias = Literal["openblas", "missing", "late", "not needed"]
"""``"late"``: it is on this machine, and MLX was imported before it was loaded."""

_LIBRARY = "libopenblas.so.0"

_WAITING = {"OPENBLAS_THREAD_TIMEOUT": "16", "OMP_WAIT_POLICY": "PASSIVE"}
"""How idle threads of OpenBLAS (a power of two of the CPU's clock) and of OpenMP wait for work."""


@contextmanager
def sleeping_when_idle() -> Generator[None]:
    """Let the threads of libraries that are loaded in this block sleep soon when they are idle.

    By default they would spin for up to 0.1 s after each product, which takes a core from the rest
    of the conversation. What the user set in the environment holds.
    """
    own = {name: value for name, value in _WAITING.items() if name not in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)


@cache
def load_openblas() -> Blas:
    """Load OpenBLAS for MLX, and say how that went. The first call in a process decides.

    MLX's CPU build for Linux carries a plain BLAS, which multiplies float32 matrices up to 50 times
    slower. A library that is loaded before MLX, for all to see, takes its place, as by LD_PRELOAD.
    """
    if not _is_linux_cpu():
        return "not needed"
    is_late = "mlx.core" in sys.modules
    # Loaded late, it has no effect on MLX. LD_PRELOAD has loaded it in time.
    if is_late and not _is_loaded():
        return "late" if _found(ctypes.RTLD_LOCAL) else "missing"
    with sleeping_when_idle():
        return "openblas" if _found(ctypes.RTLD_GLOBAL) else "missing"


def advice(blas: Blas) -> str:
    """What to do for faster products, in a sentence; "" for nothing."""
    if blas == "missing":
        return (
            "MLX finds no OpenBLAS on this machine, and float32 models are up to 50 times slower "
            f"without: {OPENBLAS_COMMAND}"
        )
    if blas == "late":
        return (
            "mlx was imported before rxvoice.mlx, so OpenBLAS has no effect and float32 models are "
            "up to 50 times slower: import rxvoice.mlx first"
        )
    return ""


def _is_linux_cpu() -> bool:
    """Whether MLX runs on the CPU of Linux."""
    names = {it.metadata["Name"].lower() for it in metadata.distributions(name="mlx-cpu")}
    return sys.platform == "linux" and "mlx-cpu" in names


def _is_loaded() -> bool:
    """Whether the process had all of OpenBLAS's symbols from its start."""
    return hasattr(ctypes.CDLL(None), "openblas_get_config")


def _found(mode: int) -> bool:
    try:
        return hasattr(ctypes.CDLL(_LIBRARY, mode=mode), "cblas_sgemm")
    except OSError:
        return False
