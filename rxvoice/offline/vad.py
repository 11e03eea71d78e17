"""Voice activity detection with Silero, whose weights are in this package."""

from __future__ import annotations

from pathlib import Path

from rxvoice import _silero
from rxvoice._silero import Silero

__all__ = ["silero"]

_MODEL = Path(__file__).parent / "silero-v6"


def silero() -> Silero:
    """Silero's voice activity detector for 16 kHz, for `vad`. It needs no download.

    It is no demonstration: it has the weights of Silero 6.2 (MIT), as people use them.
    `rxvoice.silero` runs the same network with weights from the Hugging Face hub or from a
    directory, also for 8 kHz.

    Runs on: the thread that asks it.
    """
    return _silero.silero(_MODEL)
