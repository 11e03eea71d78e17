"""Events: what happens in a conversation, for an app's display and its log.

Events travel beside the elements, in the order in which things happen. `Event.as_json` makes a dict
for ``json.dumps``.

| file | events |
|---|---|
| `_event` | `Event`, the base of all, and the two that any stage may emit |
| `_turns` | turns, candidates and replies; most of them are emitted by `converse` |
| `_sound` | the level of the sound, lost samples, and the devices |
| `_metrics` | `TurnMetrics`, emitted by `metrics` |
| `_parts` | `LatencyPart`, a part of what the user waited for |
"""

from __future__ import annotations

from rxvoice.events._event import Event, Notice, TurnFailed
from rxvoice.events._metrics import TurnMetrics
from rxvoice.events._parts import LatencyPart
from rxvoice.events._sound import (
    AudioLost,
    DeviceChanged,
    DeviceLost,
    DeviceRestored,
    Level,
    Muted,
    Underrun,
)
from rxvoice.events._turns import (
    Candidate,
    Confirmed,
    Dropped,
    DropReason,
    Finished,
    Idle,
    Interrupted,
    Partial,
    Paused,
    ReplyDelta,
    ReplyStarted,
    Resumed,
    ResumeReason,
    Saying,
    Speaking,
    Spoken,
    Transcribed,
    TurnEnded,
    TurnOpened,
    WakeWord,
)

__all__ = [
    "AudioLost",
    "Candidate",
    "Confirmed",
    "DeviceChanged",
    "DeviceLost",
    "DeviceRestored",
    "DropReason",
    "Dropped",
    "Event",
    "Finished",
    "Idle",
    "Interrupted",
    "LatencyPart",
    "Level",
    "Muted",
    "Notice",
    "Partial",
    "Paused",
    "ReplyDelta",
    "ReplyStarted",
    "ResumeReason",
    "Resumed",
    "Saying",
    "Speaking",
    "Spoken",
    "Transcribed",
    "TurnEnded",
    "TurnFailed",
    "TurnMetrics",
    "TurnOpened",
    "Underrun",
    "WakeWord",
]
