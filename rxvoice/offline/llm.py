"""The demonstration language model, whose weights are in this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rxvoice.mlx.llm import Llm

__all__ = ["llm", "phrases"]

_MODEL = Path(__file__).parent / "demo-llm"
_CONTEXT = 320
"""Tokens. The model was trained with up to 768, but mostly with 64 to 256."""


def llm() -> Llm:
    """The demonstration language model, for `respond`: real, small, and limited to twenty subjects.

    It was trained for this package, where its weights are. It replies to the questions in
    `phrases`, also in many other words, and to anything else that it did not catch that. For any
    other use, take `rxvoice.mlx.llm` with a model from the Hugging Face hub.

    A conversation may be of any length. The model forgets turns older than about five, without a
    `Notice`, since no reply depends on them. `rxvoice.mlx.llm` describes what comes out, and on
    which thread. ``llm().fresh()`` is another conversation with the same weights.
    """
    from rxvoice.offline._demo_llm import DemoLlm

    return DemoLlm(_MODEL, max_tokens=80, context_tokens=_CONTEXT)


def phrases() -> list[str]:
    """The questions that the demonstration model was taught, as written."""
    # training/demo_llm.py writes them, from training/dialogues.json.
    return cast("list[str]", json.loads((_MODEL / "phrases.json").read_text("utf-8")))
