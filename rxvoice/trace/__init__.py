"""Recorded conversations: what happened, from their lines and their sound.

| file | has |
|---|---|
| `_recording`, `_header`, `_writer` | the trace of one subscription of `live`, and the thread that writes it |
| `_recorder`, `_recorded_sink` | what comes from outside is noted |
| `_codec`, `_described` | as JSON, and back |
| `_replay` | `replay`: a pipe runs again on a trace |
| `_replayer`, `_replayed_sink`, `_difference` | what came from outside comes from the trace |
| `_reading` | `read`, which gives a `Trace` of `TraceLine`s |
| `_sound` | `TraceSound`, a sound file of a trace |
"""

from __future__ import annotations

from rxvoice.trace._reading import SCHEMA, Trace, TraceLine, read
from rxvoice.trace._replay import replay
from rxvoice.trace._sound import TraceSound

__all__ = ["SCHEMA", "Trace", "TraceLine", "TraceSound", "read", "replay"]
