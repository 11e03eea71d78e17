"""Sinks: where sound goes. Each works with `play`, with `converse` and with ``subscribe``.

The sinks: `speaker`, `mixer`, `memory`, `null` and `wav`. Their bases:

- `_sink`: `Sink`, and `KeepingSink` for sinks that keep what they take
- `_queued`: sinks that play without a device of their own; `_clocked`: by the clock
- `_forwarding`: sinks in front of another sink
- `_written`: a copy of what is written

From samples to a device, for `speaker` and for the buses of `mixer`:

- `_track`: converts, queues and counts; `_speaker_track`: across a change of device
- `_ahead`: conversion by MLX, on the thread that makes the samples
- `_play_queue`: what the device plays next
- `_in_flight`: which samples were heard

A loudspeaker:

- `_speaker_thread`: tends the device, and tells what was heard; `_waker`: a thread that sleeps
- `_loudspeaker`: opens a device again; `_output_stream`: one opened stream
- `_switches`: requests for another device; `_underruns`: reports of silence
"""

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
