"""Recorded conversations: what happened, drawn and exported.

| file | has |
|---|---|
| `_recording`, `_header`, `_writer` | the trace of one subscription, and its thread |
| `_recorder`, `_recorded_observers`, `_traced_sink`, `_heard_track` | what comes is noted |
| `_codec`, `_described`, `_kept_sound` | as JSON and FLAC, and back |
| `_replay` | `replay`: a pipe runs again on a trace |
| `_replayer`, `_replayed_*`, `_replay_scheduler` | what came from outside, from the trace |
| `_difference` | where a replay first differs |
| `_what_if`, `_what_if_clock` | a pipe with other settings, in virtual time |
| `_known`, `_recorded_answers`, `_spoken_words` | what models would have answered then |
| `_outline`, `_compared` | the turns of a conversation; two conversations side by side |
| `_reading` | `read`, which gives a `Trace` of `TraceLine`s |
| `_sound`, `_growing_sound` | a sound file of a trace, and one that is being written |
| `_telling` | `story`, which tells a `TraceStory` from the lines |
| `_story` | `TraceStory`, its turns, and the parts of what the user waited for |
| `_answers`, `_played`, `_capture_time`, `_judgements`, `_happened`, `_text` | its sources |
| `_lanes` | the shapes of a timeline, which `_svg` and `_page` draw |
| `_sounding`, `_colours` | their waveforms and colours |
| `_timeline` | `timeline`, which writes a picture or a page |
| `_export` | `export`, which writes the formats of other tools |
"""

from __future__ import annotations

from rxvoice.trace._export import export
from rxvoice.trace._reading import SCHEMA, Trace, TraceLine, read
from rxvoice.trace._replay import replay
from rxvoice.trace._sound import TraceSound
from rxvoice.trace._story import StoryTurn, TraceStory
from rxvoice.trace._telling import story
from rxvoice.trace._timeline import timeline

__all__ = [
    "SCHEMA",
    "StoryTurn",
    "Trace",
    "TraceLine",
    "TraceSound",
    "TraceStory",
    "export",
    "read",
    "replay",
    "story",
    "timeline",
]
