"""MLX's default stream, around other people's code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import mlx.core as mx

__all__ = ["same_stream"]


@contextmanager
def same_stream() -> Generator[None]:
    """Leave the thread's default stream as it was, whatever a model's generator does to it.

    mlx-lm's holds its own stream while it is suspended: two that end out of order leave that one.
    """
    stream = mx.default_stream(mx.default_device())
    try:
        yield
    finally:
        mx.set_default_stream(stream)
