"""The tiny recogniser of the demo, which runs on MLX and needs no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rxvoice.mlx.stt import Stt

__all__ = ["demo_phrases", "demo_stt"]

_MODEL = Path(__file__).parent / "demo-stt"


def demo_stt() -> Stt:
    """The demo's recogniser, for `transcribe`: small, real, and limited to a few sentences.

    It hears the sentences in `demo_phrases`, which the demo's language model knows too, in lower
    case and without punctuation, and "" in noise, in silence and
    in most other sentences. It was taught by synthetic voices: what it makes of people's is mostly
    wrong. `rxvoice.mlx.stt` says on which thread it runs.
    """
    from rxvoice.mlx.stt import stt

    return stt(_MODEL, max_turn_tokens=24)


def demo_phrases() -> list[str]:
    """Every sentence that the demo's recogniser was taught, as written."""
    # Written by training/demo_stt.py from training/demo_stt.json, which is where to change them.
    return cast("list[str]", json.loads((_MODEL / "phrases.json").read_text("utf-8")))
