"""Models that run on MLX, through mlx-lm and mlx-audio."""

from rxvoice.mlx.llm import Llm, llm
from rxvoice.mlx.smart_turn import SmartTurn, smart_turn

__all__ = ["Llm", "SmartTurn", "llm", "smart_turn"]
