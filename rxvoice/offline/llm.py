"""The tiny language model of the demo, which needs no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rxvoice.mlx.llm import Llm

__all__ = ["llm", "phrases"]

_MODEL = Path(__file__).parent / "demo-llm"
_CONTEXT = 320
"""Tokens. It was trained with up to 768, but mostly with 64 to 256."""


def llm() -> Llm:
    """The demo's language model, for `respond`: small, real, and limited to twenty subjects.

    It answers the questions in `phrases`, most of them in other words too, and says that it did not
    catch what it was asked where that is anything else. A conversation may be as long as you like:
    it keeps to the length of most of those it was trained on, and forgets turns older than some
    five, without a `Notice`, since no answer depends on them. `rxvoice.mlx.llm` says what comes out
    and on which thread; ``llm().fresh()`` is another conversation with the same weights.
    """
    from rxvoice.offline._demo_llm import DemoLlm

    return DemoLlm(_MODEL, max_tokens=80, context_tokens=_CONTEXT)


def phrases() -> list[str]:
    """Every question the demo's model was taught, as written; a recogniser is narrowed to them."""
    # Written by training/demo_llm.py from training/dialogues.json, which is where to change them.
    return cast("list[str]", json.loads((_MODEL / "phrases.json").read_text("utf-8")))
