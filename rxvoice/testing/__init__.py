"""For your tests: marble diagrams of audio, in virtual time, and what to run them with."""

from __future__ import annotations

from rxvoice.testing.marbles import (
    Marbles,
    Recorded,
    Source,
    audio,
    like,
    marbles,
    sound,
    turn,
    window,
)

# Fakes and the operator check are re-exported here.

__all__ = [
    "Marbles",
    "Recorded",
    "Source",
    "audio",
    "like",
    "marbles",
    "sound",
    "turn",
    "window",
]
