"""Events of turns, candidates and replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rxvoice.events._event import Event
from rxvoice.turn import Turn

DropReason: TypeAlias = Literal[
    "short", "echo", "no_words", "backchannel", "failed", "discarded", "closed"
]
"""Why a candidate did not become a turn, or why a turn gets no reply; see `Dropped`."""

ResumeReason: TypeAlias = DropReason | Literal["quiet", "too_long", "joined", "waits"]
"""Why a reply goes on; see `Resumed`."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WakeWord(Event):
    """Emitted by `wake_word` when the user says the word, before the chunk that tells it.

    Args:
        word: the word, as the detector names it.
        position: index of the sample after that chunk, counted from the subscription. Detectors
            are late: the word itself ends up to 350 ms before.
        score: how sure the detector is, 0 to 1. None if it gives no score.
    """

    word: str
    position: int
    score: float | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TurnOpened(Event):
    """Emitted when a turn begins, and after `Confirmed` when a candidate becomes a turn."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TurnEnded(Event):
    """Emitted when the user's turn, or a candidate, ends. Its transcript may come later.

    Args:
        turn: the turn.
        position: index of the sample after the turn's last one, counted from the subscription.
    """

    turn: Turn
    position: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Candidate(Event):
    """Emitted when the user may be speaking over a reply: a candidate opens, not yet a turn."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Confirmed(Event):
    """Emitted when a candidate turns out to be the user: it becomes the next turn."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dropped(Event):
    """Emitted when a candidate does not become a turn, or when a turn gets no reply.

    Args:
        turn: the candidate or the turn.
        reason: ``"short"``: there was too little speech over the assistant's voice. ``"echo"``: it
            was the assistant's own voice. ``"no_words"``: there were no words, or too few.
            ``"backchannel"``: the words only say that the user listens. ``"failed"``: the
            recogniser failed, or the subscriber raised. ``"discarded"``: the app discarded it.
            ``"closed"``: the conversation ended first.
    """

    turn: Turn
    reason: DropReason


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Partial(Event):
    """Emitted for each partial transcript: the turn's text so far, which may change."""

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transcribed(Event):
    """Emitted for the final transcript: the turn's text."""

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReplyStarted(Event):
    """Emitted when the model gives the first text of the reply, before its `ReplyDelta`."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReplyDelta(Event):
    """Emitted for each piece of the reply's text, as the model gives it."""

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Saying(Event):
    """Emitted when the assistant begins to say what the app wants; see ``says`` of `converse`.

    The events of a reply follow, with the same turn.

    Args:
        turn: a turn of the app: it has no sound, and its ``id`` is below 0.
        text: the text that the app wants to be said.
    """

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Spoken(Event):
    """Emitted when words of a reply have been heard, if `converse` has ``word_events=True``.

    Args:
        turn: the turn that the reply is for.
        text: the words as the model wrote them, mostly one.
    """

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Speaking(Event):
    """Emitted when the first sample of the reply has been heard."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Paused(Event):
    """Emitted when playback of the reply pauses, while a candidate is judged."""

    turn: Turn


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Resumed(Event):
    """Emitted when a paused reply goes on, with the first sample that was not heard.

    Args:
        turn: the turn that the reply is for.
        reason: why the last candidate was dropped, as in `Dropped`, or: ``"quiet"``: the candidate
            fell silent before it had spoken long enough. ``"too_long"``: it has paused the reply
            for long enough. After these two it may still be confirmed. ``"joined"``: its words were
            joined with the question that the assistant is about to answer. ``"waits"``: the app
            has switched interruptions off, and the candidate gets its reply afterwards.
    """

    turn: Turn
    reason: ResumeReason


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Interrupted(Event):
    """Emitted when a reply is interrupted, or when words are joined with a later question.

    Args:
        turn: the turn that the reply was for.
        heard: the text of the reply that was heard.
    """

    turn: Turn
    heard: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Finished(Event):
    """Emitted when a reply has been heard to its end.

    Args:
        turn: the turn that the reply was for.
        text: the reply, without words at its end that the voice gave no sound for.
    """

    turn: Turn
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Idle(Event):
    """Emitted once nobody has spoken for `ms` milliseconds after a reply; see ``idle_ms``."""

    ms: int
