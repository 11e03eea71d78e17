"""Where a pipe ends: each sink serves `play` and ``subscribe`` alike."""

from __future__ import annotations

from rxvoice.sinks._sink import Sink
from rxvoice.sinks.memory import MemorySink, memory
from rxvoice.sinks.mixer import Bus, Mixer, mixer
from rxvoice.sinks.null import NullSink, NullSpeaker, null
from rxvoice.sinks.speaker import Speaker, speaker
from rxvoice.sinks.wav import WavSink, wav

__all__ = [
    "Bus",
    "MemorySink",
    "Mixer",
    "NullSink",
    "NullSpeaker",
    "Sink",
    "Speaker",
    "WavSink",
    "memory",
    "mixer",
    "null",
    "speaker",
    "wav",
]
