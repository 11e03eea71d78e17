"""Runs before anything imports MLX. Importing this module is all that it is for."""

from importlib import import_module

from rxvoice._blas import load_openblas
from rxvoice._system import mlx_command, unsupported
from rxvoice.errors import MissingDependency

load_openblas()

try:
    import_module("mlx.core")
except ImportError as error:
    raise MissingDependency(
        f"rxvoice.mlx needs MLX, which does not load ({error}): {unsupported() or mlx_command()}"
    ) from error
