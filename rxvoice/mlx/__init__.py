"""Models that run on MLX, through mlx-lm and mlx-audio, and the path of their sound."""

import os

# transformers, which loads the tokenizers, advises everybody to install PyTorch. It is not needed.
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

from rxvoice.mlx.dsp import crossfade, fade_out, gain, soft_limit
from rxvoice.mlx.llm import Llm, LlmStats, llm
from rxvoice.mlx.loading import Kind, Loadable, Loaded, Progress, ProgressLine, load
from rxvoice.mlx.resample import Resampler
from rxvoice.mlx.scheduler import Lane, MlxScheduler
from rxvoice.mlx.smart_turn import SmartTurn, smart_turn
from rxvoice.mlx.stt import Stt, SttSession, stt
from rxvoice.mlx.tts import Tts, tts

__all__ = [
    "Kind",
    "Lane",
    "Llm",
    "LlmStats",
    "Loadable",
    "Loaded",
    "MlxScheduler",
    "Progress",
    "ProgressLine",
    "Resampler",
    "SmartTurn",
    "Stt",
    "SttSession",
    "Tts",
    "crossfade",
    "fade_out",
    "gain",
    "llm",
    "load",
    "smart_turn",
    "soft_limit",
    "stt",
    "tts",
]
