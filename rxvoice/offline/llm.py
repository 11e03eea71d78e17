"""The demonstration language model, whose weights are in this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rxvoice.offline.tools import OfflineTools

if TYPE_CHECKING:
    from rxvoice.mlx.llm import Llm

__all__ = ["llm", "phrases"]

_MODEL = Path(__file__).parent / "demo-llm"
_CONTEXT = 448
"""Tokens. The model was trained with conversations of up to 512."""


def llm(tools: OfflineTools | None = None) -> Llm:
    """The demonstration language model, for `respond`: real, small, and limited to 78 subjects.

    It was trained for this package, where its weights are. It replies to the questions in
    `phrases`, also in many other words, and to anything else that it does not know that. What the
    time or the date is, a die, a coin, a timer or a sum, it finds out with `OfflineTools`, which
    it calls as any model calls its tools. For any other use, take `rxvoice.mlx.llm` with a model
    from the Hugging Face hub.

    A conversation may be of any length. The model forgets turns older than about eight, without a
    `Notice`, since no reply depends on them. `rxvoice.mlx.llm` describes what comes out, and on
    which thread. ``llm().fresh()`` is another conversation with the same weights.

    Args:
        tools: what it calls. Give them where a timer is to be heard, and pass their `rings` as
            ``says=`` to `converse`. None: tools of its own, whose timers nobody hears.
    """
    from rxvoice.offline._demo_llm import DemoLlm

    functions = (tools or OfflineTools()).functions
    return DemoLlm(_MODEL, max_tokens=80, context_tokens=_CONTEXT, tools=functions)


def phrases() -> list[str]:
    """The questions that the demonstration model was taught, as written."""
    # training/demo_llm.py writes them, from training/dialogues.json.
    return cast("list[str]", json.loads((_MODEL / "phrases.json").read_text("utf-8")))
