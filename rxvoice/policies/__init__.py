"""Policies for the end of a turn, and the detector of barge-in.

- `silence` and `max_duration` count.
- `adaptive_silence` learns how long this user pauses.
- `end_word` waits for a word.
- `any_of` combines policies.
- `energy` detects barge-in.
"""

from __future__ import annotations

from rxvoice.policies._adaptive import AdaptiveSilence, adaptive_silence
from rxvoice.policies._any_of import any_of, fresh
from rxvoice.policies._counted import Silence, max_duration, silence
from rxvoice.policies._end_word import EndWord, end_word
from rxvoice.policies._energy import Energy, energy, rms

__all__ = [
    "AdaptiveSilence",
    "EndWord",
    "Energy",
    "Silence",
    "adaptive_silence",
    "any_of",
    "end_word",
    "energy",
    "fresh",
    "max_duration",
    "rms",
    "silence",
]
