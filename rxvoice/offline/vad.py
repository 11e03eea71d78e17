"""Voice activity detection with Silero, whose weights are in this package."""

from __future__ import annotations

from pathlib import Path

from rxvoice import _silero
from rxvoice._silero import Silero

__all__ = ["silero"]

_MODEL = Path(__file__).parent / "silero-v6"


def silero(*, gather_ms: float = 0) -> Silero:
    """Silero's voice activity detector for 16 kHz, for `vad`. It needs no download.

    It is no demonstration: it has the weights of Silero 6.2 (MIT), as people use them.
    `rxvoice.silero` runs the same network with weights from the Hugging Face hub or from a
    directory, also for 8 kHz.

    Runs on: the thread that asks it.

    Args:
        gather_ms: as of `rxvoice.silero`: how long a chunk may wait for those of other
            conversations, in milliseconds, 0 to 32.

    Raises:
        ConfigError: a `gather_ms` out of range.
    """
    return _silero.silero(_MODEL, gather_ms=gather_ms)
