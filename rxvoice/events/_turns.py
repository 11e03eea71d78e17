"""What becomes of the user's turns, and of the replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.events._event import Event
from rxvoice.turn import Turn

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
