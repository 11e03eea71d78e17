"""How long each part of a turn took."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice.events._event import Event
from rxvoice.turn import Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TurnMetrics(Event):
    """How long a turn took, in milliseconds from the end of the user's speech.

    None where it did not come to that. The end of speech is the last sample of the turn's last
    chunk that was judged speech.

    Args:
        turn: the turn.
        turn_ended_ms: until the turn was over.
        transcript_ms: until it was written down.
        first_token_ms: until the first word of the reply was written.
        first_audio_ms: until the first piece of sound was made.
        first_heard_ms: until its first sample left the loudspeaker.
        interrupted: whether the reply was.
        samples_lost: of the microphone, during the turn and its reply.
        underrun_samples: of the loudspeaker, during its reply.
        queued_ms: the most audio that waited for the loudspeaker.
        over_ms: until the reply was over: heard to its end, interrupted or failed.
    """

    turn: Turn
    turn_ended_ms: float | None = None
    transcript_ms: float | None = None
    first_token_ms: float | None = None
    first_audio_ms: float | None = None
    first_heard_ms: float | None = None
    interrupted: bool = False
    samples_lost: int = 0
    underrun_samples: int = 0
    queued_ms: int = 0
    over_ms: float | None = None
