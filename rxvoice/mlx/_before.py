"""Runs before anything imports MLX. Importing this module is all that it is for."""

from rxvoice._blas import load_openblas

load_openblas()
