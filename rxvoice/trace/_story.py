"""`TraceStory`: a conversation as a person tells it: turns, replies, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

from rxvoice.events import LatencyPart
from rxvoice.events._parts import Moment, parts_of
from rxvoice.trace._capture_time import CaptureTime, Judged
from rxvoice.trace._reading import Trace

Over: TypeAlias = Literal["finished", "interrupted", "failed", "dropped", "open"]
"""How a turn came to its end."""

MarkKind: TypeAlias = Literal[
    "lost", "underrun", "device", "failed", "tool", "notice", "app", "wake", "muted"
]
"""What happened beside the turns. ``"app"``: the app said something to the conversation."""


@dataclass(frozen=True, slots=True)
class StoryMark:
    """Something that happened at one moment.

    Args:
        time: when, in seconds since the trace began.
        kind: what kind of thing.
        text: what happened, for people.
        turn: the turn that it belongs to, or None.
    """

    time: float
    kind: MarkKind
    text: str
    turn: int | None = None


@dataclass(slots=True)
class StorySentence:
    """A sentence that the voice was asked for.

    Args:
        text: the sentence.
        asked: when the voice was asked.
        first: when the first sound came; None if none came.
        end: when it was over; None if it was not.
        seconds: how much sound it has.
        failed: why the voice failed, or None.
    """

    text: str
    asked: float
    first: float | None = None
    end: float | None = None
    seconds: float = 0.0
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class StoryPlayed:
    """Sound of a reply that went to the loudspeaker, or that was made for it.

    Args:
        start: when its first sample was heard. If it was not heard: when it would have been.
        end: when its last sample was heard, likewise.
        heard: whether it was heard.
        turn: the turn that the reply is for.
        voice: the number of the voice file that has it.
        at: its first sample there.
        samples: how many there are.
    """

    start: float
    end: float
    heard: bool
    turn: int
    voice: int
    at: int
    samples: int


@dataclass(slots=True)
class StoryPause:
    """A pause of a reply.

    Args:
        start: when it began.
        end: when the reply went on, or was interrupted.
        reason: why it went on; empty if it did not.
    """

    start: float
    end: float | None = None
    reason: str = ""


@dataclass(slots=True)
class StoryAnswer:
    """What a model was asked, and when its pieces came.

    Args:
        asked: when it was asked.
        pieces: when each piece came.
        end: when its answer was over; None if it was not.
        failed: why it failed, or None.
    """

    asked: float
    pieces: list[float] = field(default_factory=list[float])
    end: float | None = None
    failed: str | None = None


@dataclass(slots=True)
class StoryTurn:
    """What the user said in one go, and the reply to it. Times are seconds since the trace began.

    Args:
        id: its number; below 0 for what the app lets the assistant say.
        opened: when it was opened on the conversation thread.
        begin: when its first sample was captured, with the pre-roll.
        speech: when the chunk that opened it was captured.
        candidate: whether it began over a reply.
    """

    id: int
    opened: float
    begin: float
    speech: float
    candidate: bool = False
    speech_end: float | None = None
    """The end of the user's speech."""
    ended: float | None = None
    """When the turn ended."""
    partials: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    transcribed: float | None = None
    text: str = ""
    """What the user said, as far as it was understood."""
    recogniser: list[StoryAnswer] = field(default_factory=list[StoryAnswer])
    model: list[StoryAnswer] = field(default_factory=list[StoryAnswer])
    reply: str = ""
    """What the text model wrote."""
    first_token: float | None = None
    sentences: list[StorySentence] = field(default_factory=list[StorySentence])
    speaking: float | None = None
    """When the first sample was heard."""
    pauses: list[StoryPause] = field(default_factory=list[StoryPause])
    heard: str | None = None
    """What was heard of an interrupted reply."""
    confirmed: float | None = None
    over: Over = "open"
    over_at: float | None = None
    why: str = ""
    """Why it was dropped or failed."""
    told: Mapping[Moment, float] = field(default_factory=dict[Moment, float])
    """The moments that `TurnMetrics` told."""

    @property
    def moments(self) -> dict[Moment, float | None]:
        """Milliseconds from the end of the user's speech: as `TurnMetrics` told, else as seen."""
        end = self.speech_end
        if end is None:
            return {}
        sentences = [it for it in self.sentences if it.asked >= end]
        first = sentences[0] if sentences else None
        seen: dict[Moment, float | None] = {
            "turn_ended": self.ended,
            "transcript": self.transcribed,
            "first_token": self.first_token,
            "first_sentence": first and first.asked,
            "first_audio": first and first.first,
            "first_heard": self.speaking,
        }
        return {
            name: self.told.get(name, None if at is None else round(1000 * (at - end), 3))
            for name, at in seen.items()
        }

    @property
    def parts(self) -> tuple[LatencyPart, ...]:
        """What the user waited for, part by part; see `TurnMetrics.parts`."""
        if self.over == "dropped":
            return ()
        return parts_of(self.moments)

    @property
    def latency_ms(self) -> float | None:
        """What the user waited: from the end of the speech to the first sample heard."""
        return self.moments.get("first_heard") if self.over != "dropped" else None


@dataclass(eq=False)
class TraceStory:
    """A conversation.

    Args:
        trace: what it was told from.
        captured: when each sample of the microphone was captured.
        judged: how the detector judged the chunks.
        turns: the turns and candidates, in the order in which they opened.
        played: what went to the loudspeaker, in its order.
        marks: what else happened, in its order.
        start: speech starts at this probability.
        stop: speech stops below this one.
    """

    trace: Trace
    captured: CaptureTime
    judged: Judged
    turns: list[StoryTurn]
    played: list[StoryPlayed]
    marks: list[StoryMark]
    start: float
    stop: float

    @cached_property
    def duration(self) -> float:
        """Seconds from the beginning of the trace to its end."""
        ends = [self.trace.duration, self.captured.of(self.captured.samples)]
        return max([*ends, *(it.end for it in self.played if it.heard)])
