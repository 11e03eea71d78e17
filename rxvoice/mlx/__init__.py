"""Models that run on MLX, through mlx-lm and mlx-audio."""

from rxvoice.mlx.llm import Llm, llm

__all__ = ["Llm", "llm"]
