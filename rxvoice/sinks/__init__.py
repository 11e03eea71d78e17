"""Where a pipe ends: each sink serves `play` and ``subscribe`` alike."""

from __future__ import annotations

from rxvoice.sinks._sink import Sink
from rxvoice.sinks.memory import MemorySink, memory
from rxvoice.sinks.null import NullSink, null
from rxvoice.sinks.speaker import Speaker, speaker
from rxvoice.sinks.wav import WavSink, wav

__all__ = [
    "MemorySink",
    "NullSink",
    "Sink",
    "Speaker",
    "WavSink",
    "memory",
    "null",
    "speaker",
    "wav",
]
