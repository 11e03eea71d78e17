"""Recorded conversations: what happened, from their lines and their sound.

| file | has |
|---|---|
| `_reading` | `read`, which gives a `Trace` of `TraceLine`s |
| `_sound` | `TraceSound`, a sound file of a trace |
"""

from __future__ import annotations

from rxvoice.trace._reading import SCHEMA, Trace, TraceLine, read
from rxvoice.trace._sound import TraceSound

__all__ = ["SCHEMA", "Trace", "TraceLine", "TraceSound", "read"]
