"""Protects MLX's default stream from other people's code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import mlx.core as mx


@contextmanager
def same_stream() -> Generator[None]:
    """Put the thread's default stream back after this block.

    mlx-lm's generators hold a stream of their own while they are suspended. Two that end out of
    order leave it behind.
    """
    stream = mx.default_stream(mx.default_device())
    try:
        yield
    finally:
        mx.set_default_stream(stream)
