"""Recorded conversations: what happened, from their lines and their sound.

| file | has |
|---|---|
| `_recording`, `_header`, `_writer` | the trace of one subscription, and its thread |
| `_recorder`, `_traced_sink`, `_heard_track` | what comes from outside is noted |
| `_codec`, `_described` | as JSON, and back |
| `_replay` | `replay`: a pipe runs again on a trace |
| `_replayer`, `_replayed_*`, `_replay_scheduler` | what came from outside, from the trace |
| `_difference` | where a replay first differs |
| `_reading` | `read`, which gives a `Trace` of `TraceLine`s |
| `_sound` | `TraceSound`, a sound file of a trace |
"""

from __future__ import annotations

from rxvoice.trace._reading import SCHEMA, Trace, TraceLine, read
from rxvoice.trace._replay import replay
from rxvoice.trace._sound import TraceSound

__all__ = ["SCHEMA", "Trace", "TraceLine", "TraceSound", "read", "replay"]
