"""The tiny language model of the demo, which needs no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rxvoice.mlx.llm import Llm

__all__ = ["llm", "phrases"]

_MODEL = Path(__file__).parent / "demo-llm"


def llm() -> Llm:
    """The demo's language model, for `respond`: small, real, and limited to twenty subjects.

    It answers the questions in `phrases`, near misses of them too, and says so when it is asked
    anything else. `rxvoice.mlx.llm` says what comes out and on which thread; ``llm().fresh()`` is
    another conversation with the same weights.
    """
    from rxvoice.mlx.llm import llm as mlx_llm

    return mlx_llm(_MODEL, max_tokens=80)


def phrases() -> list[str]:
    """Every question the demo's model was taught, as written; a recogniser is narrowed to them."""
    # Written by training/demo_llm.py from training/dialogues.json, which is where to change them.
    return cast("list[str]", json.loads((_MODEL / "phrases.json").read_text("utf-8")))
