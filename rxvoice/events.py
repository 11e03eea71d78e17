"""What happens in a conversation, one dataclass each, for an app's face and its log.

They travel beside the elements, in the order in which it happened; `as_json` makes each a dict for
``json.dumps``. `TurnFailed` and `Notice` belong to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.elements import Event, Notice, TurnFailed
from rxvoice.turn import Turn

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

DropReason: TypeAlias = Literal[
    "short", "echo", "no_words", "backchannel", "failed", "discarded", "closed"
]
"""Why a candidate did not become a turn, or a turn was not answered."""

ResumeReason: TypeAlias = DropReason | Literal["quiet", "too_long", "joined", "waits"]
"""Why a reply goes on: why the last candidate was dropped, or what else became of it."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TurnOpened(Event):
    """The user has the floor: a turn has begun, or a candidate was `Confirmed`."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TurnEnded(Event):
    """The user's turn, or a candidate, is over; its words may be known later.

    Args:
        turn: the turn.
        position: index of the sample after its last, counted from the subscription.
    """

    turn: Turn
    position: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Candidate(Event):
    """Something was heard while a reply is in progress: it may become a turn."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Confirmed(Event):
    """The candidate is the user's: it is the next turn, with all its audio."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dropped(Event):
    """The candidate was none, or the turn is not answered.

    Args:
        turn: the candidate, or the turn.
        reason: ``"short"``: too little speech over the assistant's voice; ``"echo"``: it was the
            assistant's own voice; ``"no_words"``: no words, or too few; ``"backchannel"``: words
            that only say that somebody listens; ``"failed"``: the recogniser failed;
            ``"discarded"``: the app discarded it; ``"closed"``: the conversation ended first.
    """

    turn: Turn
    reason: DropReason


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Partial(Event):
    """What the turn has said so far; may change."""

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transcribed(Event):
    """What the turn said."""

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReplyStarted(Event):
    """The first word of the reply was written."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReplyDelta(Event):
    """A piece of the reply was written."""

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Saying(Event):
    """The app says something by itself; what comes of it is told of this turn, as of a reply.

    Args:
        turn: of the app, without sound, with an ``id`` below 0.
        text: what it says.
    """

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Spoken(Event):
    """Words of a reply have left the loudspeaker.

    Args:
        turn: the one that is being answered.
        text: the words, as the model wrote them; in most cases one.
    """

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Speaking(Event):
    """The first sample of the reply is heard."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Paused(Event):
    """The reply is held back, while a candidate is judged."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Resumed(Event):
    """The reply goes on with the next sample that was not heard.

    Args:
        turn: the one that is being answered.
        reason: why the last candidate was dropped; ``"quiet"``: it fell silent before it had
            spoken long enough; ``"too_long"``: it has held the reply back for long enough. The
            candidate may still be confirmed after either of these two; ``"joined"``: its words were
            joined with the question that is to be answered; ``"waits"``: interruptions are off by
            now, and it is answered afterwards.
    """

    turn: Turn
    reason: ResumeReason


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Interrupted(Event):
    """The reply is over before its end.

    Args:
        turn: the one that was being answered.
        heard: what was heard of the answer.
    """

    turn: Turn
    heard: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Finished(Event):
    """The reply was heard to its end.

    Args:
        turn: the one that was answered.
        text: the answer.
    """

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Idle(Event):
    """Nobody has said anything for `ms` milliseconds since the last reply was heard."""

    ms: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Level(Event):
    """How loud the microphone is.

    Args:
        rms: root mean square of the samples, 0 to 1.
        peak: largest magnitude, 0 to 1.
        ms: how much audio it was measured over.
    """

    rms: float
    peak: float
    ms: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Muted(Event):
    """The app has muted the microphone, or lets it be heard again (`mute`).

    Args:
        muted: which of the two.
    """

    muted: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioLost(Event):
    """Captured audio was lost on its way.

    The microphone replaces it by silence of the same length; `handoff` leaves it out.

    Args:
        samples: lost since the last such event, at the device's or the queue's sample rate.
        total: lost since the subscription.
        cause: ``"device"``: the sound system said so; ``"full"``: the app did not keep up.
        remedy: what to do about it, for people.
    """

    samples: int
    total: int
    cause: Literal["device", "full"]
    remedy: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Underrun(Event):
    """The loudspeaker had nothing to play in the middle of a reply.

    Args:
        samples: of silence since the last such event, at the device's sample rate.
        total: of silence so far.
        remedy: what to do about it, for people.
    """

    samples: int
    total: int
    remedy: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceLost(Event):
    """A microphone or loudspeaker went away; it is looked for until it returns.

    Args:
        kind: which of the two.
        device: its name.
        reason: what the sound system said.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceRestored(Event):
    """A microphone or loudspeaker works again.

    Args:
        kind: which of the two.
        device: its name, which is another one's where the default took its place.
        gone_ms: how long there was none, in milliseconds.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    gone_ms: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DeviceChanged(Event):
    """A microphone or loudspeaker has taken another's place, as the app has chosen.

    Args:
        kind: which of the two.
        device: its name.
        before: the name of the other one.
    """

    kind: Literal["microphone", "speaker"]
    device: str
    before: str


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
