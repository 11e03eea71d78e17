"""`TurnMetrics`: how long each part of a turn took."""

from __future__ import annotations

from dataclasses import dataclass

from rxvoice.events._event import Event
from rxvoice.events._parts import LatencyPart, parts_of
from rxvoice.turn import Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TurnMetrics(Event):
    """Emitted by `metrics` when a turn's reply is over: when each moment of the turn came.

    Moments are in milliseconds from the end of the user's speech, which is the last sample of the
    turn's last chunk that was judged speech. A moment that did not come is None.

    Args:
        turn: the turn.
        turn_ended_ms: the turn ended.
        transcript_ms: the final transcript came.
        first_token_ms: the first text of the reply came.
        first_audio_ms: the first sound of the reply was made.
        first_heard_ms: the first sample of the reply left the loudspeaker.
        interrupted: whether the reply was interrupted.
        samples_lost: samples of the microphone that were lost during the turn and its reply.
        underrun_samples: samples of silence that the loudspeaker played in the middle of the reply.
        queued_ms: the most audio that waited for the loudspeaker, in milliseconds.
        over_ms: the reply was over: heard to its end, interrupted or failed.
        memory_bytes: what the models held when the reply was over; None if `metrics` was not told.
        first_sentence_ms: the first sentence of the reply went to the voice.
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
    memory_bytes: int | None = None
    first_sentence_ms: float | None = None

    @property
    def parts(self) -> tuple[LatencyPart, ...]:
        """What the user waited for, part by part, each with its owner.

        The sum of their ``ms`` is `first_heard_ms`, exact to the microsecond; without it, the last
        moment that is known.
        """
        return parts_of(
            {
                "turn_ended": self.turn_ended_ms,
                "transcript": self.transcript_ms,
                "first_token": self.first_token_ms,
                "first_sentence": self.first_sentence_ms,
                "first_audio": self.first_audio_ms,
                "first_heard": self.first_heard_ms,
            }
        )
