"""Models that run on MLX, through mlx-lm and mlx-audio, and the path of their sound."""

from rxvoice.mlx.dsp import crossfade, fade_out, gain, soft_limit
from rxvoice.mlx.llm import Llm, LlmStats, llm
from rxvoice.mlx.resample import Resampler
from rxvoice.mlx.scheduler import Lane, MlxScheduler
from rxvoice.mlx.smart_turn import SmartTurn, smart_turn
from rxvoice.mlx.tts import Tts, tts

__all__ = [
    "Lane",
    "Llm",
    "LlmStats",
    "MlxScheduler",
    "Resampler",
    "SmartTurn",
    "Tts",
    "crossfade",
    "fade_out",
    "gain",
    "llm",
    "smart_turn",
    "soft_limit",
    "tts",
]
