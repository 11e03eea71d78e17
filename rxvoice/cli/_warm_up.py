"""Loads the models and warms them up before a conversation begins."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rxvoice.cli._parts import Parts

if TYPE_CHECKING:
    from reactivex import abc

_CLEAR_LINE = "\r\x1b[K"


def warm_up(parts: Parts, *, worker: abc.SchedulerBase | None = None, plain: bool = False) -> None:
    """Load each model and run it once, so that the first turn does not wait.

    On a terminal, a line shows the progress of loading and downloading, and disappears at the end.

    Args:
        worker: the scheduler that will run the models; None for this thread.
        plain: draw no line.

    Raises:
        ConfigError: a model cannot be downloaded or loaded.
    """
    from rxvoice.mlx import ProgressLine, load

    live = not plain and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if live:
        print("  loading the models and warming them up ...", end="", flush=True)
    try:
        progress = ProgressLine(sys.stdout if live else None)
        loaded = (parts.vad, parts.smart_turn, parts.stt, parts.llm, parts.tts)
        load(*(it for it in loaded if it), worker=worker, progress=progress)
    finally:
        if live:
            print(_CLEAR_LINE, end="", flush=True)
