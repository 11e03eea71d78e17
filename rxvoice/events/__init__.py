"""What happens in a conversation, one dataclass each, for an app's face and its log.

They travel beside the elements, in the order in which it happened; `Event.as_json` makes each a
dict for ``json.dumps``.
"""

from __future__ import annotations

from rxvoice.events._event import Event, Notice, TurnFailed
from rxvoice.events._metrics import TurnMetrics
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
]
