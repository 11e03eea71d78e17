"""Models that run on MLX, through mlx-lm and mlx-audio, and the thread that runs them.

- `llm`, `stt`, `tts`, `smart_turn`: one model each, for a slot of the conversation.
- `load`: fetches, loads and warms up models before the conversation.
- `convert`: published weights in other layouts, made into directories that these load.
- `MlxScheduler`: the model thread, with its lanes.
- `memory_use`: how much memory the models hold.
- `MlxResampler`: the sound of models, at the rate of a device.

The public file of a model has its options and what it does. ``_llm_model``, ``_stt_model`` and
``_tts_model`` load it from mlx-lm or mlx-audio, ``_hub`` fetches it, and ``_opening`` with
``_files`` refuses what is unsafe or broken.

A turn of a language model passes these: ``_chat_format`` renders the conversation and splits what
is written, with ``_text_splitter`` or ``_channels``; ``_window`` says what fits; ``_prefill`` feeds
what ``_prompt_cache`` does not know; ``_batches`` and ``_batch`` write. ``_cache_size`` foretells
the memory of a conversation, and ``_shelf`` bounds that of all.
"""

import os

# transformers, which loads the tokenizers, advises to install PyTorch. It is not needed.
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")

from rxvoice._language.options import LlmOptions
from rxvoice.mlx import _before as _before
from rxvoice.mlx._memory import MemoryUse, memory_use
from rxvoice.mlx.convert import convert
from rxvoice.mlx.llm import Llm, LlmStats, llm
from rxvoice.mlx.loading import Kind, Loadable, Loaded, Progress, ProgressLine, load
from rxvoice.mlx.resample import MlxResampler
from rxvoice.mlx.scheduler import Lane, MlxScheduler
from rxvoice.mlx.smart_turn import SmartTurn, smart_turn
from rxvoice.mlx.stt import Stt, SttSession, WhisperText, stt
from rxvoice.mlx.tts import Tts, tts

__all__ = [
    "Kind",
    "Lane",
    "Llm",
    "LlmOptions",
    "LlmStats",
    "Loadable",
    "Loaded",
    "MemoryUse",
    "MlxResampler",
    "MlxScheduler",
    "Progress",
    "ProgressLine",
    "SmartTurn",
    "Stt",
    "SttSession",
    "Tts",
    "WhisperText",
    "convert",
    "llm",
    "load",
    "memory_use",
    "smart_turn",
    "stt",
    "tts",
]
